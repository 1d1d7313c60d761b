//! `lazaret definitions update` with the real engine and the real freshclam, which fetches from this machine.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser;
use lazaret_aws::fake::{
    FakeBuckets, FakeExecutions, FakeFleet, FakeQueues, FakeScheduler, FakeStore, FakeTopics, FakeUploads,
    FakeUserPools,
};
use lazaret_cli::args::Cli;
use lazaret_cli::cloud::Cloud;
use lazaret_cli::console::Console;
use lazaret_model::layout;
use serde_json::Value;

const RESULTS: &str = "results";

/// EICAR as ClamAV's own set knows it, put together here so that no file of ours is one.
fn eicar_rule() -> String {
    let eicar = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    let hex: String = eicar.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("Eicar-Test-Signature:0:0:{hex}\n")
}

fn engine() -> String {
    let test = std::env::current_exe().expect("this test has a path");
    let program = test.ancestors().nth(2).expect("target/debug").join("lazaret-engine");
    assert!(program.is_file(), "{} is not there: run `cargo build --workspace`", program.display());
    program.to_string_lossy().into_owned()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `lazaret` with this line and gives its JSON.
async fn lazaret(store: &FakeStore, line: &[&str]) -> anyhow::Result<Value> {
    let cli = Cli::try_parse_from(["lazaret"].iter().chain(line))?;
    let cloud = Cloud {
        executions: Arc::new(FakeExecutions::new()),
        store: Arc::new(store.clone()),
        buckets: Arc::new(FakeBuckets::of(store)),
        uploads: Arc::new(FakeUploads::new()),
        scheduler: Arc::new(FakeScheduler::new()),
        topics: Arc::new(FakeTopics::new()),
        queues: Arc::new(FakeQueues::new()),
        tasks: Arc::new(FakeFleet::new()),
        user_pools: Arc::new(FakeUserPools::new()),
        user_pool_id: None,
        results_bucket: RESULTS.into(),
        quarantine_bucket: String::new(),
        events_topic_arn: String::new(),
        caller: None,
    };
    let (out, err) = (Shared::default(), Shared::default());
    let mut console = Console::new(Box::new(out.clone()), Box::new(err.clone()));
    lazaret_cli::run(&cli.command, &cloud, &mut console, std::future::pending()).await?;
    let printed = out.0.lock().expect("not poisoned").clone();
    Ok(serde_json::from_slice(&printed)?)
}

fn store() -> FakeStore {
    FakeStore::new().with_bucket(RESULTS)
}

fn set(rules: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("own.ndb"), rules).expect("written");
    directory
}

async fn update(store: &FakeStore, directory: &Path, more: &[&str]) -> anyhow::Result<Value> {
    let (engine, from) = (engine(), directory.to_string_lossy().into_owned());
    let mut line = vec!["definitions", "update", "--json", "--from", &from, "--engine", &engine];
    line.extend(more);
    lazaret(store, &line).await
}

#[tokio::test]
async fn a_directory_is_tried_and_published_and_the_same_again_is_no_work() {
    let store = store();
    let good = set(&eicar_rule());
    let first = update(&store, good.path(), &[]).await.expect("published");
    assert_eq!((&first["new"], &first["changed"], &first["signatures"]), (&true.into(), &true.into(), &1.into()));
    assert!(first["engineVersion"].as_str().is_some_and(|version| version.starts_with("ClamAV")), "{first}");
    let again = update(&store, good.path(), &[]).await.expect("published");
    assert_eq!((&again["new"], &again["changed"]), (&false.into(), &false.into()));
    let shown = lazaret(&store, &["definitions", "show", "--json"]).await.expect("shown");
    assert_eq!((&shown["version"], &shown["inForce"]), (&first["version"], &true.into()));
}

