//! The program as it is deployed: a process of its own, the real engine in its jail, and the client that people have.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use common::client::{Reply, exchange, multipart, send};
use common::cognito::good_token;
use common::program::{Program, eicar};
use common::{PASSWORD, USER};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use zip::unstable::write::FileOptionsExt;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn zip(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, options).expect("a member");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

/// The Python of `make setup`, which has what the client imports.
fn python() -> PathBuf {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python");
    std::env::var_os("LAZARET_TEST_PYTHON").map_or_else(|| venv.into(), PathBuf::from)
}

/// The verdict on a file of a form.
async fn scan(program: &Program, name: &str, bytes: &[u8]) -> Value {
    let (content_type, body) = multipart(&[(name, bytes)]);
    let bearer = format!("Bearer {}", good_token());
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", &content_type)];
    let reply = send(program.address, "POST", "/api/Scan", &headers, &body).await;
    assert_eq!(reply.status, 200, "{reply:?} {}", program.log());
    reply.json()
}

/// The client that was published, on a file of that content: the JSON that it printed, and whether it said that it is clean.
fn client(program: &Program, bytes: &[u8]) -> (Value, bool) {
    let file = program.directory.path().join("file");
    std::fs::write(&file, bytes).expect("written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/published.py");
    let output = Command::new(python())
        .args([script, USER, PASSWORD, &format!("http://{}", program.address)])
        .arg(&file)
        .output()
        .expect("Python: `make setup` brings it");
    let out = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (json, said) = out.rsplit_once('}').expect("JSON");
    (serde_json::from_str(&format!("{json}}}")).expect("JSON"), said.contains("file was clean"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_gets_its_verdicts_from_the_real_engine() {
    let mut program = Program::start().await;
    let (answer, clean) = client(&program, b"nothing but text");
    assert_eq!((&answer["result"], &answer["detectedInfections"], clean), (&json!("Clean"), &json!([]), true));
    let inner = zip(&[("deep/eicar.com", &eicar())], deflated());
    let archive =
        zip(&[("DemoFiles/eicar.com", &eicar()), ("plain.txt", b"plain"), ("DemoFiles/inner.zip", &inner)], deflated());
    let (answer, clean) = client(&program, &archive);
    assert_eq!((&answer["result"], &answer["errorMessage"], clean), (&json!("Infected"), &Value::Null, false));
    let mut files: Vec<&str> = answer["detectedInfections"]
        .as_array()
        .expect("infections")
        .iter()
        .map(|infection| infection["file"].as_str().expect("a name"))
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["DemoFiles/eicar.com", "DemoFiles/inner.zip/deep/eicar.com"]);
    let (answer, _) = client(&program, &eicar());
    assert_eq!(answer["detectedInfections"][0]["file"], "my_file");
    program.tell_to_end();
    assert!(program.until_ended().await.success(), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_to_its_end_is_never_clean_and_the_server_lives() {
    let program = Program::start().await;
    let bomb = {
        let zeros = vec![0; 400 << 20];
        let layer = zip(&[("zeros", &zeros)], deflated());
        zip(&[("a.zip", &layer), ("b.zip", &layer), ("c.zip", &layer)], deflated())
    };
    assert_eq!(scan(&program, "bomb.zip", &bomb).await["result"], "Unscannable");
    let secret = SimpleFileOptions::default().with_deprecated_encryption(b"secret").expect("a password");
    let encrypted = scan(&program, "e.zip", &zip(&[("secret.txt", b"who knows")], secret)).await;
    assert_eq!(encrypted["result"], "Unscannable");
    assert!(encrypted["errorMessage"].as_str().is_some_and(|text| text.starts_with("encrypted")), "{encrypted}");
    let torn = zip(&[("a.txt", &[b'x'; 10_000])], deflated());
    assert_eq!(scan(&program, "torn.zip", &torn[..torn.len() - 30]).await["result"], "Unscannable");
    assert_eq!(scan(&program, "plain", b"plain").await["result"], "Clean");
    let log = program.log();
    for hidden in [PASSWORD, &good_token()[..20], "who knows", "secret.txt"] {
        assert!(!log.contains(hidden), "{hidden} is in the log: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_in_flight_is_answered_when_the_program_is_told_to_end() {
    let mut program = Program::start().await;
    let (address, bearer) = (program.address, format!("Bearer {}", good_token()));
    let large: Vec<u8> = (0..20_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let request = {
        let head = common::client::head("POST", "/api/Scan", &[("Authorization", &bearer)]);
        [format!("{head}Content-Length: {}\r\n\r\n", large.len()).as_bytes(), &large].concat()
    };
    let scan = tokio::spawn(async move { exchange(address, &request).await });
    while !program.log().contains("The server is ready") {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(100)).await; // some of the body is on its way; whatever it is doing by then is finished
    program.tell_to_end();
    let reply: Reply = scan.await.expect("no panic");
    assert_eq!((reply.status, &reply.json()["result"]), (200, &json!("Clean")));
    assert!(program.until_ended().await.success(), "{}", program.log());
    let left = std::fs::read_dir(program.directory.path().join("scratch")).expect("readable").count();
    assert_eq!(left, 0, "nothing is left on the disk");
}

/// The samples of `docs/clients` that run where the tests do, as they are called.
fn samples() -> Vec<(&'static str, Vec<PathBuf>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder").to_owned();
    let clients = root.join("docs/clients");
    vec![
        ("Python", vec![python(), clients.join("scan.py")]),
        ("curl", vec![clients.join("scan.sh")]),
        ("Node", vec!["node".into(), clients.join("scan.mjs")]),
        ("Rust", vec![env!("CARGO_BIN_EXE_lazaret-scan-file-sample").into()]),
    ]
}

/// Runs a sample on a file: what it printed, its errors, its exit code.
fn run(sample: &[PathBuf], url: &str, password: &str, file: &Path) -> (String, String, Option<i32>) {
    let output = Command::new(&sample[0])
        .args(&sample[1..])
        .arg(url)
        .arg(file)
        .env("LAZARET_USER", USER)
        .env("LAZARET_PASSWORD", password)
        .output()
        .expect("it runs: `make setup` brings what it needs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_tells_what_was_found_out_and_ends_with_its_code() {
    let program = Program::start().await;
    let url = format!("http://{}/", program.address);
    let infected =
        zip(&[("a/\u{1b}[2J\u{202e}.com", &eicar()), ("plain.txt", b"plain"), ("b.com", &eicar())], deflated());
    let secret = SimpleFileOptions::default().with_deprecated_encryption(b"secret").expect("a password");
    let encrypted = zip(&[("secret.txt", b"who knows")], secret);
    let file = |name: &str, bytes: &[u8]| {
        let path = program.directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let clean = file("na\u{ef}ve {1..3} [x];\"&%.txt", b"nothing but text");
    let large = file("large", &vec![b'x'; 5_000_000]);
    let (empty, infected, encrypted) =
        (file("empty", b""), file("infected.zip", &infected), file("encrypted.zip", &encrypted));
    for (name, sample) in samples() {
        for (file, expected, code) in [
            (&clean, "Clean", 0),
            (&large, "Clean", 0),
            (&empty, "Clean", 0),
            (&infected, "Infected", 1),
            (&encrypted, "Unscannable", 2),
        ] {
            let (out, err, ended) = run(&sample, &url, PASSWORD, file);
            assert_eq!(ended, Some(code), "{name}: {out}{err}{}", program.log());
            let first = out.lines().next().expect("a line");
            assert_eq!(first, format!("{}: {expected}", file.display()), "{name}");
            assert_eq!(err, "", "{name}");
            if expected == "Infected" {
                assert!(out.lines().count() == 3 && out.contains("b.com"), "{name}: every member: {out}");
                assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{name}: {out:?}");
            }
        }
        let (out, err, ended) = run(&sample, &url, "a wrong one", &clean);
        assert_eq!((ended, out.as_str()), (Some(2), ""), "{name}: {err}");
        assert!(err.contains("401") && err.contains("wrong user name or password"), "{name}: {err}");
        let (out, _, ended) = run(&sample, &url, PASSWORD, Path::new("/nonexistent"));
        assert_eq!((ended, out.as_str()), (Some(2), ""), "{name}");
        let (out, _, ended) = run(&sample, "http://127.0.0.1:1/", PASSWORD, &clean);
        assert_eq!((ended, out.as_str()), (Some(2), ""), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_comes_again_with_the_whole_file_when_the_server_says_when() {
    const TEXT: &str = "nothing but text";
    let tries = Arc::new(AtomicUsize::new(0));
    let scan = {
        let tries = Arc::clone(&tries);
        async move |headers: HeaderMap, body: Bytes| {
            assert_eq!((headers["authorization"].as_bytes(), &body[..]), (&b"Bearer one"[..], TEXT.as_bytes()));
            let (status, result) = match tries.fetch_add(1, Ordering::SeqCst) {
                0 => (StatusCode::TOO_MANY_REQUESTS, "Error"),
                1 => (StatusCode::SERVICE_UNAVAILABLE, "Error"),
                _ => (StatusCode::OK, "Clean"),
            };
            let answer = json!({"result": result, "detectedInfections": [], "errorMessage": null});
            (status, [("retry-after", "1")], axum::Json(answer))
        }
    };
    let token = async || axum::Json(json!({"accessToken": "one"}));
    let router = Router::new().route("/api/Token", post(token)).route("/api/Scan", post(scan));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, TEXT).expect("written");
    for (name, sample) in samples() {
        tries.store(0, Ordering::SeqCst);
        let begun = Instant::now();
        let (out, err, ended) = run(&sample, &url, PASSWORD, &file);
        assert_eq!((ended, tries.load(Ordering::SeqCst)), (Some(0), 3), "{name}: {out}{err}");
        assert!(begun.elapsed() >= Duration::from_secs(2), "{name} waited as it was told");
    }
}
