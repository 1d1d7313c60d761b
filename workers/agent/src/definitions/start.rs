//! From settings to a set in force, and what keeps it so.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::ObjectStore;

use crate::config::{DefinitionsSettings, DefinitionsSource};

use super::keep::{KeepError, Keeper, fixed};
use super::load::{LoadError, Loader};
use super::scanner::DefinitionsScanner;

/// Where sets are published, and where they may be fetched to.
pub struct Place {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
    pub scratch_dir: PathBuf,
}

/// Why an agent can't begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("the published definitions")]
    Published(#[from] KeepError),
    #[error("the definitions in `{}`", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: LoadError,
    },
}

/// What there is to do about definitions while an agent works.
pub enum Upkeep {
    Published {
        keeper: Keeper,
        poll: Duration,
    },
    /// A directory is what it is.
    None,
}

/// Puts the first set in force, if there is one.
///
/// # Errors
/// If S3 does not answer, or a directory that was named can't be used.
pub async fn start(
    settings: DefinitionsSettings,
    loader: impl Loader + 'static,
    place: Place,
    scanner: Arc<DefinitionsScanner>,
) -> Result<Upkeep, BeginError> {
    let Place { store, results_bucket, scratch_dir } = place;
    match settings.source {
        DefinitionsSource::Published => {
            let keeper = Keeper { store, results_bucket, loader: Arc::new(loader), scratch_dir, scanner };
            keeper.begin().await?;
            Ok(Upkeep::Published { keeper, poll: settings.poll })
        }
        DefinitionsSource::Directory(directory) => {
            let loaded = fixed(&loader, &directory, &scratch_dir, &scanner).await;
            loaded.map_err(|source| BeginError::Directory { directory, source })?;
            Ok(Upkeep::None)
        }
    }
}

impl Upkeep {
    pub async fn keep(&self) -> Infallible {
        match self {
            Self::Published { keeper, poll } => keeper.keep(*poll).await,
            Self::None => std::future::pending().await,
        }
    }
}
