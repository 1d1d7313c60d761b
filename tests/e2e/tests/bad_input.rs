//! Input that can't be meant: a clear error in the command line and in the execution, and nothing left of it.

use std::time::{Duration, Instant};

use lazaret_aws::Executions;
use lazaret_aws::executions::{Execution, ExecutionStatus};
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{Expected, Specimen};
use lazaret_e2e::{cli, leftovers};
use serde_json::{Value, json};

/// Starts an execution past the command line, as the console does, and waits for its end.
async fn execute(cloud: &Cloud, name: &str, input: &Value) -> Execution {
    let name = format!("{name}-{}", jiff::Timestamp::now().as_millisecond());
    cloud.executions().start(&name, input).await.expect("started");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let execution = cloud.executions().describe(&name).await.expect("an answer").expect("it is there");
        if execution.status != ExecutionStatus::Running {
            leftovers::none_of_job(cloud, &name).await.expect("nothing left");
            return execution;
        }
        assert!(Instant::now() < deadline, "{name} still runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn assert_fails(execution: &Execution, error: &str, says: &str) {
    let (name, cause) = execution.error.clone().unwrap_or_default();
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert!(name == error && cause.contains(says), "{name}: {cause}");
}

#[tokio::test]
async fn the_execution_names_what_is_wrong() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (some, empty, denied) = ("e2e-bad-some", "e2e-bad-empty", "e2e-bad-denied");
    for bucket in [some, empty, denied] {
        cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    }
    cloud.put(some, &Specimen::new("a", &b"a"[..], Expected::Clean)).await.expect("stored");
    cloud.put(denied, &Specimen::new("a", &b"a"[..], Expected::Clean)).await.expect("stored");
    cloud.deny(denied).await.expect("denied");

    let day = "2020-01-01T00:00:00Z";
    let cases = [
        ("no-buckets", json!({"buckets": []}), "Lazaret.BadInput", "`buckets` is empty"),
        (
            "unknown-bucket",
            json!({"buckets": [{"name": "no-such-bucket-here"}]}),
            "Lazaret.BucketNotFound",
            "no-such-bucket-here",
        ),
        ("denied-bucket", json!({"buckets": [{"name": some}, {"name": denied}]}), "Lazaret.AccessDenied", denied),
        (
            "turned-window",
            json!({"buckets": [{"name": some}], "window": {"from": day, "to": "2019-01-01T00:00:00Z"}}),
            "Lazaret.BadInput",
            "the window is empty",
        ),
        (
            "empty-window",
            json!({"buckets": [{"name": some}], "window": {"from": day, "to": day}}),
            "Lazaret.BadInput",
            "the window is empty",
        ),
        (
            "nothing-in-window",
            json!({"buckets": [{"name": some}], "window": {"to": day}}),
            "Lazaret.NothingToScan",
            "window",
        ),
        ("empty-bucket", json!({"buckets": [{"name": empty}]}), "Lazaret.NothingToScan", empty),
        ("unknown-field", json!({"buckets": [{"name": some}], "windw": {}}), "Lazaret.BadInput", "windw"),
    ];
    for (name, input, error, says) in cases {
        let execution = execute(&cloud, name, &input).await;
        assert_fails(&execution, error, says);
    }
}

#[tokio::test]
async fn a_schedule_that_finds_nothing_new_succeeds() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-bad-quiet";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let execution =
        execute(&cloud, "quiet", &json!({"buckets": [{"name": bucket}], "source": "schedule/nightly"})).await;
    assert_eq!(execution.status, ExecutionStatus::Succeeded, "{:?}", execution.error);
    assert_eq!(execution.output.expect("an output")["totals"]["inWindow"], 0);
}

#[tokio::test]
async fn the_command_line_refuses_before_anything_is_started() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (some, empty) = ("e2e-cli-some", "e2e-cli-empty");
    for bucket in [some, empty] {
        cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    }
    cloud.put(some, &Specimen::new("a", &b"a"[..], Expected::Clean)).await.expect("stored");
    let cases: &[(&[&str], &str)] = &[
        (&["job", "start"], "--bucket"),
        (&["job", "start", "--bucket", "no-such-bucket-here"], "no-such-bucket-here"),
        (&["job", "start", "--bucket", "Not_A_Bucket"], "Not_A_Bucket"),
        (&["job", "start", "--bucket", some, "--from", "2020-01-02", "--to", "2020-01-01"], "window"),
        (&["job", "start", "--bucket", some, "--from", "yesterday-ish"], "yesterday-ish"),
        (&["job", "start", "--bucket", some, "--bucket", "e2e-cli-some/sub/"], "overlap"),
        (&["job", "start", "--bucket", some, "--target-minutes", "0"], "target"),
        (&["job", "show", "no-such-job"], "no-such-job"),
        (&["job", "stop", "no-such-job"], "no-such-job"),
        (&["report", "no-such-job"], "no-such-job"),
        (&["plan", "--bucket", "no-such-bucket-here"], "no-such-bucket-here"),
    ];
    for (arguments, says) in cases {
        let before = cloud.executions().list(1_000).await.expect("executions").len();
        let run = cli::lazaret(arguments).await.expect("runs");
        assert_eq!(run.code, 2, "{arguments:?}: {} {}", run.stdout, run.stderr);
        assert!(run.stderr.contains(says), "{arguments:?} says: {}", run.stderr);
        let after = cloud.executions().list(1_000).await.expect("executions").len();
        assert_eq!(after, before, "{arguments:?} started an execution");
    }
    let run = cli::run_job(&[empty], &[]).await.expect("runs");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("NothingToScan") && run.stderr.contains(empty), "{}", run.stderr);
}
