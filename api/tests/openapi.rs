//! The server against its own document: schemathesis makes up requests from it, right ones and wrong ones, and holds every answer to what
//! it says.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::Lab;
use tokio::process::Command;
use tokio::time::timeout;

/// What it makes up follows from this alone: a failure comes again.
const SEED: &str = "20261123";
/// It takes a quarter of this alone on the machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many must have been held against the document; it makes up more.
const CASES_MIN: u64 = 300;

/// The program of `make setup`.
fn schemathesis() -> PathBuf {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/schemathesis");
    std::env::var_os("LAZARET_TEST_SCHEMATHESIS").map_or_else(|| venv.into(), PathBuf::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_the_document_gives_rise_to_gets_an_answer_that_it_does_not_allow() {
    let settings =
        [("LAZARET_API_UPLOAD_BUCKETS", "uploads"), ("LAZARET_API_ASYNC", "1"), ("LAZARET_API_ASYNC_BYTES", "0")];
    let lab = Lab::with(&settings).await;
    lab.store.create_bucket("uploads", true);
    let directory = tempfile::tempdir().expect("a directory");
    let run = Command::new(schemathesis())
        .args(["--no-color", "--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml")])
        .args(["run", &format!("http://{}/api/openapi.json", lab.address)])
        .args(["--header", &format!("Authorization: Bearer {}", lab.token().await)])
        .args(["--checks", "all", "--seed", SEED, "--max-examples", "60", "--continue-on-failure", "--no-shrink"])
        .current_dir(directory.path())
        .kill_on_drop(true)
        .output();
    let run = timeout(PATIENCE, run).await.expect("its end in time").expect("schemathesis: `make setup` brings it");
    let told = String::from_utf8_lossy(&run.stdout);
    println!("{told}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "seed {SEED}");
    // `  372 generated, 370 passed, …`
    let generated = told.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse::<u64>().ok());
    assert!(generated.is_some_and(|cases| cases >= CASES_MIN), "{generated:?} cases");
    assert!(lab.scanner.begun() > 20, "it came as far as the scanner");
    lab.is_untouched().await;
}
