//! A job of 20,000 small objects over three buckets: complete, and its time and memory are printed.

use std::time::Instant;

use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers, workers};
use serde_json::Value;

const OBJECTS: usize = 20_000;
const BUCKETS: [&str; 3] = ["e2e-large-a", "e2e-large-b", "e2e-large-c"];

/// What the next job would be sized by.
async fn constants() -> Value {
    let plan = cli::lazaret(&["plan", "--bucket", BUCKETS[0], "--json"]).await.expect("runs");
    plan.json().expect("a plan")["constants"].clone()
}

#[tokio::test]
async fn twenty_thousand_small_objects_over_three_buckets_end_complete() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let mut all = Vec::new();
    for (index, bucket) in BUCKETS.iter().enumerate() {
        cloud.fresh_bucket(bucket, false).await.expect("a bucket");
        let mut specimens: Vec<_> = (index..OBJECTS)
            .step_by(BUCKETS.len())
            .map(|n| {
                Specimen::new(
                    format!("{:02}/{n:05}.txt", n % 50),
                    format!("small object number {n}\n").repeat(20),
                    Expected::Clean,
                )
            })
            .collect();
        specimens[7] = Specimen::new("a/needle.com", corpus::eicar(), Expected::Infected);
        cloud.fill(bucket, &specimens).await.expect("filled");
        all.push(specimens);
    }

    let before = constants().await;
    let noted = workers::usage_bytes().expect("the local cloud");
    let started = Instant::now();
    let run = cli::run_job(&BUCKETS, &[]).await.expect("runs");
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let summary = run.json().expect("JSON");
    let job_id = summary["jobId"].as_str().expect("a job id");
    let report = cli::whole_report(job_id).await.expect("a report");
    check::totals_add_up(&report).expect("totals");
    let expected: Vec<_> =
        BUCKETS.iter().zip(&all).map(|(bucket, specimens)| (*bucket, specimens.as_slice())).collect();
    let differences = check::differences(&report, &expected);
    assert!(
        differences.is_empty(),
        "{} differences: {:#?}",
        differences.len(),
        &differences[..differences.len().min(10)]
    );
    leftovers::none_of_job(&cloud, job_id).await.expect("nothing left");
    let after = constants().await;
    let finished = |constants: &Value| constants["finishedJobs"].as_u64().expect("a number");
    assert_eq!(finished(&after), finished(&before) + 1, "the job is a measure for the next: {before}, then {after}");
    println!("the next job would be sized by {after}");

    println!(
        "{OBJECTS} objects in 3 buckets: {seconds:.1} s, {:.0} objects/s, {} agents",
        OBJECTS as f64 / seconds,
        summary["agents"]
    );
    for (image, bytes) in workers::peak_memory(noted).expect("the runner notes what each container used") {
        println!("  peak memory of {image}: {} MiB", bytes / 1024 / 1024);
    }
}
