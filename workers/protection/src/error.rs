//! Why a bucket was not protected, in words for whoever asked.

use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::job::JobInputError;

use crate::merge::NoPlace;

/// What was refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ProtectError {
    #[error("bucket `{0}` does not exist")]
    NoBucket(String),
    #[error("bucket `{0}` is one of Lazaret's own: what it holds was scanned, or is not to be")]
    OurBucket(String),
    #[error(
        "bucket `{bucket}` lies in {region}, and this deployment in {ours}: S3 sends events only within a region. Deploy Lazaret in {region} as well"
    )]
    OtherRegion { bucket: String, region: String, ours: String },
    #[error(
        "`{bucket}` can't be a staging bucket: its versioning is {}, and only a version that nobody can overwrite is safe to promote. Enable it: \
         aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled",
        if *.suspended { "suspended" } else { "off" }
    )]
    NotVersioned { bucket: String, suspended: bool },
    #[error(
        "bucket `{0}` can't promote to itself: what is in production must be what was scanned; name another bucket"
    )]
    PromotesToItself(String),
    #[error("destination bucket `{0}` does not exist: create it first")]
    NoDestination(String),
    #[error("destination bucket `{bucket}` lies in {region}, and this deployment in {ours}: name one in {ours}")]
    DestinationElsewhere { bucket: String, region: String, ours: String },
    #[error("`{0}` is one of Lazaret's own buckets: name one of yours as the destination")]
    OurDestination(String),
    #[error("`{}` would promote in a circle: each object would be promoted again and again. Unprotect one of them first", .0.join("` → `"))]
    Circle(Vec<String>),
    #[error("`{bucket}` is not a bucket's name: write DEST or DEST/PREFIX")]
    BadDestination { bucket: String },
    #[error("the destination's prefix is longer than the 1,024 bytes of a key")]
    LongPrefix,
    #[error("bucket `{bucket}` can't be protected: {source}")]
    NoPlace { bucket: String, source: NoPlace },
    #[error(
        "bucket `{bucket}` is protected by command, and its tag `lazaret:protect` says otherwise: `lazaret bucket unprotect {bucket}`, and the tag counts"
    )]
    ByCommand { bucket: String },
    #[error("bucket `{0}` is not protected: there is nothing to undo")]
    NotProtected(String),
    /// A call failed while this was done.
    #[error("{doing}: {source}{}", hint(.source))]
    Store { doing: String, source: StoreError },
    #[error(
        "switching on the events of bucket `{bucket}`: {source}{}. {rolled_back}", hint(.source)
    )]
    Switch { bucket: String, source: StoreError, rolled_back: RolledBack },
    #[error("settings/policies.json can't be read: {0}. Mend it by hand: nothing was changed")]
    BadPolicies(serde_json::Error),
    #[error("settings/policies.json was changed by somebody else {0} times in a row: try again")]
    Conflicts(u32),
    #[error(transparent)]
    Input(#[from] JobInputError),
    #[error(
        "bucket `{bucket}` is protected, but what it holds already is not being scanned: {source}. Start a job: lazaret job start --bucket {bucket}"
    )]
    Activation { bucket: String, source: ServiceError },
}

impl ProtectError {
    /// For `map_err`: a call of S3 failed while this was done (`reading the policies`).
    pub fn store(doing: impl Into<String>) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store { doing: doing.into(), source }
    }

    /// Whether a later attempt may fare better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Switch { source, .. } => source.retryable(),
            Self::Activation { source, .. } => source.retryable,
            Self::Conflicts(_) => true,
            _ => false,
        }
    }
}

/// What became of the policy after its bucket's events could not be switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolledBack {
    Yes,
    /// It could not be put back, for this reason.
    No(String),
}

impl std::fmt::Display for RolledBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Yes => f.write_str("Its settings are again what they were"),
            Self::No(why) => write!(
                f,
                "Its settings say that it is protected, which it is not, and could not be put back ({why}): run this again"
            ),
        }
    }
}

/// Which of the two parties lacks a right, and where to look.
fn hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::AccessDenied(_) => " (docs/protect.md lists the permissions that this needs)",
        StoreError::Permanent(why) if why.contains("Unable to validate the following destination") => {
            " (S3 sends a test event to each destination first: either the topic `lazaret-events` is not deployed or does not let S3 publish, or \
             a destination of the bucket's other rules is gone)"
        }
        _ => "",
    }
}
