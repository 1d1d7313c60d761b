//! The retro job from end to end: every verdict, every action, the proof, the report, and nothing left behind.

use lazaret_aws::Executions;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers};

#[tokio::test]
async fn every_object_of_two_buckets_gets_the_verdict_that_was_written_down() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (plain, versioned) = ("e2e-plain", "e2e-versioned");
    cloud.fresh_bucket(plain, false).await.expect("a bucket");
    cloud.fresh_bucket(versioned, true).await.expect("a bucket");
    let old = Specimen::new("old.com", corpus::eicar(), Expected::OutsideWindow);
    let from = cloud.put_before_window(plain, &old).await.expect("stored");

    let mut first = corpus::infected().expect("test files");
    first.extend(corpus::odd().expect("zips"));
    let mut second = corpus::system_files(300).expect("files");
    second.extend(corpus::infected().expect("test files").into_iter().filter(|s| s.key.starts_with("eicar/")));
    cloud.fill(plain, &first).await.expect("filled");
    cloud.fill(versioned, &second).await.expect("filled");
    first.push(old);

    let run = cli::run_job(&[plain, versioned], &["--from", &from.to_string()]).await.expect("runs");
    assert_eq!(run.code, 1, "infected objects were found: {}", run.stderr);
    let summary = run.json().expect("one line of JSON");
    let job_id = summary["jobId"].as_str().expect("a job id").to_owned();
    assert_eq!(run.stdout.trim_end().lines().count(), 1);

    let report = cli::whole_report(&job_id).await.expect("a report");
    check::totals_add_up(&report).expect("totals");
    let differences = check::differences(&report, &[(plain, &first), (versioned, &second)]);
    assert!(differences.is_empty(), "{differences:#?}");

    let execution = cloud.executions().describe(&job_id).await.expect("an answer").expect("the execution");
    let output = execution.output.expect("an output");
    assert_eq!(output["totals"], summary["totals"], "describe-execution shows the summary");
    assert_eq!(output["status"], "COMPLETE");

    for (bucket, specimens) in [(plain, &first), (versioned, &second)] {
        acted_upon(&cloud, bucket, specimens).await;
    }
    leftovers::none_of_job(&cloud, &job_id).await.expect("nothing left");
}

/// Infected objects are gone from the bucket and stand in quarantine with their tags; the others are tagged where they are.
async fn acted_upon(cloud: &Cloud, bucket: &str, specimens: &[Specimen]) {
    let kept = cloud.keys(bucket, "").await.expect("a listing");
    let quarantined = cloud.quarantined(bucket).await.expect("a listing");
    for specimen in specimens {
        let key = &specimen.key;
        match specimen.expected {
            Expected::Infected => {
                assert!(!kept.contains_key(key), "{key} is infected and still in {bucket}");
                let start = format!("{bucket}/{}/", key.get(..key.len().min(900)).unwrap_or(key));
                let copies: Vec<_> = quarantined.iter().filter(|copy| copy.starts_with(&start)).collect();
                assert_eq!(copies.len(), 1, "{key} stands in quarantine once");
                let tags = cloud.tags(&cloud.quarantine_bucket, copies[0]).await.expect("tags");
                assert_eq!(tags.get("scan-result").map(String::as_str), Some("Infected"), "{key}");
                assert!(tags.contains_key("virus-name"), "{key}");
            }
            Expected::OutsideWindow | Expected::Skipped(_) => {
                assert!(cloud.tags(bucket, key).await.expect("tags").is_empty(), "{key} was not to be touched");
            }
            Expected::Clean | Expected::Unscannable(_) => {
                let tags = cloud.tags(bucket, key).await.expect("tags");
                let result = specimen.expected.row().expect("has a row").0;
                assert_eq!(tags.get("scan-result").map(String::as_str), Some(result), "{key}");
            }
        }
    }
}

#[tokio::test]
async fn the_plan_tells_what_a_job_would_do_and_creates_nothing() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-plan";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let specimens: Vec<_> =
        (0..25).map(|n| Specimen::new(format!("{n}"), &b"0123456789"[..], Expected::Clean)).collect();
    cloud.fill(bucket, &specimens).await.expect("filled");
    let before = cloud.executions().list(1_000).await.expect("executions").len();
    let run = cli::lazaret(&["plan", "--bucket", bucket, "--json"]).await.expect("runs");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let plan = run.json().expect("JSON");
    assert_eq!(
        (plan["objects"].as_u64(), plan["bytes"].as_u64(), plan["agents"].as_u64()),
        (Some(25), Some(250), Some(1))
    );
    assert!(plan["dollars"].as_f64().is_some_and(|dollars| dollars > 0.0) && plan["pricesAsOf"].is_string(), "{plan}");
    assert_eq!(cloud.executions().list(1_000).await.expect("executions").len(), before);
}

#[tokio::test]
async fn the_owners_tags_stay_and_a_full_set_of_ten_is_reported() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-tags";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    for (key, count) in [("three", 3), ("ten", 10)] {
        let tagging: Vec<String> = (0..count).map(|n| format!("owner-{n}=value-{n}")).collect();
        let put = cloud.s3.put_object().bucket(bucket).key(key).tagging(tagging.join("&"));
        put.body(aws_sdk_s3::primitives::ByteStream::from_static(b"clean")).send().await.expect("stored");
    }
    let run = cli::run_job(&[bucket], &[]).await.expect("runs");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let summary = run.json().expect("JSON");
    assert_eq!(summary["totals"]["actionsFailed"], 1, "the tenth tag is told");
    let three = cloud.tags(bucket, "three").await.expect("tags");
    assert_eq!(three.get("owner-2").map(String::as_str), Some("value-2"));
    assert_eq!(three.get("scan-result").map(String::as_str), Some("Clean"));
    assert_eq!(cloud.tags(bucket, "ten").await.expect("tags").len(), 10);
}
