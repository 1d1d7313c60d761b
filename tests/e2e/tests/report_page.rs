//! The HTML report opens without a network and can be used; the CSV has a line for each row.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lazaret_e2e::cli;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus;

#[tokio::test]
async fn the_report_is_opened_and_used_in_a_browser() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-report";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let mut specimens = corpus::infected().expect("test files");
    specimens.extend(corpus::odd().expect("zips"));
    cloud.fill(bucket, &specimens).await.expect("filled");
    let run = cli::run_job(&[bucket], &[]).await.expect("runs");
    let job_id = run.json().expect("JSON")["jobId"].as_str().expect("a job id").to_owned();

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (html, csv, expected) = (file("report.html"), file("report.csv"), file("expected.json"));
    for (flag, path) in [("--html", &html), ("--csv", &csv)] {
        let run = cli::lazaret(&["report", &job_id, flag, path]).await.expect("runs");
        assert_eq!(run.code, 1, "infected objects were found: {}", run.stderr);
    }

    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    for (result, _) in
        specimens.iter().filter_map(|specimen| specimen.expected.row()).filter(|(result, _)| *result != "Clean")
    {
        *verdicts.entry(result).or_default() += 1;
    }
    let not_clean: usize = verdicts.values().sum();
    let hostile = "eicar/hostile/<script>alert(1)</script>.html";
    let facts = serde_json::json!({"notClean": not_clean, "verdicts": verdicts, "hostileKey": hostile, "screenshot": file("report.png")});
    std::fs::write(&expected, facts.to_string()).expect("written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../browser/report.mjs");
    let browser = Command::new("node").args([script, &html, &expected]).output().expect("node runs");
    assert!(browser.status.success(), "{}", String::from_utf8_lossy(&browser.stderr));

    let text = std::fs::read_to_string(&csv).expect("a file");
    assert!(!text.lines().any(|line| line.starts_with('=')), "no cell begins a formula");
    assert_eq!(text.lines().count(), not_clean + 1, "a header, and a line for each row");
}
