//! The contract that existing clients rely on, status by status.

mod common;

use std::time::Duration;

use common::client::{Connection, exchange, head, multipart};
use common::{Lab, PASSWORD, RESULTS, USER, until};
use lazaret_aws::fake::FakeObject;
use serde_json::{Value, json};
use tokio::time::timeout;

const TOKEN_IS_WRONG: &[(&str, &str)] = &[("Authorization", "Bearer nonsense")];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// `2021-07-02T07:04:18.8896831Z`
fn is_date(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddddddZ";
    let fits = |(byte, kind): (u8, u8)| if kind == b'd' { byte.is_ascii_digit() } else { byte == kind };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

#[tokio::test]
async fn a_clean_file_is_answered_to_the_letter() {
    let lab = Lab::start().await;
    let answer = lab.verdict("a plain text").await;
    assert!(is_date(answer["dateScanned"].as_str().expect("a date")), "{answer}");
    assert_eq!(answer["detectedInfections"], json!([]));
    assert_eq!((&answer["errorMessage"], &answer["result"]), (&Value::Null, &json!("Clean")));
    assert!(answer["referenceId"].as_str().is_some_and(|id| id.len() == 36));
    assert_eq!(keys(&answer), ["dateScanned", "detectedInfections", "errorMessage", "referenceId", "result"]);
}

#[tokio::test]
async fn every_infected_member_is_listed_by_its_path_and_a_plain_file_by_its_own_name() {
    let lab = Lab::start().await;
    let answer = lab.verdict("member DemoFiles/infected_bill.pdf A\nmember DemoFiles/x.txt B\n").await;
    let expected = json!([{"file": "DemoFiles/infected_bill.pdf", "infection": "Test.A"},
        {"file": "DemoFiles/x.txt", "infection": "Test.B"}]);
    assert_eq!((&answer["detectedInfections"], &answer["result"]), (&expected, &json!("Infected")));
    let answer = lab.verdict("a virus and a worm").await;
    let expected =
        json!([{"file": "my_file", "infection": "Test.virus"}, {"file": "my_file", "infection": "Test.worm"}]);
    assert_eq!(answer["detectedInfections"], expected);
}

#[tokio::test]
async fn what_could_not_be_read_is_never_clean_and_says_why() {
    let lab = Lab::start().await;
    let encrypted = lab.verdict("encrypted").await;
    assert_eq!(encrypted["result"], "Unscannable");
    assert_eq!(encrypted["errorMessage"], "encrypted: secret.txt");
    let crashed = lab.verdict("crash").await;
    assert_eq!((&crashed["result"], &crashed["errorMessage"]), (&json!("Error"), &json!("engine crashed")));
}

#[tokio::test]
async fn several_files_have_one_result_the_worst() {
    let lab = Lab::start().await;
    let reply = lab.scan(&[("a", b"fine"), ("b.zip", b"member x/y virus"), ("c", b"encrypted")]).await;
    let answer = reply.json();
    assert_eq!(answer["result"], "Infected");
    assert_eq!(answer["detectedInfections"], json!([{"file": "b.zip/x/y", "infection": "Test.virus"}]));
    let results: Vec<&Value> = answer["files"].as_array().expect("files").iter().map(|file| &file["result"]).collect();
    assert_eq!(results, ["Clean", "Infected", "Unscannable"]);
}

#[tokio::test]
async fn a_plain_body_is_a_file_with_the_name_of_its_header() {
    let lab = Lab::start().await;
    let bearer = format!("Bearer {}", lab.token().await);
    for (headers, name) in [
        (&[("File-Name", "report.pdf"), ("Content-Type", "application/octet-stream")][..], "report.pdf"),
        (&[("File-Name", "na%C3%AFve%20file")], "naïve file"),
        (&[], "file"),
    ] {
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let answer = lab.post("/api/Scan", &all, b"a virus").await.json();
        assert_eq!(answer["detectedInfections"][0]["file"], name);
    }
}

#[tokio::test]
async fn forms_are_read_as_the_published_clients_send_them() {
    let lab = Lab::start().await;
    let bearer = format!("Bearer {}", lab.token().await);
    // requests_toolbelt's encoder, and .NET's MultipartFormDataContent
    let python = "--b1\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"my_file\"\r\n\
        Content-Type: application/octet-stream\r\n\r\na virus\r\n--b1\r\n\
        Content-Disposition: form-data; name=\"composite\"\r\n\r\nNONE\r\n--b1--\r\n";
    let dotnet = "--a-b\r\nContent-Disposition: form-data; name=tmp1; filename=tmp1; filename*=utf-8''tmp1\r\n\r\n\
        a virus\r\n--a-b--\r\n";
    for (content_type, body, name) in [
        ("multipart/form-data; boundary=b1", python, "my_file"),
        ("multipart/form-data; boundary=\"a-b\"", dotnet, "tmp1"),
    ] {
        let headers = [("Prefer", "respond-async"), ("Content-Type", content_type), ("Authorization", bearer.as_str())];
        let reply = lab.post("/api/Scan", &headers, body.as_bytes()).await;
        assert_eq!(reply.status, 200, "the preference is ignored");
        assert_eq!(reply.json()["detectedInfections"], json!([{"file": name, "infection": "Test.virus"}]));
    }
}

#[tokio::test]
async fn a_body_may_come_in_chunks_and_in_any_pieces() {
    let lab = Lab::start().await;
    let bearer = format!("Bearer {}", lab.token().await);
    let (content_type, body) = multipart(&[("f", b"a virus")]);
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", &content_type), ("Transfer-Encoding", "chunked")];
    let mut request = format!("{}\r\n", head("POST", "/api/Scan", &headers)).into_bytes();
    for piece in body.chunks(7) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(exchange(lab.address, &request).await.json()["result"], "Infected");
}

#[tokio::test]
async fn a_token_is_what_existing_clients_expect_and_may_be_used_again() {
    let lab = Lab::start().await;
    let reply = lab.log_in(USER, PASSWORD).await;
    let answer = reply.json();
    assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(3_600)));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let bearer = format!("bearer {}", answer["accessToken"].as_str().expect("a token"));
    for _ in 0..2 {
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(lab.post("/api/Scan", &headers, b"fine").await.status, 200);
    }
}

