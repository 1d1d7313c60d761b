//! What the agent is told by its environment.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lazaret_engine_protocol::Limits;
use lazaret_model::JobId;
use sha2::{Digest, Sha256};

use crate::definitions::age::{DEFAULT_MAX_AGE_SECONDS, MaxAge};

/// Between two looks for new definitions. ClamAV publishes a few times a day; a look is one small GET.
const POLL_SECONDS: u64 = 300;

/// Verdicts that are remembered: 20 MB. A packet has 1,000 objects, and copies tend to lie near each other.
const VERDICT_CACHE_ENTRIES: usize = 100_000;

/// A variable that is missing or can't be what was meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{name}: {why}")]
    Bad { name: &'static str, why: String },
}

/// What [`crate::run`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `LAZARET_JOB_ID`
    pub job_id: JobId,
    /// `LAZARET_RESULTS_BUCKET`
    pub results_bucket: String,
    /// `LAZARET_QUARANTINE_BUCKET`
    pub quarantine_bucket: String,
    /// `LAZARET_SCRATCH_DIR`: objects too large for memory lie here, without names.
    pub scratch_dir: PathBuf,
    /// `LAZARET_SCAN_WORKERS`
    pub scan_workers: usize,
    /// `LAZARET_FETCH_BYTES`: of all objects in hand.
    pub fetch_bytes: u64,
    /// `LAZARET_VISIBILITY_SECONDS`
    pub visibility: Duration,
    /// `LAZARET_IDLE_SECONDS`: an agent whose queue shows nothing for this long ends itself.
    pub idle: Duration,
    /// `LAZARET_PROGRESS_SECONDS`
    pub progress: Duration,
}

/// What the engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// `LAZARET_ENGINE`
    pub program: PathBuf,
    /// `LAZARET_SCAN_SECONDS`: a scan that takes longer is killed.
    pub scan: Duration,
    /// `LAZARET_ENGINE_LIMITS`: JSON, `{"maxMembers":10000}`; what it does not name has its default.
    pub limits: Limits,
    /// `LAZARET_JAIL_ALLOW_MISSING`: steps of the jail, by name, with commas between them, to do without if the kernel lacks them.
    pub allow_missing: Vec<String>,
}

/// What the engine for the owner's rules needs to know, beside what the other is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesSettings {
    /// `LAZARET_YARA`: its program; by default `lazaret-yara` beside `LAZARET_ENGINE`.
    pub program: PathBuf,
    /// `LAZARET_RULES_DIR`: where the rules are; by default they are fetched from the results bucket.
    pub directory: Option<PathBuf>,
}

impl EngineSettings {
    /// With the default limits, and every step of the jail.
    pub fn new(program: impl Into<PathBuf>, scan: Duration) -> Self {
        Self { program: program.into(), scan, limits: Limits::default(), allow_missing: Vec::new() }
    }

    /// Of all that a verdict depends on besides the content and the definitions, and of a little more: a field that is added
    /// is in it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(format!("{self:?}")).into()
    }
}

