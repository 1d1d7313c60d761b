//! `lazaret job stop`: stops the execution and waits until nothing of the job is left.

use std::time::Duration;

use anyhow::{Context, bail};
use lazaret_aws::ServiceError;
use lazaret_aws::executions::ExecutionStatus;
use lazaret_model::{JobId, layout};
use serde_json::json;
use tokio::time::Instant;

use crate::cloud::{self, Cloud};
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::record::JobRecord;
use crate::summary_text::status_word;
use crate::units;

/// What Step Functions shows as the error of a stopped execution.
const STOP_ERROR: &str = "Stopped";
const STOP_CAUSE: &str = "stopped by `lazaret job stop`";
/// The tear-down stops tasks (30 s between SIGTERM and SIGKILL), then deletes queues and objects; EventBridge tells it
/// within seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_secs(2);
/// Looks in a row that must find nothing: a queue that was being created when the execution stopped appears a moment later.
const CLEAN_LOOKS: u32 = 2;

/// Stop a job and wait until everything of it but its results is removed
#[derive(Debug, Clone, clap::Args)]
pub struct StopArgs {
    /// The job's id
    pub id: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such job, or it has ended.
pub async fn run(cloud: &Cloud, args: &StopArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let job_id = cloud::job_id(&args.id)?;
    let record = JobRecord::load(cloud, &job_id).await?;
    if record.execution.status != ExecutionStatus::Running {
        bail!("job `{job_id}` has ended already ({}): there is nothing to stop", status_word(record.status()));
    }
    cloud.executions.stop(job_id.as_str(), STOP_ERROR, STOP_CAUSE).await.context("the job was not stopped")?;
    // between the look and the stop it may have ended by itself
    let record = JobRecord::load(cloud, &job_id).await?;
    let ended = record.execution.status;
    if !matches!(ended, ExecutionStatus::Running | ExecutionStatus::Aborted) {
        bail!("job `{job_id}` ended ({}) before it could be stopped", status_word(record.status()));
    }
    console
        .note(&format!("Stopped job {job_id}; waiting until its tasks, queues and temporary objects are removed …"))?;

    let Look { left, unseen } = wait_until_removed(cloud, &job_id).await;
    for what in &unseen {
        console.note(&format!("Warning: this could not be looked at: {}", escape::line(what)))?;
    }
    if args.json {
        console.json(&json!({"jobId": job_id, "status": "STOPPED", "removed": left.is_empty(), "left": left}))?;
    } else if left.is_empty() {
        console.text(&format!(
            "Everything of job {job_id} but its results is removed.\nWhat was scanned until then: lazaret report {job_id}"
        ))?;
    } else {
        console.text(&format!(
            "After {} this of job {job_id} is not known to be removed:\n  {}\nThe tear-down may still be at work; its log is that of \
             the function lazaret-tear-down, which is safe to run again with {{\"jobId\":\"{job_id}\"}}.",
            units::duration(PATIENCE.as_secs_f64()),
            left.iter().map(|left| escape::line(left)).collect::<Vec<_>>().join("\n  ")
        ))?;
    }
    Ok(if left.is_empty() { Outcome::NothingFound } else { Outcome::Failed })
}

/// What there is of a job beside its results.
#[derive(Debug, Default)]
struct Look {
    left: Vec<String>,
    /// What the caller may not look at. The tear-down deletes objects last, so that an empty `work/` speaks for these too.
    unseen: Vec<String>,
}

impl Look {
    /// A failure that another look may not meet says nothing yet: that thing counts as left.
    fn failed(&mut self, what: &str, error: &ServiceError) {
        let place = if error.retryable { &mut self.left } else { &mut self.unseen };
        place.push(format!("{what}: {error}"));
    }
}

/// Returns the last look: what is left when patience ends, or nothing.
async fn wait_until_removed(cloud: &Cloud, job_id: &JobId) -> Look {
    let begun = Instant::now();
    let mut clean_looks = 0;
    loop {
        let look = look(cloud, job_id).await;
        clean_looks = if look.left.is_empty() { clean_looks + 1 } else { 0 };
        if clean_looks == CLEAN_LOOKS || (!look.left.is_empty() && begun.elapsed() >= PATIENCE) {
            return look;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn look(cloud: &Cloud, job_id: &JobId) -> Look {
    let mut look = Look::default();
    match cloud.executions.describe(job_id.as_str()).await {
        Ok(Some(execution)) if execution.status == ExecutionStatus::Running => {
            look.left.push("the execution still runs".into());
        }
        Ok(_) => {}
        Err(error) => look.failed("the execution", &error),
    }
    match cloud.tasks.running(job_id.as_str()).await {
        Ok(tasks) if tasks.is_empty() => {}
        Ok(tasks) => look.left.push(units::counted(tasks.len() as u64, "running task")),
        Err(error) => look.failed("its tasks", &error),
    }
    for name in [job_id.queue_name(), job_id.dead_letter_queue_name()] {
        match cloud.queues.url(&name).await {
            Ok(None) => {}
            Ok(Some(_)) => look.left.push(format!("queue {name}")),
            Err(error) => look.failed(&format!("queue {name}"), &error),
        }
    }
    let prefix = layout::work_prefix(job_id);
    let place = format!("s3://{}/{prefix}", cloud.results_bucket);
    match cloud.store.list_page(&cloud.results_bucket, &prefix, None).await {
        Ok(page) if page.objects.is_empty() => {}
        Ok(page) => {
            let more = if page.next.is_some() { "more than " } else { "" };
            look.left.push(format!("{more}{} below {place}", units::counted(page.objects.len() as u64, "object")));
        }
        // objects are the last to go: without a look at them nothing is known
        Err(error) => look.left.push(format!("{place}: {error}")),
    }
    look
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, RESULTS};

    fn args() -> StopArgs {
        StopArgs { id: "job-1".into(), json: false }
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_until_tasks_queues_and_objects_are_removed() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let task = lab.fleet.start("job-1", "lazaret-agent");
        let queue = lab.queues.create(&job.queue_name());
        lab.put_json(&layout::plan_key(&job), &1);
        let (cloud, mut console) = (lab.cloud(), lab.console());
        let args = args();
        let mut stop = std::pin::pin!(run(&cloud, &args, &mut console));
        let pause = || tokio::time::sleep(Duration::from_secs(20));
        let early = tokio::select! { ended = &mut stop => Some(ended), () = pause() => None };
        assert!(early.is_none(), "all is still there");
        lab.fleet.finish(&task);
        lazaret_aws::Queue::delete_queue(&queue).await.expect("deleted");
        let early = tokio::select! { ended = &mut stop => Some(ended), () = pause() => None };
        assert!(early.is_none(), "an object is still there");
        lab.store.remove(RESULTS, &layout::plan_key(&job));
        assert_eq!(stop.await.expect("stopped"), Outcome::NothingFound);
        assert!(lab.out.text().contains("Everything of job job-1 but its results is removed"));
        let execution = cloud.executions.describe("job-1").await.expect("known").expect("known");
        assert_eq!(execution.status, ExecutionStatus::Aborted);
    }

    #[tokio::test(start_paused = true)]
    async fn what_remains_after_two_minutes_is_named_and_ends_with_two() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.queues.create(&job.dead_letter_queue_name());
        lab.put_json(&layout::plan_key(&job), &1);
        let begun = Instant::now();
        let outcome = run(&lab.cloud(), &args(), &mut lab.console()).await.expect("stopped");
        assert_eq!(outcome.code(), 2);
        assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 2);
        let text = lab.out.text();
        assert!(
            text.contains("queue lazaret-job-job-1-dead") && text.contains("1 object below s3://results/work/job-1/"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_job_that_has_ended_and_an_unknown_one_are_errors() {
        let lab = Lab::new();
        let error = run(&lab.cloud(), &args(), &mut lab.console()).await.expect_err("unknown");
        assert!(error.to_string().contains("no job `job-1`"), "{error}");
        lab.start("job-1").await;
        lab.executions.fail("job-1", "Lazaret.Permanent", "why");
        let error = run(&lab.cloud(), &args(), &mut lab.console()).await.expect_err("ended");
        assert!(error.to_string().contains("has ended already (FAILED)"), "{error}");
    }
}
