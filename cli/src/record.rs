//! What is known of one job: its execution, and its summary if it got that far.

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_aws::executions::{Execution, ExecutionStatus};
use lazaret_model::summary::Status;
use lazaret_model::{Failure, JobId, Summary, layout};
use serde::Serialize;

use crate::cloud::Cloud;
use crate::outcome::Outcome;

/// One job.
#[derive(Debug, Clone)]
pub struct JobRecord {
    pub job_id: JobId,
    pub execution: Execution,
    pub summary: Option<Summary>,
}

/// Name and cause of a failure, as JSON has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureView {
    pub name: String,
    pub cause: String,
}

impl JobRecord {
    /// Looks the job up.
    ///
    /// # Errors
    /// If there is none, or the state machine can't be asked. Without a right to read the results bucket there is a record
    /// without a summary.
    pub async fn load(cloud: &Cloud, job_id: &JobId) -> anyhow::Result<Self> {
        let Some(execution) = cloud.executions.describe(job_id.as_str()).await? else {
            bail!(
                "no job `{job_id}`: `lazaret job list` shows those that there are (Step Functions forgets them after 90 days)"
            );
        };
        Self::of(cloud, job_id, execution).await
    }

    /// The record of a job whose execution is known already.
    ///
    /// # Errors
    /// If a summary is there and can't be read.
    pub async fn of(cloud: &Cloud, job_id: &JobId, execution: Execution) -> anyhow::Result<Self> {
        let summary = if execution.status == ExecutionStatus::Running {
            None
        } else {
            match execution.output.clone().and_then(|output| serde_json::from_value(output).ok()) {
                Some(summary) => Some(summary),
                None => stored_summary(cloud.store.as_ref(), &cloud.results_bucket, job_id).await?,
            }
        };
        Ok(Self { job_id: job_id.clone(), execution, summary })
    }

    /// How the job ended, by its execution and its summary together: complete is only what both call so.
    pub fn status(&self) -> Status {
        let reported = self.summary.as_ref().map(|summary| summary.status);
        match self.execution.status {
            ExecutionStatus::Running => Status::Running,
            ExecutionStatus::Aborted => Status::Stopped,
            ExecutionStatus::Succeeded => reported.unwrap_or(Status::Failed),
            ExecutionStatus::TimedOut => Status::Failed,
            ExecutionStatus::Failed if reported == Some(Status::Incomplete) => Status::Incomplete,
            ExecutionStatus::Failed => Status::Failed,
        }
    }

    pub fn outcome(&self) -> Outcome {
        let totals = self.summary.as_ref().map(|summary| summary.totals.clone()).unwrap_or_default();
        Outcome::of_job(self.status(), &totals)
    }

    /// Why the execution did not succeed; `None` if it did or still runs.
    pub fn failure(&self) -> Option<FailureView> {
        match self.execution.status {
            ExecutionStatus::Running => None,
            ExecutionStatus::Succeeded if self.summary.is_some() => None,
            ExecutionStatus::Succeeded => Some(FailureView {
                name: "NoSummary".into(),
                cause: "the execution succeeded, but its summary is not there or can't be read".into(),
            }),
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
                let (name, cause) = self.execution.error.clone().unwrap_or_default();
                let name = if name.is_empty() { default_name(self.execution.status).to_owned() } else { name };
                Some(FailureView { name, cause })
            }
        }
    }

    /// When it ended, or `now` while it runs.
    pub fn seconds(&self, now: Timestamp) -> f64 {
        let end = self.execution.stopped_at.unwrap_or(now);
        end.duration_since(self.execution.started_at).as_secs_f64()
    }
}

fn default_name(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Aborted => "Stopped",
        ExecutionStatus::TimedOut => "States.Timeout",
        _ => "Unknown",
    }
}

/// `None` if there is no summary, or no right to read it.
pub async fn stored_summary(store: &dyn ObjectStore, bucket: &str, job_id: &JobId) -> anyhow::Result<Option<Summary>> {
    let key = layout::summary_key(job_id);
    match store.get(bucket, &key).await {
        Ok(Some(stored)) => Ok(Some(
            serde_json::from_slice(&stored.bytes).with_context(|| format!("s3://{bucket}/{key} is no summary"))?,
        )),
        Ok(None) | Err(lazaret_aws::StoreError::AccessDenied(_)) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("s3://{bucket}/{key}")),
    }
}

