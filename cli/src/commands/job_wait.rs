//! `lazaret job wait`: watches a job that runs already, and ends as `job start --wait` does.

use std::future::Future;

use lazaret_model::JobId;
use serde_json::json;

use crate::cloud::{self, Cloud};
use crate::console::Console;
use crate::outcome::Outcome;
use crate::record::JobRecord;
use crate::summary_text;
use crate::watch::{self, Ended};

/// Watch a job until it ends
#[derive(Debug, Clone, clap::Args)]
pub struct WaitArgs {
    /// The job's id
    pub id: String,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such job, or it can't be watched.
pub async fn run(
    cloud: &Cloud,
    args: &WaitArgs,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let job_id = cloud::job_id(&args.id)?;
    JobRecord::load(cloud, &job_id).await?;
    wait(cloud, &job_id, args.json, console, interrupt).await
}

/// Watches, then prints how the job ended.
///
/// # Errors
/// If it can't be watched.
pub async fn wait(
    cloud: &Cloud,
    job_id: &JobId,
    json: bool,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let execution = match watch::until_ended(cloud, job_id, console, interrupt).await? {
        Ended::Job(execution) => *execution,
        Ended::Interrupted => {
            console.note(&format!(
                "\nJob {job_id} goes on.\nWatch it: lazaret job wait {job_id}\nStop it:  lazaret job stop {job_id}"
            ))?;
            return Ok(Outcome::Interrupted);
        }
    };
    let record = JobRecord::of(cloud, job_id, execution).await?;
    if json {
        if let Some(failure) = record.failure() {
            console.note(&summary_text::failed(&failure).join("\n"))?;
        }
        print_json(&record, console)?;
    } else {
        console.text(&summary_text::ended(&record))?;
    }
    Ok(record.outcome())
}

/// The summary as it is, with the failure beside it if there was one; without a summary, what is known.
fn print_json(record: &JobRecord, console: &mut Console) -> anyhow::Result<()> {
    let mut document = match &record.summary {
        Some(summary) => serde_json::to_value(summary)?,
        None => json!({"jobId": record.job_id}),
    };
    document["status"] = json!(record.status());
    if let Some(failure) = record.failure() {
        document["error"] = json!(failure);
    }
    Ok(console.json(&document)?)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::testing::{Lab, summary};

    fn args(json: bool) -> WaitArgs {
        WaitArgs { id: "job-1".into(), json }
    }

    #[tokio::test]
    async fn a_failed_job_is_one_line_of_json_with_its_error_and_exit_code_two() {
        let lab = Lab::new();
        lab.start("job-1").await;
        lab.executions.fail("job-1", "Lazaret.NothingToScan", "nothing in the window");
        let outcome = run(&lab.cloud(), &args(true), &mut lab.console(), pending()).await.expect("waited");
        assert_eq!(outcome, Outcome::Failed);
        let printed: serde_json::Value = serde_json::from_str(&lab.out.text()).expect("JSON");
        let error = json!({"name": "Lazaret.NothingToScan", "cause": "nothing in the window"});
        assert_eq!(printed, json!({"jobId": "job-1", "status": "FAILED", "error": error}));
    }

    #[tokio::test]
    async fn a_job_that_has_ended_is_printed_at_once() {
        let lab = Lab::new();
        lab.start("job-1").await;
        lab.executions.succeed("job-1", serde_json::to_value(summary("job-1", 10, 0)).expect("JSON"));
        let outcome = run(&lab.cloud(), &args(false), &mut lab.console(), pending()).await.expect("waited");
        assert_eq!(outcome, Outcome::NothingFound);
        assert!(lab.out.text().contains("Complete: 10 crawled"), "{}", lab.out.text());
    }

    #[tokio::test]
    async fn ctrl_c_says_how_to_watch_and_stop_the_job() {
        let lab = Lab::new();
        lab.start("job-1").await;
        let outcome = run(&lab.cloud(), &args(true), &mut lab.console(), ready(())).await.expect("waited");
        assert_eq!((outcome, outcome.code()), (Outcome::Interrupted, 130));
        let text = lab.err.text();
        assert!(text.contains("goes on") && text.contains("lazaret job stop job-1"), "{text}");
        assert_eq!(lab.out.text(), "");
    }

    #[tokio::test]
    async fn an_unknown_job_is_not_waited_for() {
        let lab = Lab::new();
        let error = run(&lab.cloud(), &args(false), &mut lab.console(), pending()).await.expect_err("unknown");
        assert!(error.to_string().contains("no job `job-1`"), "{error}");
    }
}
