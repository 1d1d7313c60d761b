//! From where the rules lie to an engine that has compiled them, if there are any.

use std::path::{Path, PathBuf};

use lazaret_aws::ObjectStore;
use lazaret_engine_protocol::{Engine, EngineConfig, StartError};
use tracing::info;
use uuid::Uuid;

use super::fetch::{FetchRulesError, fetch, is_rules};
use crate::config::{EngineSettings, RulesSettings};

/// The engine of the owner's rules.
pub struct Rules {
    engine: Engine,
    /// What it unpacks into, and the rules that were fetched: its host reads them again if it must be started anew.
    place: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("the owner's rules could not be fetched")]
    Fetch(#[from] FetchRulesError),
    #[error("the directory of rules `{}`", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A bad rule among the causes; the message names its file and line. No agent works without rules that it was given.
    #[error("the owner's rules are not in force")]
    Start(#[from] StartError),
}

/// Starts the second engine; `None` if there are no rules. `bucket` is where to fetch them from, if no directory is named.
///
/// # Errors
/// If there are rules, and they can't be read or do not compile.
pub async fn start(
    settings: &RulesSettings,
    engine: &EngineSettings,
    bucket: Option<(&dyn ObjectStore, &str)>,
    scratch_dir: &Path,
    workers: usize,
) -> Result<Option<Rules>, RulesError> {
    let place = scratch_dir.join(format!("rules-{}", Uuid::new_v4()));
    let fetched = place.join("rules");
    std::fs::create_dir_all(&fetched).map_err(|source| RulesError::Directory { path: fetched.clone(), source })?;
    let started = begin(settings, engine, bucket, &place, &fetched, workers).await;
    if !matches!(started, Ok(Some(_))) {
        remove(&place);
    }
    Ok(started?.map(|engine| Rules { engine, place }))
}

async fn begin(
    settings: &RulesSettings,
    engine: &EngineSettings,
    bucket: Option<(&dyn ObjectStore, &str)>,
    place: &Path,
    fetched: &Path,
    workers: usize,
) -> Result<Option<Engine>, RulesError> {
    let (directory, count) = match (&settings.directory, bucket) {
        (Some(directory), _) => (directory.as_path(), count(directory)?),
        (None, Some((store, results_bucket))) => (fetched, fetch(store, results_bucket, fetched).await?),
        (None, None) => return Ok(None),
    };
    if count == 0 {
        return Ok(None);
    }
    let mut config = EngineConfig::new(&settings.program, directory, place.join("scratch"));
    config.workers = workers;
    config.scan_seconds = engine.scan.as_secs();
    config.limits = engine.limits;
    config.allow_missing.clone_from(&engine.allow_missing);
    let engine = Engine::start(config).await?;
    info!(files = count, rules = engine.info().signatures, "The owner's rules are in force");
    Ok(Some(engine))
}

fn count(directory: &Path) -> Result<usize, RulesError> {
    let unreadable = |source| RulesError::Directory { path: directory.to_owned(), source };
    let mut count = 0;
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        count += usize::from(is_rules(&entry.map_err(unreadable)?.file_name().to_string_lossy()));
    }
    Ok(count)
}

impl Rules {
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Names the rules' content.
    pub fn version(&self) -> String {
        self.engine.info().definitions_version
    }

    pub(super) fn remove(&self) {
        remove(&self.place);
    }
}

fn remove(place: &Path) {
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "A directory of the owner's rules was not removed");
        }
        _ => {}
    }
}
