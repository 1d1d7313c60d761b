//! Why an action was not done.

use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::ObjectRef;
use lazaret_model::tags::TAGS_PER_OBJECT;

/// A step that failed, after its retries.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("reading its tags: {0}")]
    ReadTags(#[source] StoreError),
    #[error("writing its tags: {0}")]
    WriteTags(#[source] StoreError),
    #[error("it has {TAGS_PER_OBJECT} tags of its owner's: no room for the result")]
    NoRoomForTags,
    #[error("reading its metadata: {0}")]
    ReadHeaders(#[source] StoreError),
    #[error("writing down what goes to quarantine: {0}")]
    WriteRecord(#[source] StoreError),
    #[error("copying it to quarantine: {0}")]
    Copy(#[source] StoreError),
    #[error("looking for it in quarantine: {0}")]
    Look(#[source] StoreError),
    #[error("it stands in quarantine, and was not deleted: {0}")]
    DeleteMoved(#[source] StoreError),
    #[error("deleting it: {0}")]
    Delete(#[source] StoreError),
    #[error("it was done, and whether an older version of its key came up could not be seen: {0}")]
    LookBehind(#[source] StoreError),
    #[error("writing down its verdict: {0}")]
    WriteVerdict(#[source] StoreError),
    #[error("starting its promotion: {0}")]
    StartPromotion(#[source] ServiceError),
    #[error("starting its promotion: {0} executions of it have failed already")]
    PromotionsFailed(u32),
    #[error("its bucket is a staging bucket, and this agent was told of no state machine")]
    NoStateMachine,
}

impl ActError {
    /// Whether a later attempt may fare better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::NoRoomForTags | Self::PromotionsFailed(_) | Self::NoStateMachine => false,
            Self::StartPromotion(error) => error.retryable,
            Self::ReadTags(error)
            | Self::WriteTags(error)
            | Self::ReadHeaders(error)
            | Self::WriteRecord(error)
            | Self::Copy(error)
            | Self::Look(error)
            | Self::DeleteMoved(error)
            | Self::Delete(error)
            | Self::LookBehind(error)
            | Self::WriteVerdict(error) => error.retryable(),
        }
    }
}

/// Whether the version that was scanned is no longer there.
pub fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound | StoreError::PreconditionFailed | StoreError::NoSuchBucket(_))
}

/// Whether the version id alone names one version for ever, which that of objects older than their bucket's versions does not.
pub fn is_pinned(object: &ObjectRef) -> bool {
    object.version_id.as_deref().is_some_and(|id| id != "null")
}
