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
    #[error("another scan, within the hour, found it infected: those tags stay")]
    FoundInfected,
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
    #[error("starting its promotion: the last {0} executions of it have failed within a day")]
    PromotionsFailed(u32),
    #[error("its bucket is a staging bucket, and this agent was told of no state machine")]
    NoStateMachine,
}

/// Why a version was not promoted. It stays in staging, unless the text says more.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    #[error("looking at it in staging: {}", advise(error, bucket, "s3:GetObjectVersion"))]
    ReadSource { bucket: String, error: StoreError },
    #[error("reading its tags in staging: {}", advise(error, bucket, "s3:GetObjectVersionTagging"))]
    ReadTags { bucket: String, error: StoreError },
    #[error(
        "looking at it in production: {}",
        advise(error, bucket, "s3:GetObject, s3:GetObjectVersion and s3:ListBucket")
    )]
    LookAtTarget { bucket: String, error: StoreError },
    #[error("copying it from bucket `{from}` to bucket `{to}`: {}", advise_copy(error, from, to))]
    Copy { from: String, to: String, error: StoreError },
    #[error("its copy in bucket `{bucket}` has {found} bytes, {expected} are expected: nothing was deleted")]
    NotWhole { bucket: String, expected: u64, found: u64 },
    #[error(
        "it stands in production, and its version in staging was not deleted: {}",
        advise(error, bucket, "s3:DeleteObjectVersion")
    )]
    DeleteSource { bucket: String, error: StoreError },
    #[error("what stands at its key in bucket `{bucket}` kept changing")]
    Unsettled { bucket: String },
}

impl PromoteError {
    /// Whether a later attempt may fare better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::ReadSource { error, .. }
            | Self::ReadTags { error, .. }
            | Self::LookAtTarget { error, .. }
            | Self::Copy { error, .. }
            | Self::DeleteSource { error, .. } => error.retryable(),
            Self::NotWhole { .. } => false,
            Self::Unsettled { .. } => true,
        }
    }
}

/// The error, and for one of permissions what to grant on which bucket.
fn advise(error: &StoreError, bucket: &str, actions: &str) -> String {
    match error {
        StoreError::AccessDenied(_) => format!("{error}; grant {actions} on bucket `{bucket}`"),
        error => error.to_string(),
    }
}

/// S3 does not always say which side it refuses.
fn advise_copy(error: &StoreError, from: &str, to: &str) -> String {
    match error {
        StoreError::AccessDenied(_) => format!(
            "{error}; grant s3:PutObject and s3:PutObjectTagging on bucket `{to}`, s3:GetObjectVersion on bucket `{from}`, and where \
             a bucket has a KMS key of its own, kms:GenerateDataKey and kms:Decrypt on that key"
        ),
        error => error.to_string(),
    }
}

impl ActError {
    /// Whether a later attempt may fare better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::NoRoomForTags | Self::FoundInfected | Self::PromotionsFailed(_) | Self::NoStateMachine => false,
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
