//! Why a run was not started, or not settled.

use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::JobId;

use crate::state::LeftOut;

/// Uploads that may be open in one bucket: 30 MB of state, and 200 calls to list.
pub const UPLOADS_MAX: usize = 200_000;

/// One variant for each thing that a caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("{doing}: {source}")]
    Store { doing: String, source: StoreError },
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("`{key}` can't be read as this program writes it: {why}")]
    Damaged { key: String, why: String },
    #[error(
        "bucket `{0}` has more than {UPLOADS_MAX} uploads in parts that were never ended: have a lifecycle rule abort them \
         (AbortIncompleteMultipartUpload); nothing was scanned, and nothing is left out"
    )]
    TooManyUploads(String),
    #[error("no bucket of the schedule can be scanned: {}", named(.0))]
    NoBucketLeft(Vec<LeftOut>),
    /// Step Functions' own view is a moment behind its event.
    #[error("job `{0}` is said to have ended, and still runs")]
    NotEnded(JobId),
    #[error("the state of the schedule was written by others again and again")]
    Contended,
}

impl ScheduleError {
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.retryable(),
            Self::Service(error) => error.retryable,
            Self::NotEnded(_) | Self::Contended => true,
            Self::Damaged { .. } | Self::TooManyUploads(_) | Self::NoBucketLeft(_) => false,
        }
    }
}

fn named(left_out: &[LeftOut]) -> String {
    let each: Vec<String> = left_out.iter().take(20).map(ToString::to_string).collect();
    each.join(", ")
}
