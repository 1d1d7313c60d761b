//! The moment from which events speak for a bucket, and the job over what was there before.
//!
//! S3 may take minutes until it sends the events of a bucket whose configuration was just written. So the job's window ends some
//! time after that moment, and the state machine waits for its end before it lists anything: what was stored in between is listed by
//! the job, told by an event, or both. Twice is harmless, never is not.

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::executions::Started;
use lazaret_model::job::{TARGET_MINUTES, WindowInput, s3_opened};
use lazaret_model::{BucketScope, JobId, JobInput, Source};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::ProtectError;
use crate::policies::PATIENCE;
use crate::site::Site;

/// Between the moment that events were asked for and the end of the window. S3's guide says minutes.
pub const SETTLE_SECONDS: u64 = 300;
/// Characters of the bucket's name in a job's id.
const NAME_CHARACTERS: usize = 20;

/// The job over what a bucket held before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    pub job_id: JobId,
    pub input: JobInput,
    /// The end of its window.
    pub until: Timestamp,
}

impl Activation {
    /// Of a bucket whose events were asked for at `moment`. The same bucket and moment make the same job.
    ///
    /// # Errors
    /// If that is no job: `from` lies behind its end, or its end too far ahead.
    pub fn new(
        bucket: &str,
        from: Option<Timestamp>,
        moment: Timestamp,
        settle_seconds: u64,
    ) -> Result<Self, ProtectError> {
        let settle = SignedDuration::from_secs(settle_seconds.try_into().unwrap_or(i64::MAX));
        // to the second: the input is read in the console
        let moment = Timestamp::from_second(moment.as_second()).unwrap_or(moment);
        let until = moment.checked_add(settle).unwrap_or(Timestamp::MAX);
        let input = JobInput {
            buckets: vec![BucketScope { name: bucket.to_owned(), prefix: String::new() }],
            window: WindowInput { from: Some(from.unwrap_or_else(s3_opened)), to: Some(until) },
            source: Source::Activation,
            target_minutes: TARGET_MINUTES,
            limits: lazaret_model::JobLimits::default(),
            selected: false,
        };
        let job_id = job_id(bucket, moment);
        input.clone().into_job(job_id.clone(), moment)?;
        Ok(Self { job_id, input, until })
    }

    /// Starts the job, unless it was started before.
    ///
    /// # Errors
    /// If it can't be started.
    pub async fn start(&self, site: &Site) -> Result<Started, ProtectError> {
        let (name, input) = (self.job_id.as_str(), json!(self.input));
        let started = PATIENCE
            .run(|error: &lazaret_aws::ServiceError| error.retryable, || site.executions.start_once(name, &input));
        let bucket = self.input.buckets[0].name.clone();
        started.await.map_err(|source| ProtectError::Activation { bucket, source })
    }
}

/// `activation-uploads-1a2b3c4d-20261122T101500Z`: says in the console what it is.
fn job_id(bucket: &str, moment: Timestamp) -> JobId {
    let name: String = bucket.chars().map(|c| if c == '.' { '-' } else { c }).take(NAME_CHARACTERS).collect();
    let digits: String = Sha256::digest(bucket)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let id = format!("activation-{name}-{digits}-{}", moment.strftime("%Y%m%dT%H%M%SZ"));
    id.parse().expect("letters, digits and hyphens, below the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Timestamp {
        "2026-11-22T10:15:00.25Z".parse().expect("a timestamp")
    }

    #[test]
    fn the_window_ends_after_the_moment_of_activation() {
        let activation = Activation::new("my.bucket", None, moment(), 300).expect("a job");
        assert_eq!(
            json!(activation.input)["window"],
            json!({"from": "2006-03-14T00:00:00Z", "to": "2026-11-22T10:20:00Z"})
        );
        assert_eq!(json!(activation.input)["source"], "activation");
        assert!(activation.job_id.as_str().starts_with("activation-my-bucket-"), "{}", activation.job_id);
        assert_eq!(activation, Activation::new("my.bucket", None, moment(), 300).expect("a job"));
    }

    #[test]
    fn every_bucket_has_a_job_id_of_its_own_that_fits() {
        let (long, other) = ("a".repeat(63), format!("{}b", "a".repeat(62)));
        assert_ne!(job_id(&long, moment()), job_id(&other, moment()));
        assert_ne!(job_id("a.b", moment()), job_id("a-b", moment()));
    }

    #[test]
    fn a_start_in_the_future_and_an_endless_wait_are_refused() {
        let later = moment() + SignedDuration::from_hours(1);
        assert!(Activation::new("bucket", Some(later), moment(), 300).is_err());
        assert!(Activation::new("bucket", None, moment(), 86_400).is_err());
    }
}
