//! What the engines are told.

use std::path::PathBuf;
use std::time::Duration;

use lazaret_engine_protocol::Limits;
use sha2::{Digest, Sha256};

use super::read::{ConfigError, Variables};

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

    pub fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            program: variables.path("LAZARET_ENGINE")?,
            scan: variables.seconds("LAZARET_SCAN_SECONDS", 1)?,
            limits: variables.text("LAZARET_ENGINE_LIMITS").map_or_else(
                |_| Ok(Limits::default()),
                |json| Limits::from_json(&json).map_err(|error| ConfigError::bad("LAZARET_ENGINE_LIMITS", error)),
            )?,
            allow_missing: variables.list("LAZARET_JAIL_ALLOW_MISSING"),
        })
    }
}

impl RulesSettings {
    pub fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let beside_the_engine = || Ok(variables.path("LAZARET_ENGINE")?.with_file_name("lazaret-yara"));
        Ok(Self {
            program: variables.path("LAZARET_YARA").or_else(|_| beside_the_engine())?,
            directory: variables.path("LAZARET_RULES_DIR").ok(),
        })
    }
}
