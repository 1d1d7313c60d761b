//! A job: one execution of the retro-job state machine.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest job id: the queue `lazaret-job-<id>-dead` must stay within SQS's 80 characters.
pub const JOB_ID_CHARACTERS: usize = 60;
/// The largest number of buckets and prefixes in one job: each costs about 150 bytes of the 256 KiB that
/// Step Functions passes between states.
pub const SCOPES_PER_JOB: usize = 1_000;
/// Minutes that a job aims for when the input doesn't say.
pub const TARGET_MINUTES: u32 = 60;
/// The longest target, a week: an execution's history (25,000 events) ends soon after.
pub const TARGET_MINUTES_MAX: u32 = 7 * 24 * 60;

/// How far ahead of its start the window of an activation may end.
const ACTIVATION_WAIT_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The day S3 opened; no object is older.
pub fn s3_opened() -> Timestamp {
    Timestamp::from_second(1_142_294_400).expect("2006-03-14T00:00:00Z is a timestamp")
}

/// Why an input is not a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobInputError {
    #[error("`buckets` is empty: name at least one bucket")]
    NoBuckets,
    #[error("{0} buckets and prefixes in one job, {SCOPES_PER_JOB} at most: split it into several jobs")]
    TooManyBuckets(usize),
    #[error("`{0}` is not a bucket name: 3 to 63 characters of a-z, 0-9, `.` and `-`")]
    BadBucketName(String),
    #[error("the prefix `{0}` is longer than the 1,024 bytes of an S3 key")]
    PrefixTooLong(String),
    #[error("`{0}` and `{1}` overlap: their objects would be scanned twice; keep the wider one")]
    Overlap(String, String),
    #[error("the window is empty: `from` {from} is not before `to` {to}")]
    EmptyWindow { from: Timestamp, to: Timestamp },
    #[error(
        "`to` {to} lies in the future: objects that arrive while the job runs can't be counted; leave it out to mean now"
    )]
    FutureWindow { to: Timestamp },
    #[error("`targetMinutes` is {0}; give 1 to {TARGET_MINUTES_MAX}")]
    BadTarget(u32),
    #[error("`limits.agents` is 0; give 1 or more, or leave it out")]
    NoAgents,
    #[error("`{0}` is not a limit in dollars; give 0.01 to 1000000")]
    BadDollars(String),
    #[error("`{0}` is not a job id: 1 to {JOB_ID_CHARACTERS} characters of A-Z, a-z, 0-9, `-` and `_`")]
    BadJobId(String),
    #[error("`{0}` is not a source: `on-demand`, `activation` or `schedule/NAME`")]
    BadSource(String),
}

/// A job's id: the name of its execution. Safe in queue names, keys and tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The job's queue of work packets.
    pub fn queue_name(&self) -> String {
        format!("lazaret-job-{}", self.0)
    }

    /// Where packets go that were received too often.
    pub fn dead_letter_queue_name(&self) -> String {
        format!("lazaret-job-{}-dead", self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = JobInputError;

    fn try_from(id: String) -> Result<Self, JobInputError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > JOB_ID_CHARACTERS || !id.chars().all(allowed) {
            return Err(JobInputError::BadJobId(id));
        }
        Ok(Self(id))
    }
}

impl FromStr for JobId {
    type Err = JobInputError;

    fn from_str(id: &str) -> Result<Self, JobInputError> {
        id.to_owned().try_into()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One bucket, or the part of it below a prefix. The empty prefix is the whole bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketScope {
    pub name: String,
    #[serde(default)]
    pub prefix: String,
}

impl BucketScope {
    /// Parses `NAME` or `NAME/PREFIX`, as the command line spells it; `s3://` in front is allowed.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix("s3://").unwrap_or(text);
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        Self { name: name.to_owned(), prefix: prefix.to_owned() }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.name == other.name && (self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix))
    }

    fn check(&self) -> Result<(), JobInputError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let name = &self.name;
        if !(3..=63).contains(&name.len())
            || !name.chars().all(allowed)
            || !name.starts_with(ends)
            || !name.ends_with(ends)
        {
            return Err(JobInputError::BadBucketName(name.clone()));
        }
        if self.prefix.len() > 1024 {
            return Err(JobInputError::PrefixTooLong(self.prefix.chars().take(80).collect()));
        }
        Ok(())
    }
}

impl fmt::Display for BucketScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.prefix)
    }
}

/// Which objects of a bucket a job matches: `from <= LastModified < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Window {
    pub fn contains(&self, last_modified: Timestamp) -> bool {
        self.from <= last_modified && last_modified < self.to
    }
}

/// Who asked for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    OnDemand,
    Activation,
    Schedule(String),
}

impl Source {
    /// A person who asks for nothing made a mistake; a schedule whose period brought nothing new did not.
    pub fn nothing_to_scan_is_an_error(&self) -> bool {
        matches!(self, Self::OnDemand)
    }
}

