//! `lazaret scan` over a bucket: the verdicts of a job, and nothing is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, rules};
use serde_json::{Value, json};

const BUCKET: &str = "e2e-scan";

/// The definitions that `LAZARET_DEFINITIONS_DIR` names, else the small set.
fn definitions(directory: &Path) -> PathBuf {
    if let Some(named) = std::env::var_os("LAZARET_DEFINITIONS_DIR").filter(|named| !named.is_empty()) {
        return named.into();
    }
    let test = std::env::current_exe().expect("a program");
    let programs = test.parent().and_then(Path::parent).expect("Cargo's directory");
    let place = directory.join("definitions");
    let wrote =
        std::process::Command::new(programs.join("lazaret-test-definitions")).arg(&place).output().expect("runs");
    assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
    place
}

fn lines(run: &cli::Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The lines as the rows of a report.
fn report(lines: &[Value], bucket: &str) -> Value {
    let start = format!("s3://{bucket}/");
    let row = |line: &Value| {
        let key = line["path"].as_str().and_then(|path| path.strip_prefix(&start)).expect("an object of the bucket");
        json!({"bucket": bucket, "key": key, "result": line["result"], "reason": line["reason"], "detail": ""})
    };
    json!({"rows": lines.iter().map(row).collect::<Vec<_>>()})
}

/// What was found, by the digest of the bytes it was found in.
fn verdicts(lines: &[Value]) -> BTreeMap<String, Value> {
    let verdict = |line: &Value| {
        let digest = line["sha256"].as_str()?.to_owned();
        Some((digest, json!([line["result"], line["findings"], line["reason"], line["definitions"]])))
    };
    lines.iter().filter_map(verdict).collect()
}

#[tokio::test]
async fn a_bucket_is_scanned_where_it_is_with_the_verdicts_that_were_written_down() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    cloud.fresh_bucket(BUCKET, false).await.expect("a bucket");
    let mut specimens = corpus::infected().expect("test files");
    specimens.extend(corpus::odd().expect("zips"));
    specimens.extend(corpus::system_files(200).expect("files"));
    cloud.fill(BUCKET, &specimens).await.expect("filled");
    let before = cloud.keys(BUCKET, "").await.expect("a listing");
    let results = cloud.keys(&cloud.results_bucket, "").await.expect("a listing");

    let directory = tempfile::tempdir().expect("a directory");
    let definitions = definitions(directory.path());
    let definitions = definitions.to_str().expect("UTF-8");
    let bucket = format!("s3://{BUCKET}");
    let scan = ["scan", &bucket, "--json", "--definitions", definitions];
    let run = cli::lazaret(&scan).await.expect("runs");
    assert_eq!(run.code, 1, "infected objects were found: {}", run.stderr);
    let scanned = lines(&run);
    let differences = check::differences(&report(&scanned, BUCKET), &[(BUCKET, &specimens)]);
    assert!(differences.is_empty(), "{differences:#?}");

    assert_eq!(cloud.keys(BUCKET, "").await.expect("a listing"), before);
    assert_eq!(cloud.keys(&cloud.results_bucket, "").await.expect("a listing"), results);
    assert!(cloud.quarantined(BUCKET).await.expect("a listing").is_empty());
    for specimen in specimens.iter().filter(|specimen| specimen.key.starts_with("eicar/")) {
        assert!(cloud.tags(BUCKET, &specimen.key).await.expect("tags").is_empty(), "{}", specimen.key);
    }

    // the same bytes as files
    let folder = directory.path().join("files");
    std::fs::create_dir(&folder).expect("made");
    let readable: Vec<&Specimen> =
        specimens.iter().filter(|specimen| !matches!(specimen.expected, Expected::Skipped(_))).collect();
    for (number, specimen) in readable.iter().enumerate() {
        std::fs::write(folder.join(number.to_string()), &specimen.bytes).expect("written");
    }
    let folder = folder.to_str().expect("UTF-8");
    let run = cli::lazaret(&["scan", folder, "--json", "--definitions", definitions]).await.expect("runs");
    let local = lines(&run);
    assert_eq!((run.code, local.len()), (1, readable.len()), "{}", run.stderr);
    assert_eq!(verdicts(&local), verdicts(&scanned));
}