#[tokio::test]
async fn nobody_scans_without_a_token() {
    let lab = Lab::start().await;
    let (content_type, body) = multipart(&[("f", b"fine")]);
    for path in ["/api/Scan", "/api/Scan/Existing"] {
        for headers in [&[][..], TOKEN_IS_WRONG, &[("Authorization", "Basic YTpi")], &[("Authorization", "Bearer ")]] {
            let mut all = vec![("Content-Type", content_type.as_str())];
            all.extend_from_slice(headers);
            let reply = lab.post(path, &all, &body).await;
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("bearer")));
            assert_eq!((&reply.json()["result"], &reply.json()["detectedInfections"]), (&json!("Error"), &json!([])));
        }
    }
    let status = format!("/api/Scan/JobStatus?referenceId={}", uuid::Uuid::new_v4());
    assert_eq!(lab.get(&status, &[]).await.status, 401);
    assert_eq!(lab.scanner.begun(), 0);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_by_its_head_and_by_its_length() {
    let lab = Lab::with(&[("LAZARET_API_MAX_BYTES", "100000")]).await;
    let bearer = format!("Bearer {}", lab.token().await);
    let headers = [("Authorization", bearer.as_str())];
    let body = vec![b'x'; 100_001];
    let reply = lab.post("/api/Scan", &headers, &body).await;
    assert_eq!(reply.status, 413);
    assert!(reply.json()["errorMessage"].as_str().is_some_and(|text| text.contains("100000")));
    assert_eq!(lab.post("/api/Scan", &headers, &body[1..]).await.status, 200);
    // without a length, it shows when it is exceeded: the rest is not waited for
    let chunked = [("Authorization", bearer.as_str()), ("Transfer-Encoding", "chunked")];
    let mut request = format!("{}\r\n186A1\r\n", head("POST", "/api/Scan", &chunked)).into_bytes();
    request.extend_from_slice(&body);
    request.extend_from_slice(b"\r\n"); // and no end
    assert_eq!(exchange(lab.address, &request).await.status, 413);
    lab.is_untouched().await;
}

