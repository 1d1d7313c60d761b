//! Schedules on the local cloud: the emulator's EventBridge Scheduler starts runs, each of which takes what the one before did not.

use std::collections::BTreeMap;
use std::time::Duration;

use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{cli, leftovers, raw, wait};
use serde_json::Value;

/// A minute until a run is due, ten seconds of the emulator's, and a job.
const PATIENCE: Duration = Duration::from_secs(180);
const NAME: &str = "e2e-every-minute";

async fn lazaret(arguments: &[&str]) -> Value {
    let run = cli::lazaret(arguments).await.expect("runs");
    assert_eq!(run.code, 0, "{arguments:?}: {} {}", run.stdout, run.stderr);
    run.json().expect("JSON")
}

async fn show() -> Value {
    lazaret(&["schedule", "show", NAME, "--json"]).await
}

/// Waits for the end of a run, the job of which is none of `before`.
async fn run_after(before: &[String]) -> (String, Value) {
    let ended = async || {
        let shown = show().await;
        let last = &shown["state"]["last"];
        let job = last["jobId"].as_str().map(str::to_owned);
        Ok(job.filter(|job| !before.contains(job)).map(|job| (job, shown.clone())))
    };
    let (job, shown) = wait::until("a run of the schedule", PATIENCE, ended).await.expect("a run");
    assert_eq!(shown["state"]["last"]["complete"], true, "{shown}");
    (job, shown)
}

/// How often each object has a row in the jobs' reports.
async fn rows(jobs: &[String]) -> BTreeMap<String, u32> {
    let mut rows = BTreeMap::new();
    for job in jobs {
        let report = cli::whole_report(job).await.expect("a report");
        for row in report["rows"].as_array().expect("rows") {
            *rows.entry(row["key"].as_str().expect("a key").to_owned()).or_default() += 1;
        }
    }
    rows
}

#[tokio::test]
async fn a_schedule_of_new_runs_every_minute_and_takes_each_object_once() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let _ = cli::lazaret(&["schedule", "delete", NAME]).await;
    let (stays, goes) = ("e2e-schedule-stays", "e2e-schedule-goes");
    for bucket in [stays, goes] {
        cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    }
    let object = |key: &str| Specimen::new(key, format!("object {key}"), Expected::Clean);
    cloud.fill(stays, &[object("a"), object("b")]).await.expect("filled");
    cloud.put(stays, &Specimen::new("c", corpus::eicar(), Expected::Clean)).await.expect("stored");
    cloud.put(goes, &object("d")).await.expect("stored");

    let every = ["schedule", "create", NAME, "--bucket", stays, goes, "--every", "rate(1 minute)"];
    lazaret(&[&every[..], &["--settle-seconds", "2", "--timezone", "Europe/Berlin", "--json"]].concat()).await;
    let taken = cli::lazaret(&[&every[..], &["--json"]].concat()).await.expect("runs");
    assert!(taken.code == 2 && taken.stderr.contains("already"), "{}", taken.stderr);

    let (first, _) = run_after(&[]).await;
    let mut jobs = vec![first];
    assert_eq!(rows(&jobs).await.values().sum::<u32>(), 4);
    assert_eq!(cloud.quarantined(stays).await.expect("quarantine").len(), 1, "the run acts as any job");

    // what comes now is the next run's, and a bucket that goes does not stop it
    cloud.put(stays, &object("e")).await.expect("stored");
    cloud.s3.delete_object().bucket(goes).key("d").send().await.expect("deleted");
    cloud.s3.delete_bucket().bucket(goes).send().await.expect("deleted");
    let shown = loop {
        let (job, shown) = run_after(&jobs).await;
        jobs.push(job);
        if rows(&jobs).await.contains_key("e") {
            break shown;
        }
    };
    assert_eq!(shown["state"]["leftOut"][0]["bucket"], goes, "{shown}");
    let rows = rows(&jobs).await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert!(rows.values().all(|times| *times == 1), "{rows:?}");

    let alarms = raw::query("monitoring", "Action=DescribeAlarms&Version=2010-08-01").await.expect("alarms");
    for alarm in ["lazaret-schedules-dead", "lazaret-schedule-leaves-buckets-out", "lazaret-job-failed"] {
        assert!(alarms.contains(&format!("<AlarmName>{alarm}</AlarmName>")), "{alarm}");
    }
    assert!(alarms.contains("<StateValue>"), "{alarms}");

    lazaret(&["schedule", "disable", NAME, "--json"]).await;
    assert_eq!(show().await["enabled"], false);
    lazaret(&["schedule", "delete", NAME, "--json"]).await;
    let left = lazaret(&["schedule", "list", "--json"]).await;
    let names: Vec<_> = left["schedules"].as_array().expect("a list").iter().map(|one| one["name"].as_str()).collect();
    assert!(!names.contains(&Some(NAME)), "{names:?}");
    for job in &jobs {
        leftovers::none_of_job(&cloud, job).await.expect("nothing left");
    }
    let states = cloud.keys(&cloud.results_bucket, &format!("schedules/{NAME}/")).await.expect("keys");
    assert!(states.is_empty(), "{states:?}");
}

#[tokio::test]
async fn a_run_that_is_asked_for_is_refused_beside_another_and_follows_where_it_may() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (name, bucket) = ("e2e-run-now", "e2e-schedule-now");
    let _ = cli::lazaret(&["schedule", "delete", name]).await;
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    cloud.put(bucket, &Specimen::new("a", "object a", Expected::Clean)).await.expect("stored");
    let create = |overlap| {
        let create = ["schedule", "create", name, "--bucket", bucket, "--every", "yearly", "--scope", "all"];
        [&create[..], &["--overlap", overlap, "--json"]].concat()
    };
    lazaret(&create("refuse")).await;
    let first = lazaret(&["schedule", "run-now", name, "--json"]).await;
    let first = first["jobId"].as_str().expect("a job").to_owned();
    let second = cli::lazaret(&["schedule", "run-now", name]).await.expect("runs");
    assert!(second.code == 2 && second.stderr.contains(&first), "{}", second.stderr);

    // the same schedule by another rule, beside the same run
    lazaret(&["schedule", "delete", name, "--keep-marks", "--json"]).await;
    lazaret(&create("queue")).await;
    let queued = lazaret(&["schedule", "run-now", name, "--json"]).await;
    let followed = async || {
        let shown = lazaret(&["schedule", "show", name, "--json"]).await;
        let last = shown["state"]["last"]["jobId"].as_str().map(str::to_owned);
        Ok((shown["state"]["running"].is_null() && shown["state"]["runs"] == 2).then_some(last))
    };
    let last = wait::until("the run that was queued", PATIENCE, followed).await.expect("a run").expect("a job");
    assert!(queued["outcome"] == "queued" && last != first, "{queued} {last}");
    for job in [&first, &last] {
        let summary = cli::whole_report(job).await.expect("a report");
        assert_eq!(summary["rows"].as_array().expect("rows").len(), 1, "all, every time");
        leftovers::none_of_job(&cloud, job).await.expect("nothing left");
    }
    lazaret(&["schedule", "delete", name, "--json"]).await;
}