/// What a person can do about a failure.
pub fn advice(failure: &str) -> &'static str {
    let known = Failure::ALL.into_iter().find(|known| known.name() == failure);
    match (known, failure) {
        (Some(Failure::BadInput), _) => "Correct the input and start the job again; nothing was created.",
        (Some(Failure::BucketNotFound), _) => "Check the bucket's name and region; nothing was created.",
        (Some(Failure::AccessDenied), _) => {
            "Let the deployment's roles list and read the bucket (its bucket policy and KMS key included), then start again."
        }
        (Some(Failure::NothingToScan), _) => {
            "No object lies in the window below these prefixes: widen --from and --to, or check the prefix."
        }
        (Some(Failure::OverBudget), _) => {
            "Give a higher --max-dollars, or less to scan: `lazaret plan` shows the estimate. Nothing was scanned."
        }
        (Some(Failure::Transient), _) => {
            "The retries were used up; start the job again, later if AWS throttles the account."
        }
        (Some(Failure::Permanent), _) => "Another attempt would meet it too: look at the log of the step that failed.",
        (Some(Failure::Incomplete), _) => {
            "The report says which packets are missing; start a job over the same window to scan what was not reported."
        }
        (Some(Failure::Untrusted), _) => {
            "No agent's verdict stands behind this promotion: see who may start executions of it, and scan the object again."
        }
        (None, "Stopped") => "Start a new job over the same window to scan the rest.",
        (None, "States.Timeout") => "The job took longer than the state machine allows: split it by bucket or prefix.",
        (None, _) => "The execution's history in the Step Functions console shows the step that failed.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, summary};

    #[tokio::test]
    async fn an_unknown_job_is_named() {
        let lab = Lab::new();
        let error = JobRecord::load(&lab.cloud(), &"nope".parse().expect("an id")).await.expect_err("unknown");
        assert!(error.to_string().contains("no job `nope`"), "{error}");
    }

    #[tokio::test]
    async fn a_succeeded_job_is_what_its_output_says_and_never_complete_without_one() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.executions.succeed("job-1", serde_json::to_value(summary("job-1", 3, 1)).expect("JSON"));
        let record = JobRecord::load(&lab.cloud(), &job).await.expect("a record");
        assert_eq!((record.status(), record.outcome()), (Status::Complete, Outcome::Infected));
        assert_eq!(record.failure(), None);

        let job = lab.start("job-2").await;
        lab.executions.succeed("job-2", serde_json::json!({"something": "else"}));
        let record = JobRecord::load(&lab.cloud(), &job).await.expect("a record");
        assert_eq!((record.status(), record.outcome()), (Status::Failed, Outcome::Failed));
        assert_eq!(record.failure().expect("a failure").name, "NoSummary");
    }

    #[tokio::test]
    async fn an_incomplete_job_has_its_summary_from_the_bucket() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let incomplete = Summary { status: Status::Incomplete, ..summary("job-1", 3, 0) };
        lab.put_json(&layout::summary_key(&job), &incomplete);
        lab.executions.fail("job-1", "Lazaret.Incomplete", "1 packet has no part");
        let record = JobRecord::load(&lab.cloud(), &job).await.expect("a record");
        assert_eq!((record.status(), record.outcome()), (Status::Incomplete, Outcome::Failed));
        assert_eq!(record.failure().expect("a failure").name, "Lazaret.Incomplete");
    }

    #[tokio::test]
    async fn a_failed_tear_down_is_a_failed_job_though_its_report_is_complete() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.put_json(&layout::summary_key(&job), &summary("job-1", 3, 0));
        lab.executions.fail("job-1", "Lazaret.Permanent", "queues could not be deleted");
        let record = JobRecord::load(&lab.cloud(), &job).await.expect("a record");
        assert_eq!(record.status(), Status::Failed);
    }

    #[test]
    fn every_failure_of_ours_has_advice_of_its_own() {
        let texts: std::collections::BTreeSet<_> = Failure::ALL.iter().map(|failure| advice(failure.name())).collect();
        assert_eq!(texts.len(), Failure::ALL.len());
        assert!(!texts.contains(advice("Anything.Else")));
    }
}