#[tokio::test]
async fn a_prefix_is_scanned_alone_and_what_can_not_be_listed_is_no_success() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (bucket, denied) = ("e2e-scan-parts", "e2e-scan-denied");
    cloud.fresh_bucket(bucket, true).await.expect("a bucket");
    // of a run before: a bucket that denies everything can't be made afresh
    let _ = cloud.s3.delete_bucket_policy().bucket(denied).send().await;
    cloud.fresh_bucket(denied, false).await.expect("a bucket");
    for (key, bytes) in [("clean/a", b"plain".to_vec()), ("clean/b", b"plain".to_vec()), ("bad.com", corpus::eicar())] {
        cloud.put(bucket, &Specimen::new(key, bytes, Expected::Clean)).await.expect("stored");
    }
    // an older version is not what the bucket shows
    cloud.put(bucket, &Specimen::new("clean/a", b"plain still".to_vec(), Expected::Clean)).await.expect("stored");
    cloud.deny(denied).await.expect("denied");

    let directory = tempfile::tempdir().expect("a directory");
    let definitions = definitions(directory.path());
    let definitions = definitions.to_str().expect("UTF-8");
    let scan = async |place: &str, more: &[&str]| {
        let mut arguments = vec!["scan", place, "--json", "--definitions", definitions];
        arguments.extend(more);
        cli::lazaret(&arguments).await.expect("runs")
    };
    let clean = scan(&format!("s3://{bucket}/clean/"), &[]).await;
    assert_eq!((clean.code, lines(&clean).len()), (0, 2), "{}", clean.stderr);
    let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("a local cloud");
    let all = scan(&format!("s3://{bucket}"), &["--endpoint-url", &endpoint, "--infected"]).await;
    assert_eq!((all.code, lines(&all).len()), (1, 1), "{}", all.stderr);
    let nowhere = scan("s3://e2e-scan-nowhere/x", &[]).await;
    let line = &lines(&nowhere)[0];
    assert_eq!((nowhere.code, &line["result"], &line["reason"]), (2, &json!("Error"), &json!("fetch failed")));
    let denied = scan(&format!("s3://{denied}"), &[]).await;
    assert_eq!((denied.code, &lines(&denied)[0]["reason"]), (2, &json!("access denied")), "{}", denied.stderr);
}

#[tokio::test]
async fn the_owners_rules_have_a_say_from_the_command_line_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let definitions = definitions(directory.path());
    let (rules_directory, files) = (directory.path().join("rules"), directory.path().join("files"));
    let version = rules::write(&rules_directory).expect("rules, and the engine for them");
    std::fs::create_dir(&files).expect("made");
    let secret = corpus::zip_of("folder/plans.txt", rules::SECRET, None).expect("a zip");
    for (name, bytes) in [("a.zip", secret.as_slice()), ("b.txt", rules::DRAFT), ("c.txt", b"nothing")] {
        std::fs::write(files.join(name), bytes).expect("written");
    }
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let scan = async |more: &[&str]| {
        let (files, definitions) = (text(&files), text(&definitions));
        let mut arguments = vec!["scan", &files, "--json", "--definitions", &definitions];
        arguments.extend(more);
        cli::lazaret(&arguments).await.expect("runs")
    };

    let run = scan(&["--rules", &text(&rules_directory)]).await;
    let mut scanned = lines(&run);
    scanned.sort_by_key(|line| line["path"].to_string());
    assert_eq!((run.code, scanned.len()), (1, 3), "{}", run.stderr);
    let found = json!([{"member": "folder/plans.txt", "threat": "YARA.own.Secret", "engine": "yara"}]);
    assert_eq!((&scanned[0]["result"], &scanned[0]["findings"]), (&json!("Infected"), &found), "{}", scanned[0]);
    for line in &scanned {
        let definitions = line["definitions"].as_str().expect("a version");
        assert!(definitions.ends_with(&format!(", rules {version}")), "{definitions}");
        assert_eq!(line["result"] == "Infected", *line == scanned[0], "{line}");
    }

    let run = scan(&[]).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    for line in lines(&run) {
        assert_eq!(line["result"], "Clean", "{line}");
        assert!(line["definitions"].as_str().is_some_and(|text| !text.contains("rules")), "{line}");
    }
    let run = scan(&["--rules", &text(&files)]).await;
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "rules that are not there are no reason to go without");
    assert!(run.stderr.contains("there are no rules"), "{}", run.stderr);
    std::fs::write(rules_directory.join("bad.yar"), "rule Bad { condition: nonsense }").expect("written");
    let run = scan(&["--rules", &text(&rules_directory)]).await;
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "nor is one that does not compile");
    assert!(run.stderr.contains("bad.yar"), "{}", run.stderr);
}
