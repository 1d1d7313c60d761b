//! From objects to their rows: fetch, scan, decide, for many at once and within bounds.

use std::sync::Arc;

use lazaret_actions::error::is_pinned;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::verdict::{ErrorReason, GoneReason, UnscannableReason};
use lazaret_model::{ObjectRef, ResultRow, Verdict, WorkPacket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::decide::{Basis, Decide};
use crate::fetch::{Fetched, NotFetched, fetch};
use crate::policies::PolicyBook;
use crate::retry;
use crate::scan::{Content, EngineGone, Scanned, Scanner};
use crate::spool::{Room, Spool};

/// Objects in hand for each scan worker. A small object takes 3 ms to scan and 20 to 50 ms to fetch, so that a worker
/// stays busy if about sixteen are on their way.
pub const OBJECTS_PER_WORKER: usize = 16;

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Engine(#[from] EngineGone),
    /// The agent is stopping, and nothing was begun: not an object of the packet, not the object of the event.
    #[error("the agent is stopping")]
    Stopping,
    /// A fault of ours. No row is made up for it.
    #[error("an object's task ended early: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Inspects the objects of one agent.
pub struct Inspector {
    pub store: Arc<dyn ObjectStore>,
    pub scanner: Arc<dyn Scanner>,
    pub policies: Arc<PolicyBook>,
    pub spool: Spool,
    /// None where nothing is ever moved.
    pub quarantine_bucket: Option<String>,
    bounds: Bounds,
}

/// What bounds the objects in hand; the bytes are bounded by the [`Spool`].
struct Bounds {
    /// One packet at a time takes its objects in hand, so that an agent that is stopped has no two half-done packets.
    turn: Semaphore,
    objects: Arc<Semaphore>,
    scans: Semaphore,
}

impl Inspector {
    pub fn new(
        store: Arc<dyn ObjectStore>,
        scanner: Arc<dyn Scanner>,
        policies: Arc<PolicyBook>,
        spool: Spool,
        quarantine_bucket: Option<String>,
        scan_workers: usize,
    ) -> Self {
        let bounds = Bounds {
            turn: Semaphore::new(1),
            objects: Arc::new(Semaphore::new(scan_workers * OBJECTS_PER_WORKER)),
            scans: Semaphore::new(scan_workers),
        };
        Self { store, scanner, policies, spool, quarantine_bucket, bounds }
    }

    /// A row for each object of the packet, in its order. `stopping` ends the wait for this packet's turn, and nothing after it.
    pub async fn inspect_all(
        self: &Arc<Self>,
        packet: &WorkPacket,
        stopping: &CancellationToken,
    ) -> Result<Vec<ResultRow>, InspectError> {
        let turn = tokio::select! {
            biased;
            () = stopping.cancelled() => return Err(InspectError::Stopping),
            turn = self.bounds.turn.acquire() => turn.expect("never closed"),
        };
        let mut rows: Vec<Option<ResultRow>> = packet.objects.iter().map(|_| None).collect();
        let mut begun = JoinSet::new(); // dropped, it aborts what it holds: no object outlives its packet
        for (index, object) in packet.objects.iter().enumerate() {
            if let Some(row) = self.decided_before_fetch(object) {
                rows[index] = Some(row);
                continue;
            }
            let taken = self.take_in_hand(object).await;
            let (this, object) = (Arc::clone(self), object.clone());
            let span = info_span!("object", object.bucket = %object.bucket, object.key = %object.key.escape_debug());
            let inspected = async move {
                let row = this.inspect(&object, taken).await?;
                log(&row);
                Ok::<_, EngineGone>((index, row))
            };
            begun.spawn(inspected.instrument(span));
            while let Some(done) = begun.try_join_next() {
                let (index, row) = done??;
                rows[index] = Some(row);
            }
        }
        drop(turn);
        while let Some(done) = begun.join_next().await {
            let (index, row) = done??;
            rows[index] = Some(row);
        }
        Ok(rows.into_iter().map(|row| row.expect("every object was either decided or joined")).collect())
    }

    /// The row of one object that an event names, within the same bounds. `stopping` ends the wait for a place, and nothing after it.
    ///
    /// Whoever can send a message can name any size: no verdict rests on another one than S3's own.
    pub async fn inspect_one(
        &self,
        object: &ObjectRef,
        stopping: &CancellationToken,
    ) -> Result<ResultRow, InspectError> {
        let row = self.inspect_as_told(object, stopping).await?;
        if !may_rest_on_size(&row.verdict) {
            return Ok(row);
        }
        let head = || self.store.head(&object.bucket, &object.key, object.version_id.as_deref());
        let found = match retry::store(head).await {
            Ok(found) => found,
            Err(_) if matches!(row.verdict, Verdict::Error { .. }) => return Ok(row),
            Err(error) => return Ok(self.row_of_unknown(object, &error)),
        };
        match found.map(|head| head.object) {
            Some(true_one) if !is_pinned(object) && true_one.etag != object.etag => {
                Ok(self.row_of_gone(object, GoneReason::Overwritten).await)
            }
            Some(ObjectRef { size, .. }) if size == object.size => Ok(row),
            Some(ObjectRef { size, .. }) => {
                warn!(told = object.size, size, "An event named a wrong size");
                self.inspect_as_told(&ObjectRef { size, ..object.clone() }, stopping).await
            }
            None => Ok(self.row_of_gone(object, GoneReason::Deleted).await),
        }
    }

    async fn inspect_as_told(
        &self,
        object: &ObjectRef,
        stopping: &CancellationToken,
    ) -> Result<ResultRow, InspectError> {
        if let Some(row) = self.decided_before_fetch(object) {
            return Ok(row);
        }
        let taken = tokio::select! {
            biased;
            () = stopping.cancelled() => return Err(InspectError::Stopping),
            taken = self.take_in_hand(object) => taken,
        };
        Ok(self.inspect(object, taken).await?)
    }

    fn decided_before_fetch(&self, object: &ObjectRef) -> Option<ResultRow> {
        let policies = self.policies.current();
        let policy = policies.of(&object.bucket);
        let verdict = policy.verdict_before_fetch(object).or_else(|| self.scanner.without_engine())?;
        Some(self.decide(policy).row(object, object.clone(), verdict, Basis::default()))
    }

    async fn row_of_gone(&self, object: &ObjectRef, reason: GoneReason) -> ResultRow {
        self.decide(self.policies.current().of(&object.bucket)).row_of_gone(object, reason).await
    }

    fn row_of_unknown(&self, object: &ObjectRef, error: &StoreError) -> ResultRow {
        let reason = match error {
            StoreError::AccessDenied(_) => ErrorReason::AccessDenied,
            _ => ErrorReason::FetchFailed,
        };
        let verdict = Verdict::Error { reason, detail: format!("its size could not be asked for: {error}") };
        let policies = self.policies.current();
        self.decide(policies.of(&object.bucket)).row(object, object.clone(), verdict, Basis::default())
    }

    /// First a place among the objects, then room for its bytes: whoever waits for room holds a place, and comes in turn.
    async fn take_in_hand(&self, object: &ObjectRef) -> Taken {
        let place = Arc::clone(&self.bounds.objects).acquire_owned().await.expect("never closed");
        Taken { _place: place, _room: self.spool.room(object.size).await }
    }

    /// Fetch, scan, decide.
    async fn inspect(&self, asked: &ObjectRef, _taken: Taken) -> Result<ResultRow, EngineGone> {
        let begun = Instant::now();
        let fetched = fetch(self.store.as_ref(), &self.spool, asked).await;
        let (read, verdict) = match fetched {
            Ok(fetched) => {
                let _worker = self.bounds.scans.acquire().await.expect("never closed");
                let Fetched { file, sha256, object } = fetched;
                let Scanned { verdict, notes, definitions, cached } =
                    self.scanner.scan(Content { file, size: object.size, sha256 }).await?;
                (object, Ok((verdict, Basis { sha256: Some(sha256), definitions, notes, cached })))
            }
            Err(NotFetched::Verdict(verdict)) => (asked.clone(), Ok((verdict, Basis::default()))),
            Err(NotFetched::Gone(reason)) => (asked.clone(), Err(reason)),
        };
        let policies = self.policies.current();
        let policy = policies.of(&asked.bucket);
        let decide = self.decide(policy);
        let mut row = match verdict {
            Ok((verdict, basis)) => {
                let verdict = self.policies.review(policy, basis.sha256.as_ref(), verdict).await;
                decide.row(asked, read, verdict, basis)
            }
            Err(gone) => decide.row_of_gone(asked, gone).await,
        };
        row.evidence.milliseconds = Some(begun.elapsed().as_millis() as u64);
        Ok(row)
    }

    fn decide<'a>(&'a self, policy: &'a lazaret_model::Policy) -> Decide<'a> {
        Decide { store: self.store.as_ref(), policy, quarantine_bucket: self.quarantine_bucket.as_deref() }
    }
}

/// Too large by what the event says; or S3 sends another number of bytes.
fn may_rest_on_size(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Unscannable { reason: UnscannableReason::TooLarge, .. }
            | Verdict::Error { reason: ErrorReason::FetchFailed, .. }
    )
}

/// What an object holds while it is fetched and scanned.
struct Taken {
    _place: OwnedSemaphorePermit,
    _room: Room,
}

/// The clean are many and tell nothing: a line for each of a billion objects costs more than their scan.
fn log(row: &ResultRow) {
    let (verdict, duration_ms) = (row.verdict.name(), row.evidence.milliseconds);
    match &row.verdict {
        Verdict::Clean => debug!(verdict, duration_ms, "Scanned the object"),
        other => {
            let threat = other.findings().first().map(|finding| finding.threat.escape_debug().to_string());
            let reason = other.reason();
            let detail = other.detail().escape_debug();
            info!(verdict, duration_ms, threat, reason, %detail, "The object is not clean");
        }
    }
}
