//! What this agent saw a moment ago: S3 and SQS deliver at least once and in any order.
//!
//! A saving and not a proof: what is forgotten, or what another agent saw, is scanned once more and comes to the same end.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lazaret_model::event::{CreatedObject, Sequencer};
use lru::LruCache;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events that are remembered, and keys: some 200 bytes each, and 1,200 at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// For so long a later event of a key makes earlier ones superseded. They arrive within seconds of each other; and a forged one, of
/// the end of days, must not stand over its key for ever.
const NEWEST: Duration = Duration::from_secs(600);

/// Names an event, however often it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EventId {
    bucket: String,
    key: String,
    /// The version id, else the ETag.
    version: String,
    sequencer: Option<String>,
}

/// Why an event needs no scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The same event was done.
    Done,
    /// A later event of the same key was received: what this one tells of is overwritten.
    Superseded,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "the same event was done a moment ago",
            Self::Superseded => "a later event of its key overwrote it",
        })
    }
}

/// The memory of one agent.
pub struct Recent(Mutex<State>);

struct State {
    done: LruCache<EventId, ()>,
    /// Of buckets without versions: the largest sequencer of each key, and when it was received.
    newest: LruCache<(String, String), (Sequencer, Instant)>,
    /// What is worked on; cancelled when that ends.
    in_hand: HashMap<EventId, CancellationToken>,
}

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(State {
            done: LruCache::new(REMEMBERED),
            newest: LruCache::new(REMEMBERED),
            in_hand: HashMap::new(),
        }))
    }
}

impl Recent {
    /// The right to work on an event, which nobody else of this agent has meanwhile: the same event waits for the end of the one
    /// that came first.
    ///
    /// # Errors
    /// Why there is nothing to do.
    pub async fn claim(&self, created: &CreatedObject) -> Result<Claim<'_>, Known> {
        let id = EventId::of(created);
        loop {
            let first = {
                let mut state = self.state();
                if state.is_superseded(created) {
                    return Err(Known::Superseded);
                }
                if state.done.get(&id).is_some() {
                    return Err(Known::Done);
                }
                match state.in_hand.get(&id) {
                    Some(first) => first.clone(),
                    None => {
                        state.in_hand.insert(id.clone(), CancellationToken::new());
                        return Ok(Claim { recent: self, id, tells_stores_apart: tells_stores_apart(created) });
                    }
                }
            };
            first.cancelled().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no one panics while remembering")
    }
}

impl State {
    /// Remembers the event's sequencer, or says that a larger one is known.
    fn is_superseded(&mut self, created: &CreatedObject) -> bool {
        // versions don't overwrite each other, but for the one that has no id of its own
        let (Some(sequencer), None | Some("null")) = (&created.sequencer, created.object.version_id.as_deref()) else {
            return false;
        };
        let place = (created.object.bucket.clone(), created.object.key.clone());
        let newer = self.newest.get(&place).filter(|(newest, at)| newest > sequencer && at.elapsed() < NEWEST);
        if newer.is_some() {
            return true;
        }
        self.newest.put(place, (sequencer.clone(), Instant::now()));
        false
    }
}

impl EventId {
    fn of(created: &CreatedObject) -> Self {
        let object = &created.object;
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version: object.version_id.clone().unwrap_or_else(|| object.etag.to_string()),
            sequencer: created.sequencer.as_ref().map(|sequencer| sequencer.as_str().to_owned()),
        }
    }
}

/// Whether the id of this event is of one store only: the same bytes may be stored again at the same key.
fn tells_stores_apart(created: &CreatedObject) -> bool {
    created.sequencer.is_some() || created.object.version_id.as_deref().is_some_and(|id| id != "null")
}

/// The right to work on an event. Dropped, it lets the next one begin.
pub struct Claim<'a> {
    recent: &'a Recent,
    id: EventId,
    tells_stores_apart: bool,
}

impl Claim<'_> {
    /// All is done: the same event need not be worked on again.
    pub fn done(self) {
        if self.tells_stores_apart {
            self.recent.state().done.put(self.id.clone(), ());
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // a test that panicked while it held the lock has failed already
        let mut state = self.recent.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(over) = state.in_hand.remove(&self.id) {
            over.cancel();
        }
    }
}
