//! What the server tells: numbers for CloudWatch, and a log in which nothing stands that is nobody's business.

mod common;

use common::client::{exchange_raw, head, multipart, send};
use common::cognito::{claims, good_token, token};
use common::program::{Program, eicar};
use common::{Lab, PASSWORD, USER, until};
use jiff::Timestamp;
use lazaret_api::metrics::Readings;
use serde_json::{Map, Value, json};

fn told(lab: &Lab) -> Map<String, Value> {
    let readings = Readings { queue_depth: lab.app.judge.admission.deepest(), ..Readings::default() };
    lab.app.tally.lines(Timestamp::now(), readings).into_iter().next().expect("a line")
}

#[tokio::test]
async fn requests_verdicts_and_refusals_are_counted() {
    let lab = Lab::with(&[("LAZARET_API_QUEUE", "1")]).await;
    assert_eq!(lab.verdict("fine").await["result"], "Clean");
    let reply = lab.scan(&[("a", b"virus"), ("b", b"encrypted"), ("c", b"fine")]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(lab.get("/api/health", &[]).await.status, 200);
    assert_eq!(lab.get("/nothing", &[]).await.status, 404);
    assert_eq!(lab.log_in(USER, "wrong").await.status, 401);
    let bearer = format!("Bearer {}", lab.token().await);
    let address = lab.address;
    let slow = {
        let bearer = bearer.clone();
        tokio::spawn(async move { send(address, "POST", "/api/Scan", &[("Authorization", &bearer)], b"slow").await })
    };
    until(|| lab.scanner.begun() == 5).await;
    assert_eq!(lab.post("/api/Scan", &[("Authorization", &bearer)], b"fine").await.status, 429);
    lab.scanner.go_on(1);
    assert_eq!(slow.await.expect("no panic").status, 200);
    let line = told(&lab);
    let expected = [
        ("ApiAnswers2xx", 6), // three logins, three scans; health does not count
        ("ApiAnswers4xx", 3),
        ("ApiAnswers5xx", 0),
        ("ApiLoginsFailed", 1),
        ("ApiRefusedQueue", 1),
        ("ApiRefusedRoom", 0),
        ("ApiClean", 3),
        ("ApiInfected", 1),
        ("ApiUnscannable", 1),
        ("ApiError", 0),
        ("ApiQueueDepth", 1),
    ];
    for (name, number) in expected {
        assert_eq!(line[name], json!(number), "{name}: {line:?}");
    }
    assert!(line["ApiBytes"].as_u64() > Some(20));
    assert_eq!(line["ApiScanMilliseconds"].as_array().map(Vec::len), Some(5));
    assert_eq!(told(&lab)["ApiAnswers2xx"], json!(0));
}

#[tokio::test]
async fn logins_that_are_throttled_and_files_without_room_are_refused_by_name() {
    let lab = Lab::with(&[("LAZARET_API_MEMORY_BYTES", "16384"), ("LAZARET_API_DISK_BYTES", "16384")]).await;
    while lab.log_in(USER, "wrong").await.status != 429 {}
    let bearer = format!("Bearer {}", good_token());
    let reply = lab.post("/api/Scan", &[("Authorization", &bearer)], &[b'x'; 100_000]).await;
    assert_eq!(reply.status, 429);
    let line = told(&lab);
    assert_eq!((&line["ApiRefusedLogins"], &line["ApiRefusedRoom"]), (&json!(1), &json!(1)));
    assert_eq!(line["ApiLoginsFailed"], json!(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_a_line_for_each_request_and_no_word_of_its_secrets() {
    let mut program = Program::with(&[("RUST_LOG", "info")]).await;
    let address = program.address;
    let mut hostile = claims();
    hostile["username"] = json!("eve\n{\"level\":\"ERROR\"}\u{1b}[2J");
    let token = token(&common::cognito::head("first"), &hostile, 0);
    let bearer = format!("Bearer {token}");
    let (content_type, body) = multipart(&[("secret-name\u{1b}[2J.com", &eicar())]);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", &content_type)];
    let reply = send(address, "POST", "/api/Scan", &headers, &body).await;
    assert_eq!((reply.status, &reply.json()["result"]), (200, &json!("Infected")));
    let reference = reply.json()["referenceId"].as_str().expect("an id").to_owned();
    let login = json!({"username": USER, "password": PASSWORD}).to_string();
    let reply = send(address, "POST", "/api/Token", &[("Content-Type", "application/json")], login.as_bytes()).await;
    assert_eq!(reply.status, 200);
    let granted = reply.json()["accessToken"].as_str().expect("a token").to_owned();
    let path = "/%1b[2J/what?access_token=hidden-in-the-query";
    exchange_raw(address, format!("{}\r\n", head("GET", path, &[])).as_bytes()).await;
    program.tell_to_end();
    assert!(program.until_ended().await.success());

    let log = program.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let found = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["fields"]["message"] == json!(message)).collect()
    };
    let answered: Vec<(&str, u64)> = found("Answered")
        .iter()
        .map(|line| (line["fields"]["path"].as_str().expect("a path"), line["fields"]["status"].as_u64().expect("one")))
        .collect();
    assert_eq!(answered, [("/api/Scan", 200), ("/api/Token", 200), ("/%1b[2J/what", 404)]);
    let [scanned] = found("Scanned")[..] else { panic!("one scan: {log}") };
    assert_eq!((&scanned["fields"]["verdict"], &scanned["span"]["reference"]), (&json!("Infected"), &json!(reference)));
    assert_eq!(scanned["span"]["user"], json!(r#"eve\n{\"level\":\"ERROR\"}\u{1b}[2J"#), "{scanned}");
    assert_eq!(found("Answered")[0]["span"], scanned["span"]);
    for hidden in
        [&token[..40], &granted[..40], PASSWORD, "secret-name", "hidden-in-the-query", "\u{1b}", "EICAR-STANDARD"]
    {
        assert!(!log.contains(hidden), "{hidden:?} is in the log: {log}");
    }

    let last: Value = serde_json::from_str(program.metrics().lines().last().expect("a line at its end")).expect("JSON");
    assert_eq!(
        (&last["ApiInfected"], &last["ApiAnswers2xx"], &last["ApiAnswers4xx"]),
        (&json!(1), &json!(2), &json!(1))
    );
    let named = last["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics");
    assert!(named.iter().all(|metric| last.get(metric["Name"].as_str().expect("a name")).is_some()), "{last}");
}
