//! Definitions that change while a job runs, that are too old, and that are not there at all.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers};
use lazaret_model::{JobId, layout};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE_SECONDS: u64 = 300;

/// A set that knows EICAR and one more text, and so has a version of its own.
fn write_set(own: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let rules = format!("Eicar-Test-Signature:0:0:{}\nOwn.Rule:0:*:{}\n", hex(&corpus::eicar()), hex(own.as_bytes()));
    std::fs::write(directory.path().join("own.ndb"), rules).expect("written");
    directory
}

async fn publish(directory: &Path) -> String {
    let from = directory.to_str().expect("a path of text");
    let run = cli::lazaret(&["definitions", "update", "--force", "--json", "--from", from]).await.expect("runs");
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.json().expect("JSON")["version"].as_str().expect("a version").to_owned()
}

/// Runs a test and puts the definitions in force again that `local/up` published, whatever became of it.
async fn then_restore(test: impl AsyncFnOnce(String)) {
    let shown = cli::lazaret(&["definitions", "show", "--json"]).await.expect("runs");
    let before = shown.json().expect("JSON")["version"].as_str().expect("a version").to_owned();
    let ended = AssertUnwindSafe(test(before.clone())).catch_unwind().await;
    let run = cli::lazaret(&["definitions", "use", &before]).await.expect("runs");
    assert_eq!(run.code, 0, "{}", run.stderr);
    if let Err(panicked) = ended {
        std::panic::resume_unwind(panicked);
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn rows(job_id: &str) -> Vec<Value> {
    let run = cli::lazaret(&["job", "wait", job_id, "--json"]).await.expect("runs");
    let report = cli::whole_report(job_id).await.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    check::totals_add_up(&report).expect("totals");
    report["rows"].as_array().expect("rows").clone()
}

#[tokio::test]
async fn a_set_that_is_published_while_a_job_runs_costs_no_verdict_and_every_row_names_its_own() {
    then_restore(async |before| {
        let cloud = Cloud::from_env().await.expect("a local cloud");
        let bucket = "e2e-definitions-change";
        cloud.fresh_bucket(bucket, false).await.expect("a bucket");
        let mut specimens: Vec<_> =
            (0..4_000).map(|n| Specimen::new(format!("{n:05}"), format!("object {n}"), Expected::Clean)).collect();
        for n in (0..specimens.len()).step_by(100) {
            specimens[n] = Specimen::new(format!("{n:05}"), corpus::eicar(), Expected::Infected);
        }
        cloud.fill(bucket, &specimens).await.expect("filled");

        let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
        let parts = layout::parts_prefix(&job_id.parse::<JobId>().expect("an id"));
        until("the first part", async || {
            !cloud.keys(&cloud.results_bucket, &parts).await.expect("a listing").is_empty()
        })
        .await;
        let after = publish(write_set("a set that came while a job ran").path()).await;
        let rows = rows(&job_id).await;
        assert_eq!(rows.len(), specimens.len());
        let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &rows {
            let infected = row["key"].as_str().is_some_and(|key| key.ends_with("00"));
            assert_eq!(row["result"], if infected { "Infected" } else { "Clean" }, "{row}");
            assert!(row["definitionsAgeSeconds"].is_u64(), "{row}");
            *by_version.entry(row["definitions"].as_str().expect("a version")).or_default() += 1;
        }
        println!("rows by version: {by_version:?}");
        let versions: Vec<_> = by_version.into_keys().collect();
        let mut expected = [before.as_str(), after.as_str()];
        expected.sort_unstable();
        assert_eq!(versions, expected, "both sets scanned, and no other");
        leftovers::none_of_job(&cloud, &job_id).await.expect("nothing left");
    })
    .await;
}

/// A bucket with one object to find and one without anything, and the rows of a job over it.
async fn rows_of_two(bucket: &str) -> BTreeMap<String, Value> {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    cloud.put(bucket, &Specimen::new("eicar.com", corpus::eicar(), Expected::Infected)).await.expect("stored");
    cloud.put(bucket, &Specimen::new("plain.txt", &b"a plain text"[..], Expected::Clean)).await.expect("stored");
    let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
    let rows = rows(&job_id).await;
    leftovers::none_of_job(&cloud, &job_id).await.expect("nothing left");
    rows.into_iter().map(|row| (row["key"].as_str().expect("a key").to_owned(), row)).collect()
}

fn assert_stale(row: &Value, says: &str) {
    assert_eq!((&row["result"], &row["reason"]), (&"Error".into(), &"stale definitions".into()), "{row}");
    assert!(row["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{row}");
}

#[tokio::test]
async fn definitions_of_last_month_still_find_and_call_nothing_clean() {
    then_restore(async |_| {
        let set = write_set("a set of last month");
        let file = std::fs::File::options().write(true).open(set.path().join("own.ndb")).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(30 * 86_400)).expect("changed");
        let version = publish(set.path()).await;
        let rows = rows_of_two("e2e-definitions-old").await;
        assert_eq!(rows["eicar.com"]["result"], "Infected", "{}", rows["eicar.com"]);
        assert_stale(&rows["plain.txt"], &version);
        assert_eq!(rows["plain.txt"]["definitions"], *version);
    })
    .await;
}

#[tokio::test]
async fn without_definitions_every_object_gets_an_error_that_says_so() {
    then_restore(async |_| {
        let cloud = Cloud::from_env().await.expect("a local cloud");
        let pointer = cloud.s3.delete_object().bucket(&cloud.results_bucket).key(layout::DEFINITIONS_POINTER_KEY);
        pointer.send().await.expect("deleted");
        for row in rows_of_two("e2e-definitions-none").await.values() {
            assert_stale(row, "lazaret definitions update");
            assert!(row["definitions"].is_null(), "{row}");
        }
    })
    .await;
}
