//! The owner's own rules, from the results bucket to the rows of a job: put there, and taken away again.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use aws_sdk_s3::primitives::ByteStream;
use futures::FutureExt;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers, rules};
use lazaret_model::layout;
use serde_json::{Value, json};

const BUCKET: &str = "e2e-rules";
/// Deflated in it, so that the object's own bytes show nothing of what the rule looks for.
const ARCHIVE: &str = "in/archive.zip";
const MEMBER: &str = "folder/plans.txt";

/// With rules, and without: only the archive differs.
fn specimens(of_the_archive: Expected) -> Vec<Specimen> {
    let long = [rules::SECRET, &b" and more of it".repeat(50)].concat();
    let archive = corpus::zip_of(MEMBER, &long, None).expect("a zip");
    assert!(!archive.windows(rules::SECRET.len()).any(|bytes| bytes == rules::SECRET), "it is deflated");
    vec![
        Specimen::new(ARCHIVE, archive, of_the_archive),
        Specimen::new("in/draft.txt", [b"This is ", rules::DRAFT].concat(), Expected::Clean),
        Specimen::new("plain.txt", &b"nothing that anybody looks for"[..], Expected::Clean),
        Specimen::new("plain.zip", corpus::zip_of("plain.txt", b"nor here", None).expect("a zip"), Expected::Clean),
        Specimen::new("eicar.com", corpus::eicar(), Expected::Infected),
    ]
}

/// A job over the bucket, filled afresh, and its rows by key.
async fn rows(cloud: &Cloud, specimens: &[Specimen]) -> BTreeMap<String, Value> {
    cloud.fresh_bucket(BUCKET, false).await.expect("a bucket");
    cloud.fill(BUCKET, specimens).await.expect("filled");
    let run = cli::run_job(&[BUCKET], &[]).await.expect("runs");
    assert_eq!(run.code, 1, "infected objects were found: {}", run.stderr);
    let job_id = run.json().expect("JSON")["jobId"].as_str().expect("a job id").to_owned();
    let report = cli::whole_report(&job_id).await.expect("a report");
    check::totals_add_up(&report).expect("totals");
    let differences = check::differences(&report, &[(BUCKET, specimens)]);
    assert!(differences.is_empty(), "{differences:#?}");
    leftovers::none_of_job(cloud, &job_id).await.expect("nothing left");
    let rows = report["rows"].as_array().expect("rows");
    let noted = rows.iter().filter(|row| row["notes"] != json!([])).count();
    assert_eq!(report["totals"]["noted"], noted);
    rows.iter().map(|row| (row["key"].as_str().expect("a key").to_owned(), row.clone())).collect()
}

/// What is told of definitions, and agreed on by all rows.
fn definitions(rows: &BTreeMap<String, Value>) -> &str {
    let first = rows["plain.txt"]["definitions"].as_str().expect("a version");
    for row in rows.values() {
        assert_eq!(row["definitions"], first, "{row}");
    }
    first
}

async fn with_rules(cloud: &Cloud, version: &str) {
    let rows = rows(cloud, &specimens(Expected::Infected)).await;
    assert!(definitions(&rows).ends_with(&format!(", rules {version}")), "{}", definitions(&rows));

    let secret = json!({"member": MEMBER, "threat": "YARA.own.Secret", "engine": "yara"});
    let archive = &rows[ARCHIVE];
    assert_eq!(archive["findings"], json!([secret]), "{archive}");
    let draft = &rows["in/draft.txt"];
    let noted = json!({"member": "", "threat": "YARA.own.Draft", "engine": "yara"});
    assert_eq!((&draft["result"], &draft["notes"]), (&json!("Clean"), &json!([noted])), "{draft}");
    for (key, row) in &rows {
        assert_eq!(row["notes"] == json!([]), key != "in/draft.txt", "{row}");
    }
    let eicar = &rows["eicar.com"]["findings"];
    assert!(eicar.as_array().is_some_and(|found| found.iter().all(|one| one["engine"] == "clamav")), "{eicar}");

    let kept = cloud.keys(BUCKET, "").await.expect("a listing");
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["in/draft.txt", "plain.txt", "plain.zip"]);
    for key in kept.keys() {
        let tags = cloud.tags(BUCKET, key).await.expect("tags");
        let told = (tags.get("scan-result").map(String::as_str), tags.contains_key("virus-name"));
        assert_eq!(told, (Some("Clean"), false), "{key}: a note is for the report, not for whoever reads tags");
    }
    let text = |field: &str| archive["action"][field].as_str().expect("it was moved").to_owned();
    assert_eq!((text("toBucket"), text("outcome")), (cloud.quarantine_bucket.clone(), "Done".to_owned()));
    let tags = cloud.tags(&cloud.quarantine_bucket, &text("toKey")).await.expect("it stands in quarantine");
    let told = ["scan-result", "virus-name"].map(|key| tags.get(key).map(String::as_str));
    assert_eq!(told, [Some("Infected"), Some("YARA.own.Secret")]);
}

async fn without_rules(cloud: &Cloud) {
    let rows = rows(cloud, &specimens(Expected::Clean)).await;
    assert!(!definitions(&rows).contains("rules"), "{}", definitions(&rows));
    for row in rows.values() {
        assert_eq!(row["notes"], json!([]), "{row}");
    }
}

#[tokio::test]
async fn the_owners_rules_have_a_say_while_they_are_there_and_none_after() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let directory = tempfile::tempdir().expect("a directory");
    let version = rules::write(directory.path()).expect("rules, and the engine for them");
    let key = format!("{}{}", layout::RULES_PREFIX, rules::FILE);
    let text = std::fs::read(directory.path().join(rules::FILE)).expect("written");
    let put = cloud.s3.put_object().bucket(&cloud.results_bucket).key(&key).body(ByteStream::from(text));
    put.send().await.expect("stored");
    // whatever becomes of it: other tests know nothing of rules
    let ended = AssertUnwindSafe(with_rules(&cloud, &version)).catch_unwind().await;
    cloud.s3.delete_object().bucket(&cloud.results_bucket).key(&key).send().await.expect("deleted");
    if let Err(panicked) = ended {
        std::panic::resume_unwind(panicked);
    }
    without_rules(&cloud).await;
}
