//! The engine on this machine, from its start to its end.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use lazaret_agent::config::{EngineSettings, RulesSettings};
use lazaret_agent::definitions::AgedScanner;
use lazaret_agent::definitions::age::MaxAge;
use lazaret_agent::definitions::aged::newest_change;
use lazaret_agent::engine::EngineScanner;
use lazaret_agent::rules::{self, Rules};
use lazaret_agent::{Layers, Scanner};
use tempfile::TempDir;

/// The engine's program, installed beside this one.
const ENGINE: &str = "lazaret-engine";
/// Of the owner's rules, beside the engine's.
const RULES_ENGINE: &str = "lazaret-yara";
/// Where freshclam puts definitions on most systems.
const SYSTEM_DEFINITIONS: &str = "/var/lib/clamav";
/// What freshclam puts there.
const EXTENSIONS: &[&str] = &["cvd", "cld", "cud"];
/// Verdicts that are remembered: 20 MB. Trees have many copies.
const CACHE_ENTRIES: usize = 100_000;
/// An engine in the middle of a scan may be killed.
const END: Duration = Duration::from_secs(2);
/// A process that was told to end is gone within a tick or two; until then it may make new files.
const REMOVALS: u32 = 50;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(20);

/// What is needed to start one.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub definitions: Option<PathBuf>,
    /// Under older ones nothing is called clean.
    pub max_age: MaxAge,
    pub engine: Option<PathBuf>,
    pub workers: usize,
    /// A scan that takes longer is killed.
    pub scan: Duration,
    /// Steps of the jail to do without where the kernel lacks them.
    pub allow_missing: Vec<String>,
    /// Remembers verdicts of the same bytes.
    pub cache: bool,
    /// The owner's own rules, in a directory.
    pub rules: Option<PathBuf>,
}

/// An engine that is ready. [`Self::end`] leaves nothing of it; dropped, it is killed.
pub struct LocalEngine {
    engine: Arc<AgedScanner<EngineScanner>>,
    layers: Layers,
    scratch: Scratch,
}

impl LocalEngine {
    /// # Errors
    /// If there is no engine or there are no definitions, or they don't go together.
    pub async fn start(options: EngineOptions) -> anyhow::Result<Self> {
        let definitions = find_definitions(options.definitions, Path::new(SYSTEM_DEFINITIONS))?;
        let settings = EngineSettings {
            allow_missing: options.allow_missing,
            ..EngineSettings::new(find_engine(options.engine)?, options.scan)
        };
        let scratch = Scratch::new().context("a scratch directory")?;
        let changed_at = newest_change(&definitions);
        let engine = EngineScanner::start(&settings, &definitions, scratch.path(), options.workers).await?;
        let engine = Arc::new(AgedScanner::new(engine, options.max_age, changed_at));
        let rules = start_rules(options.rules, &settings, scratch.path(), options.workers).await?;
        let cache_entries = if options.cache { CACHE_ENTRIES } else { 0 };
        let layers = Layers::over(engine.clone(), rules, cache_entries, settings.digest());
        Ok(Self { engine, layers, scratch })
    }

    pub fn scanner(&self) -> Arc<dyn Scanner> {
        self.layers.scanner()
    }

    /// Where files wait that are too large for memory.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// What a person should know of the definitions before he waits for anything.
    pub fn warning(&self) -> Option<String> {
        let why = self.engine.stale()?;
        Some(format!(
            "warning: nothing will be called clean: of the definitions, {why}; `freshclam` fetches new ones, --definitions-max-age allows \
             these"
        ))
    }

    pub async fn end(self) {
        self.engine.engine().shutdown(END).await;
        self.layers.shutdown(END).await;
    }
}

/// A directory that goes, whatever an engine does in it that is being killed.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("lazaret-scan-").tempdir()?;
        // the engine may be another user, who must get through to the directory in it that is his
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        Ok(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            match std::fs::remove_dir_all(self.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(BETWEEN_REMOVALS),
                _ => return,
            }
        }
    }
}

async fn start_rules(
    directory: Option<PathBuf>,
    engine: &EngineSettings,
    scratch: &Path,
    workers: usize,
) -> anyhow::Result<Option<Rules>> {
    let Some(named) = directory else { return Ok(None) };
    let directory = std::fs::canonicalize(&named).with_context(|| format!("the rules in `{}`", named.display()))?;
    let settings = RulesSettings { program: engine.program.with_file_name(RULES_ENGINE), directory: Some(directory) };
    let rules = rules::start(&settings, engine, None, scratch, workers).await?;
    let Some(rules) = rules else { bail!("there are no rules (*.yar, *.yara) in `{}`", named.display()) };
    Ok(Some(rules))
}

fn find_engine(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let program = match named {
        // the engine starts with `/` as its working directory
        Some(named) => std::path::absolute(named)?,
        None => std::env::current_exe().context("where this program lies")?.with_file_name(ENGINE),
    };
    if !program.is_file() {
        bail!("there is no engine at `{}`: install {ENGINE} there, or name it with --engine PATH", program.display());
    }
    Ok(program)
}

fn find_definitions(named: Option<PathBuf>, system: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = named.filter(|named| !named.as_os_str().is_empty()) {
        return std::fs::canonicalize(&named).with_context(|| format!("the definitions in `{}`", named.display()));
    }
    if holds_definitions(system) {
        return Ok(system.to_owned());
    }
    bail!(
        "there are no definitions: fetch ClamAV's with `freshclam` (Debian and Ubuntu: apt install clamav-freshclam), which puts them \
         into {}, or name a directory with --definitions DIR or LAZARET_DEFINITIONS_DIR",
        system.display()
    )
}

fn holds_definitions(directory: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(directory) else { return false };
    entries.any(|entry| {
        let path = entry.map(|entry| entry.path()).unwrap_or_default();
        path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_those_that_were_named_else_the_systems_else_an_error_that_helps() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = folder.path().join("system");
        let error = find_definitions(None, &system).expect_err("none").to_string();
        assert!(error.contains("freshclam") && error.contains("--definitions DIR"), "{error}");
        std::fs::create_dir(&system).expect("made");
        std::fs::write(system.join("freshclam.dat"), "").expect("written");
        assert!(find_definitions(None, &system).is_err(), "nothing to scan with is in it");
        std::fs::write(system.join("daily.cld"), "").expect("written");
        assert_eq!(find_definitions(None, &system).expect("there"), system);
        assert_eq!(
            find_definitions(Some(PathBuf::new()), &system).expect("there"),
            system,
            "set to nothing is not set"
        );
        let named = folder.path().canonicalize().expect("there");
        assert_eq!(find_definitions(Some(folder.path().into()), &system).expect("there"), named);
        assert!(find_definitions(Some("/nonexistent".into()), &system).is_err());
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named() {
        let options = EngineOptions {
            definitions: Some("/".into()),
            max_age: MaxAge::seconds(0),
            engine: Some("/nonexistent/engine".into()),
            workers: 1,
            scan: Duration::from_secs(1),
            cache: true,
            rules: None,
            allow_missing: Vec::new(),
        };
        let error = LocalEngine::start(options).await.err().expect("no engine").to_string();
        assert!(error.contains("/nonexistent/engine") && error.contains("--engine PATH"), "{error}");
    }
}