#[tokio::test]
async fn a_full_server_says_so_at_once_and_has_room_again() {
    let lab = Lab::with(&[("LAZARET_API_QUEUE", "2")]).await;
    let bearer = format!("Bearer {}", lab.token().await);
    let headers = [("Authorization", bearer.as_str())];
    let slow = async || lab.post("/api/Scan", &headers, b"slow").await;
    let full = async {
        until(|| lab.scanner.begun() == 2).await;
        let reply = lab.post("/api/Scan", &headers, b"fine").await;
        assert_eq!(reply.status, 429);
        assert!(reply.header("retry-after").is_some_and(|text| text.parse::<u64>().is_ok_and(|seconds| seconds > 0)));
        lab.scanner.go_on(2);
    };
    let (first, second, ()) = tokio::join!(slow(), slow(), full);
    assert_eq!((first.status, second.status), (200, 200));
    lab.is_untouched().await;
}

#[tokio::test]
async fn health_is_ready_only_with_definitions_that_are_loaded_and_fresh() {
    use std::sync::atomic::Ordering::SeqCst;
    let lab = Lab::start().await;
    let health = async || {
        let reply = lab.get("/api/health", &[]).await;
        (reply.status, reply.json()["status"].as_str().map(str::to_owned).unwrap_or_default())
    };
    assert_eq!(health().await, (200, "ready".into()));
    lab.scanner.stale.store(true, SeqCst);
    assert_eq!(health().await, (503, "no-definitions".into()));
    lab.scanner.stale.store(false, SeqCst);
    lab.scanner.without_definitions.store(true, SeqCst);
    assert_eq!(health().await, (503, "no-definitions".into()));
    let bearer = format!("Bearer {}", lab.token().await);
    let reply = lab.post("/api/Scan", &[("Authorization", &bearer)], b"fine").await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (503, true));
    assert_eq!(lab.scanner.begun(), 0);
}

#[tokio::test]
async fn an_object_is_scanned_where_it_lies_and_its_version_named() {
    let lab = Lab::start().await;
    lab.store.create_bucket("versioned", true);
    lab.store.create_bucket("plain", false);
    lab.store.insert("versioned", "a/b.txt", "a virus");
    let first = lab.store.pinned_ref("versioned", "a/b.txt");
    lab.store.insert("versioned", "a/b.txt", "fine now");
    let unversioned = lab.store.insert("plain", "k", "member x worm");
    lab.store.insert_object("plain", "old", FakeObject::new("fine").class("GLACIER"));
    lab.store.insert(RESULTS, "api/jobs/x.json", "an answer for another");
    let bearer = format!("Bearer {}", lab.token().await);
    let scan = async |body: Value| {
        lab.post("/api/Scan/Existing", &[("Authorization", &bearer)], body.to_string().as_bytes()).await
    };
    let current = scan(json!({"container": "versioned", "objectPath": "a/b.txt"})).await.json();
    assert_eq!(current["result"], "Clean");
    let version = first.version_id.expect("a version");
    let older = scan(json!({"container": "versioned", "objectPath": "a/b.txt", "versionId": version})).await.json();
    assert_eq!(older["detectedInfections"], json!([{"file": "a/b.txt", "infection": "Test.virus"}]));
    assert_eq!(older["object"]["versionId"], json!(version));
    assert_ne!(current["object"]["versionId"], older["object"]["versionId"]);
    let plain = scan(json!({"container": "plain", "objectPath": "k", "versionId": null})).await.json();
    assert_eq!(plain["detectedInfections"][0]["file"], "x");
    assert_eq!(plain["object"], json!({"eTag": unversioned.etag.as_str()}));
    let archived = scan(json!({"container": "plain", "objectPath": "old"})).await.json();
    assert_eq!((&archived["result"], &archived["errorMessage"]), (&json!("Unscannable"), &json!("archived")));
    for body in [
        json!({"container": "plain", "objectPath": "missing"}),
        json!({"container": "no-such-bucket", "objectPath": "k"}),
        json!({"container": "../plain", "objectPath": "k"}),
        json!({"container": "plain", "objectPath": ""}),
        json!({"container": RESULTS, "objectPath": "api/jobs/x.json"}),
        json!({"container": "plain"}),
        json!([]),
    ] {
        assert_eq!(scan(body.clone()).await.status, 400, "{body}");
    }
    assert!(lab.store.tags_of("plain", "k").is_empty(), "nothing is changed");
}

