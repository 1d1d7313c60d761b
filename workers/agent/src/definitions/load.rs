//! From a directory with definitions to an engine that has loaded and tried them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_model::DefinitionsStamp;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::config::EngineSettings;
use crate::engine::{EngineError, EngineScanner};
use crate::scan::{Content, EngineGone, Scanned, Scanner, Seen};

use super::trial::{TrialError, try_out};

/// An engine with its definitions loaded, and its end.
#[async_trait]
pub trait LoadedEngine: Scanner {
    /// Ends the engine and leaves nothing of it on the disk.
    async fn end(&self, patience: Duration);
}

/// Starts engines.
#[async_trait]
pub trait Loader: Send + Sync {
    /// An engine with the definitions of this directory.
    async fn load(&self, directory: &Path) -> Result<Arc<dyn LoadedEngine>, LoadError>;
}

/// Why a set can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the engine does not load it")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Trial(#[from] TrialError),
}

/// Starts the real engine, each host in a scratch directory of its own.
#[derive(Debug, Clone)]
pub struct EngineLoader {
    pub settings: EngineSettings,
    pub scratch_dir: PathBuf,
    pub workers: usize,
}

#[async_trait]
impl Loader for EngineLoader {
    async fn load(&self, directory: &Path) -> Result<Arc<dyn LoadedEngine>, LoadError> {
        let engine = EngineScanner::start(&self.settings, directory, &self.scratch_dir, self.workers).await?;
        Ok(Arc::new(engine))
    }
}

#[async_trait]
impl LoadedEngine for EngineScanner {
    async fn end(&self, patience: Duration) {
        self.shutdown(patience).await;
    }
}

/// A set in use: its engine, its name, and the scans that it still owes an answer.
pub struct Loaded {
    pub stamp: DefinitionsStamp,
    engine: Arc<dyn LoadedEngine>,
    scans: TaskTracker,
    /// The engine reads it again where its host must be started anew.
    _fetched: Option<Fetched>,
}

/// A directory that was fetched for one engine, and goes when it is dropped.
pub struct Fetched(PathBuf);

impl Fetched {
    /// Owns a directory that need not be there yet.
    pub fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                warn!(%error, directory = %self.0.display(), "Definitions were not removed from the disk");
            }
            _ => {}
        }
    }
}

impl Loaded {
    /// Loads and tries. `name` says what the set is called, given what its engine calls it.
    pub async fn load(
        loader: &dyn Loader,
        directory: &Path,
        scratch_dir: &Path,
        name: impl FnOnce(Option<DefinitionsStamp>) -> DefinitionsStamp,
    ) -> Result<Self, LoadError> {
        let engine = loader.load(directory).await?;
        if let Err(error) = try_out(engine.as_ref(), scratch_dir).await {
            engine.end(END).await;
            return Err(error.into());
        }
        let stamp = name(engine.definitions());
        Ok(Self { stamp, engine, scans: TaskTracker::new(), _fetched: None })
    }

    /// Takes over a directory: it goes with the engine.
    #[must_use]
    pub fn owning(self, directory: Fetched) -> Self {
        Self { _fetched: Some(directory), ..self }
    }

    /// Counts a scan that begins; it is over when the token is dropped.
    pub fn begin(&self) -> tokio_util::task::task_tracker::TaskTrackerToken {
        self.scans.token()
    }

    pub async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        let scanned = self.engine.scan(content).await?;
        Ok(Scanned { definitions: Some(self.stamp.clone()), ..scanned })
    }

    pub async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        let (scanned, seen) = self.engine.scan_showing_members(content).await?;
        Ok((Scanned { definitions: Some(self.stamp.clone()), ..scanned }, seen))
    }

    /// Waits for the scans that began, however long they take, then ends the engine.
    pub async fn drain(&self) {
        self.scans.close();
        self.scans.wait().await;
        self.end().await;
    }

    /// Ends the engine now.
    pub async fn end(&self) {
        self.engine.end(END).await;
    }
}

/// An engine that has nothing to do ends at once; one in the middle of a scan may be killed.
const END: Duration = Duration::from_secs(2);
