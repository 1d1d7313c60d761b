//! A job that is stopped in the middle, by the command line or from the console, leaves nothing behind.

use std::time::{Duration, Instant};

use lazaret_aws::Executions;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{Expected, Specimen};
use lazaret_e2e::{cli, leftovers, workers};

async fn bucket_of(cloud: &Cloud, name: &str, count: usize) {
    cloud.fresh_bucket(name, false).await.expect("a bucket");
    let specimens: Vec<_> =
        (0..count).map(|n| Specimen::new(format!("{n:05}"), format!("object {n}"), Expected::Clean)).collect();
    cloud.fill(name, &specimens).await.expect("filled");
}

async fn until_process(job_id: &str, program: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while workers::of_job(job_id, program).is_empty() {
        assert!(Instant::now() < deadline, "no {program} of {job_id} came up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn stopped_while_it_scans() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    bucket_of(&cloud, "e2e-stop-scan", 3_000).await;
    let job_id = cli::start_job(&["e2e-stop-scan"], &[]).await.expect("started");
    until_process(&job_id, "lazaret-agent").await;
    let run = cli::lazaret(&["job", "stop", &job_id]).await.expect("runs");
    assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
    assert_eq!(
        leftovers::of_job(&cloud, &job_id).await.expect("an answer"),
        Vec::<String>::new(),
        "stop waits for the end"
    );

    let show = cli::lazaret(&["job", "show", &job_id, "--json"]).await.expect("runs").json().expect("JSON");
    assert_eq!(show["status"], "STOPPED");
    let report = cli::lazaret(&["report", &job_id, "--json"]).await.expect("runs");
    assert_eq!(report.json().expect("JSON")["status"], "STOPPED", "what was scanned can still be read");
    let again = cli::lazaret(&["job", "stop", &job_id]).await.expect("runs");
    assert_eq!(again.code, 2, "an ended job can't be stopped");
}

#[tokio::test]
async fn stopped_from_the_console_while_it_crawls() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    bucket_of(&cloud, "e2e-stop-crawl", 2_000).await;
    let job_id = cli::start_job(&["e2e-stop-crawl"], &[]).await.expect("started");
    until_process(&job_id, "lazaret-crawler").await;
    cloud.executions().stop(&job_id, "Console", "stopped by hand").await.expect("stopped");
    leftovers::none_of_job(&cloud, &job_id).await.expect("nothing left");
}
