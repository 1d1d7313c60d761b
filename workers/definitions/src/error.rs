//! What can go wrong between a directory and the bucket, one variant for each decision.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lazaret_aws::StoreError;
use lazaret_model::DefinitionsVersion;
use lazaret_model::manifest::BadName;

#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    #[error("the file or directory `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` holds no definitions: no file in it has an extension that ClamAV loads (.cvd, .cld, .ndb, .hsb, …)", .0.display())]
    NoFiles(PathBuf),
    #[error("{0}: rename the file, or take it out of the directory")]
    Name(#[from] BadName),
    #[error("{what} is more than a set may have ({limit})")]
    TooLarge { what: String, limit: String },
    #[error("`{}` changed while it was being published: is another freshclam at work there? Try again", .0.display())]
    Changed(PathBuf),
    #[error("s3://{bucket}/{key}")]
    Store {
        bucket: String,
        key: String,
        #[source]
        source: StoreError,
    },
    #[error("there is no version `{0}`: `lazaret definitions list` names those that are published")]
    NoVersion(DefinitionsVersion),
    /// What lies in the bucket is not what was published.
    #[error("s3://{bucket}/{key} is damaged: {why}")]
    Damaged { bucket: String, key: String, why: String },
    #[error(
        "version {current} is in force, built {current_built}, and this set was built before it ({built}): get a newer one, or put \
         this one in force with --force"
    )]
    Older { current: DefinitionsVersion, current_built: Timestamp, built: Timestamp },
    #[error("others keep changing s3://{bucket}/{key}: try again")]
    Contended { bucket: String, key: String },
}

impl DefinitionsError {
    /// Whether another attempt may do.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.retryable(),
            Self::Contended { .. } | Self::Changed(_) => true,
            _ => false,
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn store(bucket: &str, key: &str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store { bucket: bucket.to_owned(), key: key.to_owned(), source }
    }

    pub(crate) fn damaged(bucket: &str, key: &str, why: impl ToString) -> Self {
        Self::Damaged { bucket: bucket.to_owned(), key: key.to_owned(), why: why.to_string() }
    }
}
