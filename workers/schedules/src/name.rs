//! A schedule's name, and the ids of its jobs.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lazaret_model::JobId;
use serde::{Deserialize, Serialize};

/// With a time, a number of ten digits and two hyphens a job's id has its 60 characters.
pub const NAME_CHARACTERS: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a schedule: 1 to {NAME_CHARACTERS} letters of A-Z and a-z, digits, `-` and `_`, the first a letter or a digit"
)]
pub struct BadName(String);

/// Safe in keys, in job ids and in the names of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScheduleName(String);

impl ScheduleName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The job of run number `run`, claimed at `at`: `nightly-20261101T040000Z-12`.
    ///
    /// # Panics
    /// Never: a name, a time and a number make an id.
    pub fn job(&self, at: Timestamp, run: u32) -> JobId {
        let id = format!("{}-{}-{run}", self.0, at.strftime("%Y%m%dT%H%M%SZ"));
        id.parse().expect("32 + 1 + 16 + 1 + 10 characters that an id may have")
    }

    /// The schedule whose run a job is, if its id looks like one.
    pub fn of_job(job: &str) -> Option<Self> {
        let mut parts = job.rsplitn(3, '-');
        let (run, at, name) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let time = at.len() == 16 && at.is_char_boundary(8) && {
            let (day, rest) = at.split_at(8);
            digits(day) && rest.starts_with('T') && rest.ends_with('Z') && digits(&rest[1..7])
        };
        if digits(run) && time { name.parse().ok() } else { None }
    }
}

impl TryFrom<String> for ScheduleName {
    type Error = BadName;

    fn try_from(name: String) -> Result<Self, BadName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !first || name.len() > NAME_CHARACTERS || !name.chars().all(allowed) {
            return Err(BadName(name.chars().take(NAME_CHARACTERS * 2).flat_map(char::escape_default).collect()));
        }
        Ok(Self(name))
    }
}

impl FromStr for ScheduleName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        name.to_owned().try_into()
    }
}

impl From<ScheduleName> for String {
    fn from(name: ScheduleName) -> Self {
        name.0
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_tells_its_schedule() {
        let at: Timestamp = "2026-11-01T04:00:00Z".parse().expect("a time");
        for name in ["nightly", "a-b_c", "2026-1", "x-20261101T040000Z-1"] {
            let name: ScheduleName = name.parse().expect("a name");
            assert_eq!(ScheduleName::of_job(name.job(at, 12).as_str()), Some(name));
        }
        for other in [
            "retro-20261101T040000Z-1a2b",
            "retro-2026-11-01",
            "job-1",
            "-20261101T040000Z-1",
            "a-ä0261101T04000Z-1",
            "",
        ] {
            assert_eq!(ScheduleName::of_job(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_name_and_run_make_a_job_id() {
        let name: ScheduleName = "x".repeat(NAME_CHARACTERS).parse().expect("at the limit");
        assert_eq!(name.job(Timestamp::UNIX_EPOCH, u32::MAX).as_str().len(), 60);
        for bad in ["", "a b", "a/b", "-a", "ä", "a.b", &"x".repeat(NAME_CHARACTERS + 1)] {
            assert!(bad.parse::<ScheduleName>().is_err(), "{bad}");
        }
    }
}