/// Where definitions come from, and how old they may be.
#[derive(Debug, Clone)]
pub struct DefinitionsSettings {
    pub source: DefinitionsSource,
    /// `LAZARET_DEFINITIONS_POLL_SECONDS` (300): between two looks for a newer version.
    pub poll: Duration,
    /// `LAZARET_DEFINITIONS_MAX_AGE_SECONDS` (7 days): 0 does not check.
    pub max_age: MaxAge,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionsSource {
    /// `LAZARET_DEFINITIONS=s3`, which is the default: the version in force in the results bucket.
    Published,
    /// `LAZARET_DEFINITIONS_DIR`, which wins: always this directory.
    Directory(PathBuf),
}

/// Everything that the program reads.
#[derive(Debug, Clone)]
pub struct Environment {
    pub agent: Config,
    pub engine: EngineSettings,
    pub rules: RulesSettings,
    pub definitions: DefinitionsSettings,
    /// `LAZARET_VERDICT_CACHE_ENTRIES` (100,000): 0 remembers none.
    pub verdict_cache_entries: usize,
    /// `LAZARET_QUEUE_URL`
    pub queue_url: String,
    /// `LAZARET_PROMOTE_STATE_MACHINE_ARN`: without it nothing is promoted from staging buckets.
    pub promote_state_machine_arn: Option<String>,
}

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| get(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name));
        let path = |name| text(name).map(PathBuf::from);
        let seconds = |name| parse::<u64>(name, text(name)?, 1).map(Duration::from_secs);
        let job_id = text("LAZARET_JOB_ID")?;
        let scratch_dir = path("LAZARET_SCRATCH_DIR")?;
        Ok(Self {
            agent: Config {
                job_id: job_id.parse().map_err(|error| bad("LAZARET_JOB_ID", error))?,
                results_bucket: text("LAZARET_RESULTS_BUCKET")?,
                quarantine_bucket: text("LAZARET_QUARANTINE_BUCKET")?,
                scratch_dir,
                scan_workers: parse("LAZARET_SCAN_WORKERS", text("LAZARET_SCAN_WORKERS")?, 1)?,
                fetch_bytes: parse("LAZARET_FETCH_BYTES", text("LAZARET_FETCH_BYTES")?, 1)?,
                // a third of it is the time between two extensions
                visibility: Duration::from_secs(parse(
                    "LAZARET_VISIBILITY_SECONDS",
                    text("LAZARET_VISIBILITY_SECONDS")?,
                    3,
                )?),
                idle: seconds("LAZARET_IDLE_SECONDS")?,
                progress: seconds("LAZARET_PROGRESS_SECONDS")?,
            },
            engine: EngineSettings {
                program: path("LAZARET_ENGINE")?,
                scan: seconds("LAZARET_SCAN_SECONDS")?,
                limits: text("LAZARET_ENGINE_LIMITS").map_or_else(
                    |_| Ok(Limits::default()),
                    |json| Limits::from_json(&json).map_err(|error| bad("LAZARET_ENGINE_LIMITS", error)),
                )?,
                allow_missing: text("LAZARET_JAIL_ALLOW_MISSING")
                    .map_or_else(|_| Vec::new(), |steps| steps.split(',').map(|step| step.trim().to_owned()).collect()),
            },
            rules: RulesSettings {
                program: path("LAZARET_YARA")
                    .or_else(|_| Ok(path("LAZARET_ENGINE")?.with_file_name("lazaret-yara")))?,
                directory: path("LAZARET_RULES_DIR").ok(),
            },
            definitions: DefinitionsSettings {
                source: definitions_source(&text)?,
                poll: Duration::from_secs(number_or(&text, "LAZARET_DEFINITIONS_POLL_SECONDS", POLL_SECONDS, 1)?),
                max_age: MaxAge::seconds(number_or(
                    &text,
                    "LAZARET_DEFINITIONS_MAX_AGE_SECONDS",
                    DEFAULT_MAX_AGE_SECONDS,
                    0,
                )?),
            },
            verdict_cache_entries: number_or(&text, "LAZARET_VERDICT_CACHE_ENTRIES", VERDICT_CACHE_ENTRIES, 0)?,
            queue_url: text("LAZARET_QUEUE_URL")?,
            promote_state_machine_arn: text("LAZARET_PROMOTE_STATE_MACHINE_ARN").ok(),
        })
    }
}