#[tokio::test]
async fn only_buckets_of_the_list_may_be_scanned() {
    let lab = Lab::with(&[("LAZARET_API_SCAN_BUCKETS", "ours")]).await;
    for bucket in ["ours", "theirs"] {
        lab.store.create_bucket(bucket, false);
        lab.store.insert(bucket, "k", "fine");
    }
    let bearer = format!("Bearer {}", lab.token().await);
    for (bucket, status) in [("ours", 200), ("theirs", 400), (RESULTS, 400)] {
        let body = json!({"container": bucket, "objectPath": "k"}).to_string();
        let reply = lab.post("/api/Scan/Existing", &[("Authorization", &bearer)], body.as_bytes()).await;
        assert_eq!(reply.status, status, "{bucket}");
    }
}

#[tokio::test]
async fn an_answer_comes_later_only_where_settings_and_client_want_it_and_the_body_is_large() {
    let settings = [("LAZARET_API_ASYNC", "1"), ("LAZARET_API_ASYNC_BYTES", "1000")];
    let lab = Lab::with(&settings).await;
    let bearer = format!("Bearer {}", lab.token().await);
    let (plain, later) = (
        [("Authorization", bearer.as_str())],
        [("Authorization", bearer.as_str()), ("Prefer", "wait=5, respond-async")],
    );
    let large = format!("slow virus {}", "x".repeat(1_000));
    lab.scanner.go_on(1);
    assert_eq!(lab.post("/api/Scan", &plain, large.as_bytes()).await.status, 200);
    assert_eq!(lab.post("/api/Scan", &later, b"small").await.status, 200);
    let reply = lab.post("/api/Scan", &later, large.as_bytes()).await;
    let accepted = reply.json();
    assert_eq!((reply.status, &accepted["result"]), (202, &Value::Null));
    let path = format!("/api/Scan/JobStatus?referenceId={}", accepted["referenceId"].as_str().expect("an id"));
    assert_eq!(lab.get(&path, &plain).await.status, 202);
    lab.scanner.go_on(1);
    let status = loop {
        let reply = lab.get(&path, &plain).await;
        if reply.status != 202 {
            break reply;
        }
    };
    assert_eq!((status.status, &status.json()["result"]), (200, &json!("Infected")));
    assert_eq!(status.json()["referenceId"], accepted["referenceId"]);
    let unknown = format!("/api/Scan/JobStatus?referenceId={}", uuid::Uuid::new_v4());
    assert_eq!(lab.get(&unknown, &plain).await.status, 404);
    for path in ["/api/Scan/JobStatus", "/api/Scan/JobStatus?referenceId=x", "/api/Scan/JobStatus?referenceId"] {
        assert_eq!(lab.get(path, &plain).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn clean_files_are_stored_where_that_is_allowed_and_nothing_else_is() {
    let lab = Lab::with(&[("LAZARET_API_UPLOAD_BUCKETS", "clean-files, others")]).await;
    for bucket in ["clean-files", "others", "secret"] {
        lab.store.create_bucket(bucket, true);
    }
    let bearer = format!("Bearer {}", lab.token().await);
    let upload = async |to: &str, name: &str, body: &[u8]| {
        let headers = [("Authorization", bearer.as_str()), ("File-Name", name), ("Upload-To", to)];
        lab.post("/api/Scan", &headers, body).await
    };
    let reply = upload("clean-files/in", "..%2F..%2Freport.pdf", b"fine").await;
    let answer = reply.json();
    let uploaded = &answer["uploads"][0];
    assert_eq!((&uploaded["container"], &uploaded["objectPath"]), (&json!("clean-files"), &json!("in/report.pdf")));
    assert_eq!(lab.store.bytes("clean-files", "in/report.pdf").as_deref(), Some(&b"fine"[..]));
    let tags = lab.store.tags_of("clean-files", "in/report.pdf");
    let tag = |key: &str| tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
    assert_eq!((tag("scan-result"), tag("uploaded-by")), (Some("Clean"), Some("anna")));
    // never what is not clean, never over what is there, never elsewhere
    for (to, name, body, status) in [
        ("clean-files", "virus", "a virus", 200),
        ("clean-files", "encrypted", "encrypted", 200),
        ("clean-files", "crash", "crash", 200),
        ("clean-files/in", "report.pdf", "another", 400),
        ("secret", "f", "fine", 400),
        ("clean-files/../secret", "f", "fine", 400),
        ("clean-files", "..", "fine", 400),
    ] {
        let reply = upload(to, name, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{to} {name}");
        assert!(reply.json().get("uploads").is_none());
    }
    assert_eq!(lab.store.keys("clean-files", ""), ["in/report.pdf"]);
    assert_eq!(lab.store.bytes("clean-files", "in/report.pdf").as_deref(), Some(&b"fine"[..]));
    assert!(lab.store.keys("secret", "").is_empty());
}

#[tokio::test]
async fn of_a_form_all_files_are_stored_or_none() {
    let lab = Lab::with(&[("LAZARET_API_UPLOAD_BUCKETS", "clean-files")]).await;
    lab.store.create_bucket("clean-files", false);
    let bearer = format!("Bearer {}", lab.token().await);
    let upload = async |files: &[(&str, &[u8])]| {
        let (content_type, mut body) = multipart(files);
        body.truncate(body.len() - "--XyZ--\r\n".len());
        body.extend_from_slice(
            b"--XyZ\r\nContent-Disposition: form-data; name=\"uploadTo\"\r\n\r\nclean-files/x\r\n--XyZ--\r\n",
        );
        lab.post("/api/Scan", &[("Authorization", &bearer), ("Content-Type", &content_type)], &body).await
    };
    assert_eq!(upload(&[("a", b"fine"), ("b", b"a virus")]).await.json()["result"], "Infected");
    assert_eq!(upload(&[("a", b"fine"), ("d/a", b"fine")]).await.status, 400, "two of one name");
    assert!(lab.store.keys("clean-files", "").is_empty());
    assert_eq!(upload(&[("a", b"one"), ("b", b"two")]).await.json()["uploads"].as_array().map(Vec::len), Some(2));
    assert_eq!(lab.store.keys("clean-files", ""), ["x/a", "x/b"]);
}

#[tokio::test]
async fn what_the_owner_allows_is_told_apart_from_clean() {
    let lab = Lab::start().await;
    lab.store.insert(RESULTS, "settings/policies.json", r#"{"default":{"allow":["Test.worm"]}}"#);
    lab.app.judge.policies.refresh_now().await.expect("read");
    let allowed = lab.verdict("a worm").await;
    assert_eq!(allowed["result"], "InfectedAllowed");
    assert_eq!(allowed["detectedInfections"], json!([{"file": "my_file", "infection": "Test.worm"}]));
    assert_eq!(lab.verdict("a worm and a virus").await["result"], "Infected");
}

#[tokio::test]
async fn the_document_and_its_page_are_there_for_anybody() {
    let lab = Lab::start().await;
    let document = lab.get("/api/openapi.json", &[]).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/Scan"]["post"].is_object());
    let page = lab.get("/api/docs", &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    let unknown = lab.get("/api/Nothing", &[]).await;
    assert_eq!((unknown.status, &unknown.json()["result"]), (404, &json!("Error")));
    assert_eq!(lab.get("/api/Scan", &[]).await.status, 405);
}

#[tokio::test]
async fn in_a_crowd_of_connections_health_is_told_and_all_else_is_refused_at_once() {
    let lab = Lab::with(&[("LAZARET_API_CONNECTIONS", "2")]).await;
    let bearer = format!("Bearer {}", lab.token().await);
    let scan = [("Authorization", bearer.as_str())];
    let mut crowd = Vec::new();
    for _ in 0..2 {
        // answered once, so that the server has surely counted it
        let mut connection = Connection::open(lab.address).await.expect("connected");
        let reply = connection.exchange(&[b"GET /api/health HTTP/1.1\r\nHost: test\r\n\r\n"]).await.expect("answered");
        assert_eq!(reply.status, 200);
        crowd.push(connection);
    }
    assert_eq!(lab.get("/api/health", &[]).await.status, 200);
    let refused = lab.post("/api/Scan", &scan, b"fine").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(lab.scanner.begun(), 0);
    drop(crowd);
    // a place is given back once the server sees the end of its connection
    timeout(Duration::from_secs(30), async { while lab.post("/api/Scan", &scan, b"fine").await.status == 429 {} })
        .await
        .expect("places are given back");
}
