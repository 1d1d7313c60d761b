//! Fetch: one exact version of an object, into a file that the engine can be handed.

use std::os::fd::OwnedFd;
use std::time::Duration;

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason};
use lazaret_model::{ObjectRef, Verdict};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::retry;
use crate::spool::Spool;

/// S3 answers within milliseconds; a connection that is silent for this long is dead, though nobody closed it.
const SILENCE: Duration = Duration::from_secs(60);

/// An object that is ready for the engine.
#[derive(Debug)]
pub struct Fetched {
    pub file: OwnedFd,
    /// Of its bytes.
    pub sha256: [u8; 32],
    /// The reference that was asked for, with the version that S3 gave.
    pub object: ObjectRef,
}

/// Why an object was not fetched.
#[derive(Debug, PartialEq, Eq)]
pub enum NotFetched {
    /// The version is no longer there. It may have been moved to quarantine: that is to be looked at before it is said.
    Gone(GoneReason),
    /// Anything else, which is a verdict of its own and never `Clean`.
    Verdict(Verdict),
}

/// Fetches exactly `object`. What may pass is tried again, bounded.
pub async fn fetch(store: &dyn ObjectStore, spool: &Spool, object: &ObjectRef) -> Result<Fetched, NotFetched> {
    retry::STORE.run(Attempt::retryable, || attempt(store, spool, object)).await.map_err(|failed| match failed {
        Attempt::Store(StoreError::NotFound | StoreError::NoSuchBucket(_)) => NotFetched::Gone(GoneReason::Deleted),
        Attempt::Store(StoreError::PreconditionFailed) => NotFetched::Gone(GoneReason::Overwritten),
        Attempt::Store(StoreError::Archived) => {
            NotFetched::Verdict(Verdict::Skipped { reason: SkippedReason::Archived })
        }
        Attempt::Store(StoreError::AccessDenied(detail)) => {
            NotFetched::Verdict(Verdict::Error { reason: ErrorReason::AccessDenied, detail })
        }
        other => NotFetched::Verdict(Verdict::Error { reason: ErrorReason::FetchFailed, detail: other.to_string() }),
    })
}

/// How one try failed.
#[derive(Debug, thiserror::Error)]
enum Attempt {
    #[error("{0}")]
    Store(StoreError),
    #[error("the connection was silent for {} s", SILENCE.as_secs())]
    Silent,
    /// The ETag is right and the size is not: these are not the bytes that were listed.
    #[error("S3 sends {sent} bytes where {listed} were listed")]
    WrongSize { sent: u64, listed: u64 },
    #[error("{received} of {expected} bytes arrived")]
    Truncated { received: u64, expected: u64 },
    #[error("no place to put it: {0}")]
    Place(#[from] std::io::Error),
}

impl Attempt {
    /// A full disk or memory is worth another try: objects before this one are scanned and dropped meanwhile.
    fn retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.retryable(),
            Self::Silent | Self::Truncated { .. } | Self::Place(_) => true,
            Self::WrongSize { .. } => false,
        }
    }
}

async fn attempt(store: &dyn ObjectStore, spool: &Spool, object: &ObjectRef) -> Result<Fetched, Attempt> {
    let mut answer =
        timeout(SILENCE, store.fetch(object)).await.map_err(|_| Attempt::Silent)?.map_err(Attempt::Store)?;
    let expected = object.size;
    if answer.size != expected {
        return Err(Attempt::WrongSize { sent: answer.size, listed: expected });
    }
    let mut place = spool.place(expected)?;
    let mut received = 0;
    let mut digest = Sha256::new();
    while let Some(chunk) =
        timeout(SILENCE, answer.body.chunk()).await.map_err(|_| Attempt::Silent)?.map_err(Attempt::Store)?
    {
        received += chunk.len() as u64;
        if received > expected {
            return Err(Attempt::WrongSize { sent: received, listed: expected });
        }
        digest.update(&chunk);
        place.write(&chunk).await?;
    }
    if received != expected {
        return Err(Attempt::Truncated { received, expected });
    }
    let file = place.finish().await?;
    let version_id = object.version_id.clone().or(answer.version_id);
    Ok(Fetched { file, sha256: digest.finalize().into(), object: ObjectRef { version_id, ..object.clone() } })
}