impl TryFrom<String> for Source {
    type Error = JobInputError;

    fn try_from(text: String) -> Result<Self, JobInputError> {
        match text.as_str() {
            "on-demand" => Ok(Self::OnDemand),
            "activation" => Ok(Self::Activation),
            _ => match text.strip_prefix("schedule/") {
                Some(name) if !name.is_empty() => Ok(Self::Schedule(name.to_owned())),
                _ => Err(JobInputError::BadSource(text)),
            },
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::OnDemand => "on-demand".into(),
            Source::Activation => "activation".into(),
            Source::Schedule(name) => format!("schedule/{name}"),
        }
    }
}

/// The ends of a window as an input may leave them out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowInput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// A sum in US dollars, kept in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Dollars(u64);

/// More than a job of a billion objects costs, by two orders of magnitude.
const DOLLARS_MAX: f64 = 1e6;

impl Dollars {
    pub fn amount(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl TryFrom<f64> for Dollars {
    type Error = JobInputError;

    fn try_from(amount: f64) -> Result<Self, JobInputError> {
        let cents = (amount * 100.0).round();
        let given = cents >= 1.0 && amount <= DOLLARS_MAX;
        if given { Ok(Self(cents as u64)) } else { Err(JobInputError::BadDollars(amount.to_string())) }
    }
}

impl From<Dollars> for f64 {
    fn from(dollars: Dollars) -> Self {
        dollars.amount()
    }
}

impl FromStr for Dollars {
    type Err = JobInputError;

    fn from_str(text: &str) -> Result<Self, JobInputError> {
        let amount: f64 = text.parse().map_err(|_| JobInputError::BadDollars(text.to_owned()))?;
        Self::try_from(amount)
    }
}

/// What a job may take; nothing is no limit but the deployment's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobLimits {
    /// The most agents at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// A job that is estimated to cost more is refused once it is crawled, before an agent is launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars: Option<Dollars>,
}

impl JobLimits {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The input of an execution of `retro-job`: the public contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobInput {
    #[serde(default)]
    pub buckets: Vec<BucketScope>,
    #[serde(default)]
    pub window: WindowInput,
    #[serde(default = "on_demand")]
    pub source: Source,
    #[serde(default = "target_minutes")]
    pub target_minutes: u32,
    #[serde(default, skip_serializing_if = "JobLimits::is_none")]
    pub limits: JobLimits,
    /// What each crawler matches stands in `work/<job>/selection/`, and not in `window` alone: written by a schedule, for its job only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub selected: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn on_demand() -> Source {
    Source::OnDemand
}

fn target_minutes() -> u32 {
    TARGET_MINUTES
}

/// A job with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub job_id: JobId,
    pub buckets: Vec<BucketScope>,
    pub window: Window,
    pub source: Source,
    pub target_minutes: u32,
    #[serde(default, skip_serializing_if = "JobLimits::is_none")]
    pub limits: JobLimits,
    /// As in [`JobInput::selected`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub selected: bool,
    /// When the execution started.
    pub started_at: Timestamp,
}

impl JobInput {
    /// Fills in the defaults and checks what can be checked without asking S3.
    ///
    /// # Errors
    /// The first thing that is wrong, in words for the person who wrote the input.
    pub fn into_job(self, job_id: JobId, started_at: Timestamp) -> Result<Job, JobInputError> {
        if self.buckets.is_empty() {
            return Err(JobInputError::NoBuckets);
        }
        if self.buckets.len() > SCOPES_PER_JOB {
            return Err(JobInputError::TooManyBuckets(self.buckets.len()));
        }
        for scope in &self.buckets {
            scope.check()?;
        }
        check_overlap(&self.buckets)?;
        let window =
            Window { from: self.window.from.unwrap_or_else(s3_opened), to: self.window.to.unwrap_or(started_at) };
        if window.from >= window.to {
            return Err(JobInputError::EmptyWindow { from: window.from, to: window.to });
        }
        // an activation waits for the end of its window, which is when the bucket's notifications are surely in force
        let ends_by = match self.source {
            Source::Activation => started_at + ACTIVATION_WAIT_MAX,
            Source::OnDemand | Source::Schedule(_) => started_at,
        };
        if window.to > ends_by {
            return Err(JobInputError::FutureWindow { to: window.to });
        }
        if !(1..=TARGET_MINUTES_MAX).contains(&self.target_minutes) {
            return Err(JobInputError::BadTarget(self.target_minutes));
        }
        if self.limits.agents == Some(0) {
            return Err(JobInputError::NoAgents);
        }
        Ok(Job {
            job_id,
            buckets: self.buckets,
            window,
            source: self.source,
            target_minutes: self.target_minutes,
            limits: self.limits,
            selected: self.selected,
            started_at,
        })
    }
}

/// In the order of (bucket, prefix), an overlap always stands beside its neighbour.
fn check_overlap(scopes: &[BucketScope]) -> Result<(), JobInputError> {
    let mut sorted: Vec<_> = scopes.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0].overlaps(pair[1])) {
        Some(pair) => Err(JobInputError::Overlap(pair[0].to_string(), pair[1].to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(buckets: &[&str]) -> JobInput {
        JobInput {
            buckets: buckets.iter().map(|b| BucketScope::parse(b)).collect(),
            window: WindowInput::default(),
            source: Source::OnDemand,
            target_minutes: 60,
            limits: JobLimits::default(),
            selected: false,
        }
    }

    fn now() -> Timestamp {
        "2026-11-01T00:00:00Z".parse().expect("a timestamp")
    }

    fn job(input: JobInput) -> Result<Job, JobInputError> {
        input.into_job("job-1".parse().expect("an id"), now())
    }

    #[test]
    fn the_window_defaults_to_all_time_until_the_start() {
        let job = job(input(&["bucket"])).expect("valid");
        assert_eq!(job.window.from.to_string(), "2006-03-14T00:00:00Z");
        assert_eq!(job.window.to, now());
        assert!(job.window.contains(job.window.from) && !job.window.contains(job.window.to));
    }

    #[test]
    fn no_buckets_bad_names_and_bad_targets_are_named() {
        assert_eq!(job(input(&[])), Err(JobInputError::NoBuckets));
        assert_eq!(job(input(&["No_Bucket"])), Err(JobInputError::BadBucketName("No_Bucket".into())));
        assert_eq!(job(JobInput { target_minutes: 0, ..input(&["bucket"]) }), Err(JobInputError::BadTarget(0)));
    }

    #[test]
    fn limits_are_numbers_above_nothing_and_cents_survive() {
        let none = JobInput { limits: JobLimits { agents: Some(0), dollars: None }, ..input(&["bucket"]) };
        assert_eq!(job(none), Err(JobInputError::NoAgents));
        for bad in ["0", "0.001", "-1", "NaN", "inf", "two", "1e9"] {
            assert!(bad.parse::<Dollars>().is_err(), "{bad}");
        }
        let limits: JobLimits = serde_json::from_str(r#"{"agents":20,"dollars":12.34}"#).expect("limits");
        assert_eq!(serde_json::to_string(&limits).expect("JSON"), r#"{"agents":20,"dollars":12.34}"#);
        assert!(serde_json::from_str::<JobLimits>(r#"{"dollars":0}"#).is_err());
    }

    #[test]
    fn overlapping_scopes_are_refused_and_siblings_are_not() {
        for pair in [["bucket", "bucket/a"], ["bucket/a/b", "bucket/a"], ["bucket", "bucket"]] {
            assert!(matches!(job(input(&pair)), Err(JobInputError::Overlap(..))), "{pair:?}");
        }
        assert!(job(input(&["bucket/a/", "bucket/b/", "other"])).is_ok());
        // `a-` sorts between `a` and `a/`: a neighbour all the same
        assert!(matches!(job(input(&["bucket/a", "bucket/a-", "bucket/a/"])), Err(JobInputError::Overlap(..))));
    }

    #[test]
    fn an_empty_a_turned_and_a_future_window_are_refused() {
        let window = |from: &str, to: &str| JobInput {
            window: WindowInput { from: Some(from.parse().expect("from")), to: Some(to.parse().expect("to")) },
            ..input(&["bucket"])
        };
        let day = "2026-01-01T00:00:00Z";
        assert!(matches!(job(window(day, day)), Err(JobInputError::EmptyWindow { .. })));
        assert!(matches!(job(window(day, "2025-01-01T00:00:00Z")), Err(JobInputError::EmptyWindow { .. })));
        assert!(matches!(job(window(day, "2027-01-01T00:00:00Z")), Err(JobInputError::FutureWindow { .. })));
    }

    #[test]
    fn only_an_activation_may_wait_for_the_end_of_its_window() {
        let soon = |source, minutes| JobInput {
            window: WindowInput { from: None, to: Some(now() + SignedDuration::from_mins(minutes)) },
            source,
            ..input(&["bucket"])
        };
        assert!(job(soon(Source::Activation, 5)).is_ok());
        assert!(matches!(job(soon(Source::Activation, 61)), Err(JobInputError::FutureWindow { .. })));
        assert!(matches!(job(soon(Source::OnDemand, 5)), Err(JobInputError::FutureWindow { .. })));
    }

    #[test]
    fn job_ids_fit_into_queue_names() {
        let longest: JobId = "x".repeat(JOB_ID_CHARACTERS).parse().expect("at the limit");
        assert!(longest.dead_letter_queue_name().len() <= 80);
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(JOB_ID_CHARACTERS + 1)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sources_read_and_write_the_same_text() {
        for text in ["on-demand", "activation", "schedule/nightly"] {
            let source: Source = text.to_owned().try_into().expect("a source");
            assert_eq!(String::from(source), text);
        }
        assert!(Source::try_from("schedule/".to_owned()).is_err());
    }
}
