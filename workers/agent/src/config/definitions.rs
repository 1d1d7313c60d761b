//! Where definitions come from, and how old they may be.

use std::path::PathBuf;
use std::time::Duration;

use super::read::{ConfigError, Variables};
use crate::definitions::age::{DEFAULT_MAX_AGE_SECONDS, MaxAge};

/// Between two looks for new definitions. ClamAV publishes a few times a day; a look is one small GET.
const POLL_SECONDS: u64 = 300;

/// What an agent needs to know of them.
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

impl DefinitionsSettings {
    pub fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let max_age = variables.number_or("LAZARET_DEFINITIONS_MAX_AGE_SECONDS", DEFAULT_MAX_AGE_SECONDS, 0)?;
        Ok(Self {
            source: DefinitionsSource::read(variables)?,
            poll: Duration::from_secs(variables.number_or("LAZARET_DEFINITIONS_POLL_SECONDS", POLL_SECONDS, 1)?),
            max_age: MaxAge::seconds(max_age),
        })
    }
}

impl DefinitionsSource {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const NAME: &str = "LAZARET_DEFINITIONS";
        if let Ok(directory) = variables.path("LAZARET_DEFINITIONS_DIR") {
            return Ok(Self::Directory(directory));
        }
        match variables.text(NAME).as_deref() {
            Ok("s3") | Err(_) => Ok(Self::Published),
            Ok(other) => {
                let why = format!("`{other}` is not `s3`; a directory is named by LAZARET_DEFINITIONS_DIR");
                Err(ConfigError::bad(NAME, why))
            }
        }
    }
}