#[tokio::test]
async fn what_does_not_load_or_misses_eicar_is_not_published() {
    for (rules, says) in [("this is no signature\n", "can"), ("Own.Rule:0:*:aabbccddeeff\n", "EICAR")] {
        let (store, bad) = (store(), set(rules));
        let error = format!("{:#}", update(&store, bad.path(), &[]).await.expect_err(rules));
        assert!(error.contains(says) && error.contains(&*bad.path().to_string_lossy()), "{error}");
        assert_eq!(store.keys(RESULTS, ""), Vec::<String>::new());
    }
    let error = format!("{:#}", update(&store(), &PathBuf::from("/nonexistent/set"), &[]).await.expect_err("missing"));
    assert!(error.contains("/nonexistent/set"), "{error}");
    let good = set(&eicar_rule());
    let line = ["definitions", "update", "--from", &good.path().to_string_lossy(), "--engine", "/nonexistent/engine"];
    let error = lazaret(&store(), &line).await.expect_err("no engine").to_string();
    assert!(error.contains("/nonexistent/engine") && error.contains("--engine PATH"), "{error}");
}

/// Answers every GET with this file, until the test ends.
fn serve(content: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0_u8; 4_096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content.as_bytes()));
        }
    });
    format!("http://{address}/rules/own.ndb")
}

#[tokio::test]
async fn freshclam_fetches_an_owners_own_set_by_http_and_from_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("more.ndb");
    fs::write(&file, "Own.Rule:0:*:aabbccddeeff\n").expect("written");
    let (url, file) = (serve(eicar_rule()), format!("file://{}", file.display()));
    let (engine, work) = (engine(), directory.path().join("work").to_string_lossy().into_owned());
    let store = store();
    let mut line = vec!["definitions", "update", "--json", "--custom-only", "--engine", &engine, "--dir", &work];
    line.extend(["--database-custom-url", &url, "--database-custom-url", &file]);
    let published = lazaret(&store, &line).await.expect("published: is Debian's package clamav-freshclam installed?");
    assert_eq!((&published["files"], &published["signatures"]), (&2.into(), &2.into()));
    assert!(store.exists(RESULTS, layout::DEFINITIONS_POINTER_KEY));

    let fewer = &line[..line.len() - 2];
    let published = lazaret(&store, fewer).await.expect("published");
    assert_eq!(published["files"], 1, "what is no longer asked for is gone");
}

/// A freshclam that finds nothing newer than what it has.
const CONTENT_FRESHCLAM: &str = "/bin/true";

#[tokio::test]
async fn an_empty_folder_begins_with_the_set_in_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, good) = (store(), set(&eicar_rule()));
    let first = update(&store, good.path(), &[]).await.expect("published");
    let engine = engine();
    let line = |work: &str| -> Vec<String> {
        let work = directory.path().join(work).to_string_lossy().into_owned();
        let name = fs::read_dir(good.path()).expect("files").next().expect("one").expect("a file").file_name();
        let url = format!("file:///nowhere/{}", name.to_string_lossy());
        let words =
            ["definitions", "update", "--json", "--custom-only", "--engine", &engine, "--dir", &work, "--freshclam"];
        let words = words.into_iter().chain([CONTENT_FRESHCLAM, "--database-custom-url", &url]);
        words.map(str::to_owned).collect()
    };
    let run = async |line: Vec<String>| lazaret(&store, &line.iter().map(String::as_str).collect::<Vec<_>>()).await;
    run(line("bare")).await.expect_err("freshclam brought nothing");
    let seeded = run([line("seeded"), vec!["--seed".to_owned()]].concat()).await.expect("the same set");
    assert_eq!((&seeded["version"], &seeded["changed"]), (&first["version"], &false.into()));

    // what can't be had is said, and is no reason not to go on
    let version = first["version"].as_str().expect("a version");
    store.remove(RESULTS, &format!("definitions/versions/{version}/manifest.json"));
    let error = run([line("damaged"), vec!["--seed".to_owned()]].concat()).await.expect_err("nothing to begin with");
    assert!(!format!("{error:#}").contains("seed"), "{error:#}");
    assert!(directory.path().join("damaged/database").is_dir());
}
