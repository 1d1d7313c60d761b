//! `lazaret job show`: one job, as it is now.

use jiff::Timestamp;
use lazaret_aws::executions::ExecutionStatus;
use serde_json::{Value, json};

use crate::cloud::{self, Cloud};
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::record::JobRecord;
use crate::summary_text::{self, status_word};
use crate::units;
use crate::watch::snapshot::{Poller, Snapshot};

/// Show a job
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// The job's id
    pub id: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Ends as the job did, and with 0 while it runs.
///
/// # Errors
/// If there is no such job.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let job_id = cloud::job_id(&args.id)?;
    let record = JobRecord::load(cloud, &job_id).await?;
    let running = record.execution.status == ExecutionStatus::Running;
    // the counters are an extra: without them the rest is still worth showing
    let snapshot = if running { Poller::new(cloud, &job_id).look().await.ok() } else { None };
    if args.json {
        console.json(&document(&record, snapshot.as_ref()))?;
    } else {
        console.text(&text(&record, snapshot.as_ref()))?;
    }
    Ok(if running { Outcome::NothingFound } else { record.outcome() })
}

fn document(record: &JobRecord, snapshot: Option<&Snapshot>) -> Value {
    let execution = &record.execution;
    let mut document = json!({
        "jobId": record.job_id,
        "status": record.status(),
        "executionArn": execution.arn,
        "startedAt": execution.started_at,
        "endedAt": execution.stopped_at,
        "input": execution.input,
        "summary": record.summary,
        "error": record.failure(),
    });
    if let Some(snapshot) = snapshot {
        document["state"] = json!(snapshot.state);
        document["progress"] = json!(snapshot.progress);
    }
    document
}

fn text(record: &JobRecord, snapshot: Option<&Snapshot>) -> String {
    let execution = &record.execution;
    let mut lines = Vec::new();
    if execution.status == ExecutionStatus::Running {
        let since = units::duration(record.seconds(Timestamp::now()));
        lines.push(format!("Job {} {} for {since}", record.job_id, status_word(record.status())));
        lines.extend(snapshot.map(progress).into_iter().flatten());
    } else {
        lines.push(summary_text::ended(record));
    }
    lines.push(String::new());
    lines.push(format!("Started:   {}", execution.started_at.strftime("%Y-%m-%dT%H:%M:%SZ")));
    if let Some(stopped_at) = execution.stopped_at {
        lines.push(format!("Ended:     {}", stopped_at.strftime("%Y-%m-%dT%H:%M:%SZ")));
    }
    if let Some(input) = &execution.input {
        lines.push(format!("Input:     {}", escape::json(&input.to_string())));
    }
    lines.push(format!("Execution: {}", escape::line(&execution.arn)));
    lines.join("\n")
}

fn progress(snapshot: &Snapshot) -> Vec<String> {
    let counters = snapshot.progress;
    let mut lines = vec![format!("State:     {}", escape::line(snapshot.state.as_deref().unwrap_or("-")))];
    lines.push(format!(
        "Crawled:   {}, {} matched",
        units::counted(counters.crawled, "object"),
        units::count(counters.matched)
    ));
    if let Some(planned) = snapshot.planned {
        lines.push(format!(
            "Scanned:   {} of {}, {}, {} infected",
            units::count(counters.scanned),
            units::counted(planned.matched, "object"),
            units::bytes(counters.bytes),
            units::count(counters.infected)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use lazaret_model::{Progress, layout};

    use super::*;
    use crate::testing::{Lab, plan};

    fn args(json: bool) -> ShowArgs {
        ShowArgs { id: "job-1".into(), json }
    }

    #[tokio::test]
    async fn a_running_job_shows_its_state_and_counters() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.executions.enter("job-1", "Wait for agents");
        lab.put_json(&layout::plan_key(&job), &plan(&job, 1_200, 3));
        lab.put_json(&layout::progress_key(&job, "agent-a"), &Progress { scanned: 700, ..Progress::default() });
        let outcome = run(&lab.cloud(), &args(false), &mut lab.console()).await.expect("shown");
        assert_eq!(outcome, Outcome::NothingFound);
        let text = lab.out.text();
        assert!(text.contains("Wait for agents") && text.contains("Scanned:   700 of 1,200 objects"), "{text}");
    }

    #[tokio::test]
    async fn a_failed_job_shows_name_cause_and_advice_and_ends_with_two() {
        let lab = Lab::new();
        lab.start("job-1").await;
        lab.executions.fail("job-1", "Lazaret.BucketNotFound", "bucket `x` does not exist");
        let outcome = run(&lab.cloud(), &args(false), &mut lab.console()).await.expect("shown");
        assert_eq!(outcome.code(), 2);
        let text = lab.out.text();
        for expected in ["Error: Lazaret.BucketNotFound", "Cause: bucket `x` does not exist", "What to do: "] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }

    #[tokio::test]
    async fn json_has_the_input_and_the_failure() {
        let lab = Lab::new();
        lab.start("job-1").await;
        lab.executions.fail("job-1", "Lazaret.Permanent", "a\u{9b}31m cause");
        run(&lab.cloud(), &args(true), &mut lab.console()).await.expect("shown");
        let text = lab.out.text();
        assert!(!text.contains('\u{9b}') && text.lines().count() == 1, "{text}");
        let printed: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&printed["status"], &printed["error"]["name"]), (&json!("FAILED"), &json!("Lazaret.Permanent")));
        assert_eq!(printed["input"]["buckets"][0]["name"], "bucket");
        assert_eq!(printed["summary"], Value::Null);
    }

    #[tokio::test]
    async fn an_unknown_id_and_an_impossible_one_are_errors() {
        let lab = Lab::new();
        let error = run(&lab.cloud(), &args(false), &mut lab.console()).await.expect_err("unknown");
        assert!(error.to_string().contains("no job `job-1`"), "{error}");
        let bad = ShowArgs { id: "a/b".into(), json: false };
        let error = run(&lab.cloud(), &bad, &mut lab.console()).await.expect_err("impossible");
        assert!(format!("{error:#}").contains("`a/b` is not a job id"), "{error:#}");
    }
}
