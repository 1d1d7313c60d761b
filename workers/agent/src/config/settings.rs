//! What every agent is told.

use std::path::PathBuf;
use std::time::Duration;

use super::read::{ConfigError, Variables};

/// Between two looks at the policies: a change reaches an agent well within the 30 s that are promised. A look is one small GET.
const POLICIES_SECONDS: u64 = 15;

/// To finish what is in hand after a SIGTERM: most packets are past half of their minute, and a stop that is asked for by a person should
/// not feel stuck.
const GRACE_SECONDS: u64 = 25;

/// What an agent needs to know, whatever its work.
#[derive(Debug, Clone)]
pub struct Settings {
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
    /// `LAZARET_POLICIES_SECONDS` (15): between two looks at the policies.
    pub policies: Duration,
    /// `LAZARET_GRACE_SECONDS` (25): to finish what is in hand after a SIGTERM. The task's stop time-out must leave some seconds more, for
    /// giving back.
    pub grace: Duration,
}

impl Settings {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            results_bucket: variables.text("LAZARET_RESULTS_BUCKET")?,
            quarantine_bucket: variables.text("LAZARET_QUARANTINE_BUCKET")?,
            scratch_dir: variables.path("LAZARET_SCRATCH_DIR")?,
            scan_workers: variables.number("LAZARET_SCAN_WORKERS", 1)?,
            fetch_bytes: variables.number("LAZARET_FETCH_BYTES", 1)?,
            // a third of it is the time between two extensions
            visibility: variables.seconds("LAZARET_VISIBILITY_SECONDS", 3)?,
            policies: Duration::from_secs(variables.number_or("LAZARET_POLICIES_SECONDS", POLICIES_SECONDS, 1)?),
            grace: Duration::from_secs(variables.number_or("LAZARET_GRACE_SECONDS", GRACE_SECONDS, 1)?),
        })
    }
}