type Text<'a> = &'a dyn Fn(&'static str) -> Result<String, ConfigError>;

fn definitions_source(text: Text<'_>) -> Result<DefinitionsSource, ConfigError> {
    if let Ok(directory) = text("LAZARET_DEFINITIONS_DIR") {
        return Ok(DefinitionsSource::Directory(directory.into()));
    }
    match text("LAZARET_DEFINITIONS").as_deref() {
        Ok("s3") | Err(_) => Ok(DefinitionsSource::Published),
        Ok(other) => Err(bad(
            "LAZARET_DEFINITIONS",
            format!("`{other}` is not `s3`; a directory is named by LAZARET_DEFINITIONS_DIR"),
        )),
    }
}

fn number_or<T: FromStr<Err: Display> + PartialOrd + Display>(
    text: Text<'_>,
    name: &'static str,
    default: T,
    least: T,
) -> Result<T, ConfigError> {
    text(name).map_or(Ok(default), |value| parse(name, value, least))
}

/// A number that is at least `least`.
fn parse<T: FromStr<Err: Display> + PartialOrd + Display>(
    name: &'static str,
    text: String,
    least: T,
) -> Result<T, ConfigError> {
    let number: T = text.parse().map_err(|error| bad(name, error))?;
    if number < least { Err(bad(name, format!("{number} is below {least}"))) } else { Ok(number) }
}

fn bad(name: &'static str, why: impl Display) -> ConfigError {
    ConfigError::Bad { name, why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn complete() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("LAZARET_JOB_ID", "job-1"),
            ("LAZARET_QUEUE_URL", "https://sqs.example/q"),
            ("LAZARET_RESULTS_BUCKET", "results"),
            ("LAZARET_QUARANTINE_BUCKET", "quarantine"),
            ("LAZARET_ENGINE", "/usr/bin/lazaret-engine"),
            ("LAZARET_SCRATCH_DIR", "/scratch"),
            ("LAZARET_SCAN_WORKERS", "2"),
            ("LAZARET_SCAN_SECONDS", "120"),
            ("LAZARET_FETCH_BYTES", "268435456"),
            ("LAZARET_VISIBILITY_SECONDS", "300"),
            ("LAZARET_IDLE_SECONDS", "30"),
            ("LAZARET_PROGRESS_SECONDS", "5"),
        ])
    }

    fn read(variables: &BTreeMap<&'static str, &'static str>) -> Result<Environment, ConfigError> {
        Environment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_complete_environment_is_read() {
        let environment = read(&complete()).expect("complete");
        assert_eq!(environment.agent.scan_workers, 2);
        assert_eq!(environment.engine.scan, Duration::from_secs(120));
    }

    #[test]
    fn definitions_come_from_the_bucket_unless_a_directory_is_named() {
        let mut variables = complete();
        let defaults = read(&variables).expect("complete").definitions;
        assert_eq!((defaults.source, defaults.poll.as_secs()), (DefinitionsSource::Published, 300));
        assert_eq!(defaults.max_age, MaxAge::seconds(604_800));
        variables.insert("LAZARET_DEFINITIONS", "s3");
        variables.insert("LAZARET_DEFINITIONS_DIR", "/var/lib/lazaret");
        variables.insert("LAZARET_DEFINITIONS_MAX_AGE_SECONDS", "0");
        let settings = read(&variables).expect("complete").definitions;
        assert_eq!(settings.source, DefinitionsSource::Directory("/var/lib/lazaret".into()));
        assert_eq!(settings.max_age, MaxAge::seconds(0));
    }

    #[test]
    fn the_verdict_cache_has_a_default_and_an_off_switch() {
        let mut variables = complete();
        assert_eq!(read(&variables).expect("complete").verdict_cache_entries, 100_000);
        variables.insert("LAZARET_VERDICT_CACHE_ENTRIES", "0");
        assert_eq!(read(&variables).expect("complete").verdict_cache_entries, 0);
    }

    #[test]
    fn the_engines_limits_and_the_rules_have_defaults() {
        let mut variables = complete();
        let defaults = read(&variables).expect("complete");
        assert_eq!(defaults.engine.limits, Limits::default());
        let program = PathBuf::from("/usr/bin/lazaret-yara");
        assert_eq!(defaults.rules, RulesSettings { program, directory: None });
        variables.insert("LAZARET_ENGINE_LIMITS", r#"{"maxDepth":3}"#);
        variables.insert("LAZARET_JAIL_ALLOW_MISSING", "landlock, seccomp");
        variables.insert("LAZARET_RULES_DIR", "/etc/lazaret/rules");
        let settings = read(&variables).expect("complete");
        assert_eq!(settings.engine.limits, Limits { max_depth: 3, ..Limits::default() });
        assert_eq!(settings.engine.allow_missing, ["landlock", "seccomp"]);
        assert_eq!(settings.rules.directory, Some(PathBuf::from("/etc/lazaret/rules")));
    }

    #[test]
    fn settings_of_the_engine_that_differ_have_another_digest() {
        let settings = read(&complete()).expect("complete").engine;
        let slower = EngineSettings { scan: settings.scan * 2, ..settings.clone() };
        assert_eq!(settings.digest(), settings.clone().digest());
        assert_ne!(settings.digest(), slower.digest());
    }

    #[test]
    fn every_variable_is_needed_and_the_error_names_it() {
        for name in complete().keys() {
            for value in [None, Some("")] {
                let mut variables = complete();
                variables.remove(name);
                variables.extend(value.map(|value| (*name, value)));
                assert_eq!(read(&variables).expect_err(name), ConfigError::Missing(name));
            }
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (name, value) in [
            ("LAZARET_SCAN_WORKERS", "0"),
            ("LAZARET_SCAN_WORKERS", "two"),
            ("LAZARET_FETCH_BYTES", "-1"),
            ("LAZARET_VISIBILITY_SECONDS", "2"),
            ("LAZARET_JOB_ID", "../x"),
            ("LAZARET_DEFINITIONS", "/var/lib/lazaret"),
            ("LAZARET_DEFINITIONS_POLL_SECONDS", "0"),
            ("LAZARET_DEFINITIONS_MAX_AGE_SECONDS", "a week"),
            ("LAZARET_VERDICT_CACHE_ENTRIES", "-1"),
            ("LAZARET_ENGINE_LIMITS", "{\"maxDeep\":1}"),
        ] {
            let mut variables = complete();
            variables.insert(name, value);
            assert!(read(&variables).expect_err(name).to_string().starts_with(name));
        }
    }
}
