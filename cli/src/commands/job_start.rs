//! `lazaret job start`: checks what can be checked, starts an execution, and watches it if asked to.

use std::future::Future;

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_model::JobId;
use serde_json::json;

use crate::cloud::{self, Cloud};
use crate::commands::job_wait;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::scope_args::{ScopeArgs, check_buckets};

/// Start a job
#[derive(Debug, Clone, clap::Args)]
pub struct StartArgs {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// The job's id [default: retro-<time>-<4 hex digits>]
    #[arg(long)]
    pub id: Option<String>,
    /// Watch the job until it ends; the exit code is then that of its result
    #[arg(long)]
    pub wait: bool,
    /// Print one line of JSON: the summary with --wait, else the job's id and execution
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the input is wrong, a bucket is missing, or the execution can't be started.
pub async fn run(
    cloud: &Cloud,
    args: &StartArgs,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let now = Timestamp::now();
    let job_id = match &args.id {
        Some(id) => cloud::job_id(id)?,
        None => new_id(now),
    };
    let job = args.scope.job(&job_id, now)?;
    check_buckets(cloud.store.as_ref(), &job, console).await?;
    if args.id.is_some() && cloud.executions.describe(job_id.as_str()).await?.is_some() {
        bail!("there is a job `{job_id}` already: choose another --id, or leave it out");
    }
    let input = serde_json::to_value(args.scope.input(now)?).context("writing the job's input")?;
    let arn = cloud.executions.start(job_id.as_str(), &input).await.context("the job was not started")?;
    if !args.wait {
        if args.json {
            console.json(&json!({"jobId": job_id, "executionArn": arn, "status": "RUNNING"}))?;
        } else {
            console.text(&format!(
                "Started job {job_id}\nExecution: {arn}\nWatch it: lazaret job wait {job_id}\nStop it:  lazaret job stop {job_id}"
            ))?;
        }
        return Ok(Outcome::NothingFound);
    }
    console.note(&format!("Started job {job_id}"))?;
    job_wait::wait(cloud, &job_id, args.json, console, interrupt).await
}

/// `retro-20261101T120000Z-1a2b`: sorts by time, and says what it is in the console.
fn new_id(now: Timestamp) -> JobId {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let id = format!("retro-{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), &random[..4]);
    id.parse().expect("letters, digits and hyphens, well below the limit")
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::scope_args::LimitArgs;
    use crate::testing::{Lab, summary, time};

    fn args(buckets: &[&str]) -> StartArgs {
        StartArgs {
            scope: ScopeArgs {
                buckets: buckets.iter().map(|bucket| (*bucket).to_owned()).collect(),
                from: None,
                to: None,
                target_minutes: 60,
                limits: LimitArgs::default(),
            },
            id: Some("job-1".into()),
            wait: false,
            json: true,
        }
    }

    async fn started(lab: &Lab) -> usize {
        lab.cloud().executions.list(10).await.expect("a list").len()
    }

    #[test]
    fn generated_ids_carry_the_time() {
        let id = new_id(time("2026-11-01T12:00:00Z")).to_string();
        assert!(id.starts_with("retro-20261101T120000Z-") && id.len() == 27, "{id}");
    }

    #[tokio::test]
    async fn without_wait_it_prints_the_id_and_the_execution_as_one_line() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        let outcome = run(&lab.cloud(), &args(&["bucket/a/"]), &mut lab.console(), pending()).await.expect("started");
        assert_eq!(outcome, Outcome::NothingFound);
        let printed: serde_json::Value = serde_json::from_str(&lab.out.text()).expect("JSON");
        assert_eq!(printed["jobId"], "job-1");
        assert!(printed["executionArn"].as_str().expect("an ARN").ends_with(":job-1"));
        let execution = lab.cloud().executions.describe("job-1").await.expect("known").expect("known");
        let input = execution.input.expect("its input");
        assert_eq!(input["buckets"], json!([{"name": "bucket", "prefix": "a/"}]));
        assert_eq!(input["window"], json!({}));
    }

    #[tokio::test]
    async fn wrong_input_and_missing_buckets_start_nothing() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        let turned = ScopeArgs { from: Some("1d".into()), to: Some("2d".into()), ..args(&["bucket"]).scope };
        let unreadable = ScopeArgs { from: Some("yesterday".into()), ..args(&["bucket"]).scope };
        for (scope, expected) in [
            (args(&["bucket", "no-such-1", "no-such-2/x"]).scope, "buckets `no-such-1`, `no-such-2` do not exist"),
            (args(&["Bad_Name"]).scope, "`Bad_Name` is not a bucket name"),
            (args(&["bucket/a", "bucket/a/b"]).scope, "overlap"),
            (turned, "the window is empty"),
            (unreadable, "`yesterday` is not a time"),
        ] {
            let args = StartArgs { scope, ..args(&["bucket"]) };
            let error = run(&lab.cloud(), &args, &mut lab.console(), pending()).await.expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(started(&lab).await, 0);
    }

    #[tokio::test]
    async fn a_bucket_that_only_the_deployment_may_list_is_a_warning() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        lab.store.deny("bucket");
        run(&lab.cloud(), &args(&["bucket"]), &mut lab.console(), pending()).await.expect("started");
        assert!(lab.err.text().contains("Warning: you may not list bucket `bucket`"), "{}", lab.err.text());
        assert_eq!(started(&lab).await, 1);
    }

    #[tokio::test]
    async fn an_id_is_given_once() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        lab.start("job-1").await;
        let error = run(&lab.cloud(), &args(&["bucket"]), &mut lab.console(), pending()).await.expect_err("taken");
        assert!(error.to_string().contains("there is a job `job-1` already"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn with_wait_and_json_only_the_summary_is_on_standard_output() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        let args = StartArgs { wait: true, ..args(&["bucket"]) };
        let (cloud, mut console) = (lab.cloud(), lab.console());
        let story = async {
            tokio::time::sleep(std::time::Duration::from_secs(9)).await;
            lab.executions.succeed("job-1", serde_json::to_value(summary("job-1", 10, 1)).expect("JSON"));
        };
        let (outcome, ()) = tokio::join!(run(&cloud, &args, &mut console, pending()), story);
        assert_eq!(outcome.expect("waited"), Outcome::Infected);
        assert_eq!(lab.out.text().lines().count(), 1);
        let printed: serde_json::Value = serde_json::from_str(&lab.out.text()).expect("JSON");
        assert_eq!((&printed["jobId"], &printed["status"]), (&json!("job-1"), &json!("COMPLETE")));
        assert!(lab.err.text().contains("Started job job-1"));
    }
}
