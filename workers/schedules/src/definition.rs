//! What the owner of a schedule asked for. It travels in the input of the target, so that EventBridge Scheduler keeps it.

use jiff::{SignedDuration, Timestamp};
use lazaret_model::BucketScope;
use lazaret_model::job::{JobInputError, TARGET_MINUTES};
use lazaret_model::{Job, JobId, JobInput, JobLimits, Source};
use serde::{Deserialize, Serialize};

use crate::name::ScheduleName;

/// What a run scans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Everything, every time.
    All,
    /// What has appeared since the last complete run; at first everything.
    #[default]
    New,
}

/// What becomes of a run that is due while the one before is still under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It does not take place.
    #[default]
    Refuse,
    /// It follows at once. However many are due meanwhile, one follows.
    Queue,
}

/// A schedule, but for its name and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    pub buckets: Vec<BucketScope>,
    #[serde(default, rename = "scope")]
    pub takes: Takes,
    #[serde(default)]
    pub overlap: Overlap,
    /// Where the first run of `new` begins, for buckets that have no complete run yet; not set: the day S3 opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    #[serde(default = "target_minutes")]
    pub target_minutes: u32,
    /// Of each job.
    #[serde(default, skip_serializing_if = "JobLimits::is_none")]
    pub limits: JobLimits,
    /// How old an object must be for a run of `new`. One that takes longer, from its LastModified until it can be seen, is missed.
    #[serde(default = "settle_seconds")]
    pub settle_seconds: u32,
}

/// 5 GiB, the largest PUT, at 1.5 MB/s.
pub const SETTLE_SECONDS: u32 = 3_600;

fn settle_seconds() -> u32 {
    SETTLE_SECONDS
}

fn target_minutes() -> u32 {
    TARGET_MINUTES
}

impl Definition {
    pub fn settle(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.settle_seconds))
    }

    /// The job of a run that took all, if jobs can be made of it.
    ///
    /// # Errors
    /// The first thing that is wrong, in words for its owner.
    pub fn check(&self, name: &ScheduleName, now: Timestamp) -> Result<Job, JobInputError> {
        let job: JobId = name.job(now, 0);
        let input = JobInput {
            buckets: self.buckets.clone(),
            window: lazaret_model::job::WindowInput { from: self.from, to: None },
            source: Source::Schedule(name.to_string()),
            target_minutes: self.target_minutes,
            limits: self.limits,
            selected: false,
        };
        input.into_job(job, now)
    }
}

/// The input that EventBridge Scheduler passes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    pub schedule: ScheduleName,
    pub definition: Definition,
    /// When the run was due, as Scheduler fills it in: the same for each of its tries. Text that is no time means that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// Scheduler's word for the time that a run was due.
pub const DUE: &str = "<aws.scheduler.scheduled-time>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_says_the_defaults_and_reads_itself() {
        let json =
            r#"{"schedule":"nightly","definition":{"buckets":[{"name":"invoices"}]},"due":"2026-11-01T04:00:00Z"}"#;
        let call: Call = serde_json::from_str(json).expect("a call");
        let Definition { takes, overlap, from, target_minutes, .. } = &call.definition;
        assert_eq!((*takes, *overlap, *from, *target_minutes), (Takes::New, Overlap::Refuse, None, 60));
        let example = include_str!("../../../tests/fixtures/contracts/schedule-call.json");
        let read: Call = serde_json::from_str(example).expect("a call");
        assert_eq!(read.due.as_deref(), Some(DUE));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&serde_json::to_string(&read).expect("JSON")), value(example));
        let again: Call = serde_json::from_str(&serde_json::to_string(&call).expect("JSON")).expect("a call");
        assert_eq!(again, call);
    }

    #[test]
    fn what_can_be_no_job_is_refused_when_it_is_defined() {
        let now: Timestamp = "2026-11-01T04:00:00Z".parse().expect("a time");
        let name = "nightly".parse().expect("a name");
        let of = |buckets: &[&str], from: Option<&str>| Definition {
            buckets: buckets.iter().map(|bucket| BucketScope::parse(bucket)).collect(),
            takes: Takes::New,
            overlap: Overlap::Refuse,
            from: from.map(|from| from.parse().expect("a time")),
            target_minutes: 60,
            limits: JobLimits::default(),
            settle_seconds: SETTLE_SECONDS,
        };
        assert!(of(&["invoices", "uploads/a/"], None).check(&name, now).is_ok());
        for bad in [
            of(&[], None),
            of(&["a", "b"], None),
            of(&["abc", "abc/d"], None),
            of(&["abc"], Some("2027-01-01T00:00:00Z")),
        ] {
            assert!(bad.check(&name, now).is_err(), "{bad:?}");
        }
    }
}
