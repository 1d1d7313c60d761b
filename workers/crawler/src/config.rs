//! What the crawler is told by its environment.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use lazaret_model::{BucketScope, JobId, Window};

use lazaret_model::pack::PacketLimits;

/// A variable that is missing or can't be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{name}: {why}")]
    Bad { name: &'static str, why: String },
}

/// What [`crate::run()`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `LAZARET_JOB_ID`
    pub job_id: JobId,
    /// `LAZARET_SCOPE_INDEX`: the place of the bucket in the job's input.
    pub scope_index: u32,
    /// `LAZARET_BUCKET`, `LAZARET_PREFIX`; a prefix that is not set is the whole bucket.
    pub scope: BucketScope,
    /// `LAZARET_FROM`, `LAZARET_TO`
    pub window: Window,
    /// `LAZARET_SELECTION`: where in the results bucket it stands what is matched in place of the window; not set in most jobs.
    pub selection: Option<String>,
    /// `LAZARET_RESULTS_BUCKET`
    pub results_bucket: String,
    /// `LAZARET_HEARTBEAT_SECONDS`: between two beats.
    pub heartbeat: Duration,
    /// `LAZARET_PROGRESS_SECONDS`: between two writes of the progress object.
    pub progress: Duration,
    /// `LAZARET_PACKET_OBJECTS`, `LAZARET_PACKET_BYTES`
    pub limits: PacketLimits,
}

/// `LAZARET_QUEUE_URL`: what names the queue, but is no setting of the crawl.
///
/// # Errors
/// If it is not set.
pub fn queue_url() -> Result<String, ConfigError> {
    Variables(&environment).text("LAZARET_QUEUE_URL")
}

/// `LAZARET_TASK_TOKEN`: never logged.
///
/// # Errors
/// If it is not set.
pub fn task_token() -> Result<String, ConfigError> {
    Variables(&environment).text("LAZARET_TASK_TOKEN")
}

impl Config {
    /// Reads all variables.
    ///
    /// # Errors
    /// Names the first one that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(&environment)
    }

    fn from_variables(variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = Variables(variables);
        let window =
            Window { from: read.parsed::<Timestamp>("LAZARET_FROM")?, to: read.parsed::<Timestamp>("LAZARET_TO")? };
        Ok(Self {
            job_id: read.parsed("LAZARET_JOB_ID")?,
            scope_index: read.parsed("LAZARET_SCOPE_INDEX")?,
            scope: BucketScope {
                name: read.text("LAZARET_BUCKET")?,
                prefix: variables("LAZARET_PREFIX").unwrap_or_default(),
            },
            window,
            selection: variables("LAZARET_SELECTION").filter(|key| !key.is_empty()),
            results_bucket: read.text("LAZARET_RESULTS_BUCKET")?,
            heartbeat: read.seconds("LAZARET_HEARTBEAT_SECONDS")?,
            progress: read.seconds("LAZARET_PROGRESS_SECONDS")?,
            limits: PacketLimits {
                objects: read.parsed("LAZARET_PACKET_OBJECTS")?,
                bytes: read.parsed("LAZARET_PACKET_BYTES")?,
                ..PacketLimits::default()
            },
        })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        self.0(name).filter(|text| !text.is_empty()).ok_or(ConfigError::Missing(name))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, ConfigError> {
        self.text(name)?.parse().map_err(|error: T::Err| ConfigError::Bad { name, why: error.to_string() })
    }

    fn seconds(&self, name: &'static str) -> Result<Duration, ConfigError> {
        match self.parsed(name)? {
            0 => Err(ConfigError::Bad { name, why: "must be at least a second".into() }),
            seconds => Ok(Duration::from_secs(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 11] = [
        ("LAZARET_JOB_ID", "job-1"),
        ("LAZARET_SCOPE_INDEX", "3"),
        ("LAZARET_BUCKET", "bucket"),
        ("LAZARET_PREFIX", "a/"),
        ("LAZARET_FROM", "2006-03-14T00:00:00Z"),
        ("LAZARET_TO", "2026-01-01T00:00:00Z"),
        ("LAZARET_RESULTS_BUCKET", "results"),
        ("LAZARET_HEARTBEAT_SECONDS", "20"),
        ("LAZARET_PROGRESS_SECONDS", "5"),
        ("LAZARET_PACKET_OBJECTS", "1000"),
        ("LAZARET_PACKET_BYTES", "268435456"),
    ];

    fn with(name: &'static str, value: Option<&'static str>) -> Result<Config, ConfigError> {
        Config::from_variables(&|asked| {
            let good = GOOD.iter().find(|(known, _)| *known == asked).map(|(_, value)| *value);
            if asked == name { value } else { good }.map(str::to_owned)
        })
    }

    #[test]
    fn a_whole_environment_is_read() {
        let config = with("LAZARET_PREFIX", None).expect("a config");
        assert_eq!((config.scope_index, config.scope.to_string()), (3, "bucket/".into()));
        assert_eq!(config.limits.objects.get(), 1000);
        assert_eq!(config.selection, None);
        let selected = with("LAZARET_SELECTION", Some("work/job-1/selection/3.json")).expect("a config");
        assert_eq!(selected.selection.as_deref(), Some("work/job-1/selection/3.json"));
        assert_eq!(with("LAZARET_SELECTION", Some("")).expect("a config").selection, None);
    }

    #[test]
    fn the_variable_that_is_missing_or_wrong_is_named() {
        for (name, _) in GOOD.into_iter().filter(|(name, _)| *name != "LAZARET_PREFIX") {
            assert_eq!(with(name, None).expect_err(name), ConfigError::Missing(name));
            let unnumbered = ["LAZARET_BUCKET", "LAZARET_RESULTS_BUCKET"].contains(&name);
            assert!(unnumbered || with(name, Some("no such thing!")).expect_err(name).to_string().starts_with(name));
        }
        assert!(with("LAZARET_HEARTBEAT_SECONDS", Some("0")).is_err());
        assert!(with("LAZARET_PACKET_OBJECTS", Some("0")).is_err());
    }
}
