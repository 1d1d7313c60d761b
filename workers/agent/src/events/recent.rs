//! What this agent did a moment ago: S3 and SQS deliver at least once.
//!
//! A saving and not a proof: what is forgotten, or what another agent did, is scanned once more and comes to the same end.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lazaret_actions::error::is_pinned;
use lazaret_model::event::CreatedObject;
use lru::LruCache;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::receive::Receipt;

/// Events that are remembered: some 200 bytes each, and 1,200 at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Two messages of one event arrive within seconds of each other. One that was given up and sent again counts as new as well, and took
/// longer than this to be given up.
const TWICE: Duration = Duration::from_secs(60);

/// Names an event, however often it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EventId {
    bucket: String,
    key: String,
    /// The version id, else the ETag.
    version: String,
    sequencer: Option<String>,
}

/// The memory of one agent.
pub struct Recent(Mutex<State>);

struct State {
    done: LruCache<EventId, Done>,
    /// What is worked on; cancelled when that ends.
    in_hand: HashMap<EventId, CancellationToken>,
}

/// By which delivery an event was done.
struct Done {
    message_id: String,
    count: u32,
    at: Instant,
}

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(State { done: LruCache::new(REMEMBERED), in_hand: HashMap::new() }))
    }
}

impl Recent {
    /// The right to work on an event, which nobody else of this agent has meanwhile: the same event waits for the end of the one
    /// that came first. `None` if it was done.
    pub async fn claim<'a>(&'a self, created: &'a CreatedObject, receipt: &'a Receipt) -> Option<Claim<'a>> {
        let id = EventId::of(created);
        loop {
            let first = {
                let mut state = self.state();
                if state.done.get_mut(&id).is_some_and(|done| done.covers(created, receipt)) {
                    return None;
                }
                match state.in_hand.get(&id) {
                    Some(first) => first.clone(),
                    None => {
                        state.in_hand.insert(id.clone(), CancellationToken::new());
                        return Some(Claim { recent: self, id, created, receipt });
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

impl Done {
    /// Whether a delivery of the same event has nothing to do.
    ///
    /// A version that its id pins stays as it was left. Of others nobody knows what another agent did that had the message meanwhile: it
    /// may have died while its tags were on their way to an object that came later, which this delivery is there to put right.
    fn covers(&mut self, created: &CreatedObject, receipt: &Receipt) -> bool {
        if is_pinned(&created.object) {
            return true;
        }
        if self.message_id != receipt.message_id {
            return receipt.count == 1 && self.at.elapsed() < TWICE;
        }
        let next = receipt.count == self.count || receipt.count == self.count + 1;
        if next {
            self.count = receipt.count;
        }
        next
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
    created.sequencer.is_some() || is_pinned(&created.object)
}

/// The right to work on an event. Dropped, it lets the next one begin.
pub struct Claim<'a> {
    recent: &'a Recent,
    id: EventId,
    created: &'a CreatedObject,
    receipt: &'a Receipt,
}

impl Claim<'_> {
    /// All is done: the same event need not be worked on again.
    pub fn done(self) {
        if tells_stores_apart(self.created) {
            let Receipt { message_id, count, .. } = self.receipt;
            let done = Done { message_id: message_id.clone(), count: *count, at: Instant::now() };
            self.recent.state().done.put(self.id.clone(), done);
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

#[cfg(test)]
mod tests {
    use lazaret_model::ObjectRef;
    use lazaret_model::event::Sequencer;

    use super::*;
    use crate::testing::object;

    fn receipt(message_id: &str, count: u32) -> Receipt {
        Receipt { message_id: message_id.to_owned(), count, sent: None, trace_header: None }
    }

    fn created(version_id: Option<&str>) -> CreatedObject {
        let object = ObjectRef { version_id: version_id.map(str::to_owned), ..object("k") };
        CreatedObject { object, sequencer: Some(Sequencer::new("01")), principal: None }
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_agent_may_have_had_in_hand_meanwhile_is_done_again_unless_its_version_is_pinned() {
        for (version_id, pinned) in [(None, false), (Some("null"), false), (Some("v"), true)] {
            let (recent, created) = (Recent::default(), created(version_id));
            let first = receipt("m", 1);
            recent.claim(&created, &first).await.expect("new").done();
            let covered = async |message: &str, count| recent.claim(&created, &receipt(message, count)).await.is_none();
            assert!(covered("m", 2).await, "nobody had it between our deliveries");
            assert_eq!(covered("m", 4).await, pinned, "somebody had the third");
            assert!(covered("other", 1).await, "S3 told twice");
            assert_eq!(covered("other", 2).await, pinned);
            tokio::time::advance(TWICE).await;
            assert_eq!(covered("redriven", 1).await, pinned);
        }
    }
}
