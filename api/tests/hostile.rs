//! What a caller may send who means no good: each is answered as documented, and the server is as good as new.

mod common;

use std::time::Duration;

use common::client::{Reply, exchange, exchange_raw, head, multipart};
use common::{Lab, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn form(lab: &Lab, bearer: &str, boundary: &str, body: &[u8]) -> Reply {
    let content_type = format!("multipart/form-data; boundary={boundary}");
    lab.post("/api/Scan", &[("Authorization", bearer), ("Content-Type", &content_type)], body).await
}

async fn bearer(lab: &Lab) -> String {
    format!("Bearer {}", lab.token().await)
}

#[tokio::test]
async fn a_form_that_is_cut_at_any_place_is_never_a_verdict() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    let (_, whole) = multipart(&[("f", b"some text"), ("g", b"a virus")]);
    assert_eq!(form(&lab, &bearer, "XyZ", &whole).await.status, 200);
    // the last line's end is no part of the form
    for length in 0..whole.len() - 2 {
        let reply = form(&lab, &bearer, "XyZ", &whole[..length]).await;
        assert_eq!(reply.status, 400, "{length}");
        assert_eq!(reply.json()["result"], "Error");
    }
    assert_eq!(lab.scanner.begun(), 2);
    lab.is_untouched().await;
}

#[tokio::test]
async fn forms_of_too_many_parts_files_or_headers_are_refused() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    let parts = |count: usize, head: &str| format!("--b\r\n{head}\r\n\r\nx\r\n").repeat(count) + "--b--\r\n";
    let file = "Content-Disposition: form-data; name=f; filename=f";
    let field = "Content-Disposition: form-data; name=f";
    for (body, says) in [
        (parts(10_000, file), "more than 100 files"),
        (parts(10_000, field), "more than 1000 parts"),
        (parts(1, &"X-A: b\r\n".repeat(100)), "more headers"),
        (parts(1, &format!("X-A: {}", "b".repeat(1 << 20))), "more headers"),
        (parts(3, field), "no file"),
        ("--b--\r\n".to_owned(), "no file"),
        ("x".repeat(1 << 20), "begin"),
    ] {
        let reply = form(&lab, &bearer, "b", body.as_bytes()).await;
        let message = reply.json()["errorMessage"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && message.contains(says), "{message:?} of {says}");
    }
    assert_eq!(form(&lab, &bearer, "b", parts(100, file).as_bytes()).await.status, 200);
    lab.is_untouched().await;
}

#[tokio::test]
async fn what_hides_a_file_is_refused() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    for part in [
        "Content-Disposition: form-data; name=f; filename=f\r\nContent-Transfer-Encoding: base64\r\n\r\nYSB2aXJ1cw==",
        "Content-Disposition: form-data; name=f; filename=f\r\nContent-Encoding: gzip\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\na virus\r\n--c--",
        "Content-Disposition: form-data; name=f;\r\n filename=f\r\n\r\na virus",
        "Content-Disposition: form-data; filename=\"f\r\n\r\na virus",
    ] {
        let body = format!("--b\r\n{part}\r\n--b--\r\n");
        assert_eq!(form(&lab, &bearer, "b", body.as_bytes()).await.status, 400, "{part:?}");
    }
    let encoded = [("Authorization", bearer.as_str()), ("Content-Encoding", "gzip")];
    assert_eq!(lab.post("/api/Scan", &encoded, b"x").await.status, 400);
    for content_type in ["multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-data; boundary=\"\""] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", content_type)];
        assert_eq!(lab.post("/api/Scan", &headers, b"--b--").await.status, 400, "{content_type}");
    }
    assert_eq!(lab.scanner.begun(), 0);
    lab.is_untouched().await;
}

#[tokio::test]
async fn names_are_repeated_and_never_used() {
    let lab = Lab::start().await;
    for name in
        ["../../../../etc/passwd", "/etc/shadow", r"C:\\boot.ini", "a\u{202e}fdp.exe", "<script>", "\u{fffd}\u{0}"]
    {
        if name.contains('\0') {
            continue;
        }
        let reply = lab.scan(&[(name, b"a virus")]).await;
        let told = reply.json()["detectedInfections"][0]["file"].as_str().map(str::to_owned);
        assert_eq!(told.as_deref(), Some(name.replace(r"\\", r"\").as_str()));
    }
    lab.is_untouched().await;
}

#[tokio::test]
async fn lengths_that_are_not_true_are_answered_or_cut_off() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    let headers = [("Authorization", bearer.as_str())];
    // said more than sent: the connection's end is the body's
    let request = format!("{}Content-Length: 100\r\n\r\nshort", head("POST", "/api/Scan", &headers));
    let mut stream = TcpStream::connect(lab.address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an end");
    assert!(answer.is_empty() || Reply::read(&answer).status == 400);
    for lengths in ["Content-Length: x", "Content-Length: -1", "Content-Length: 1\r\nContent-Length: 2"] {
        let request = format!("{}{lengths}\r\n\r\nabc", head("POST", "/api/Scan", &headers));
        assert_eq!(exchange(lab.address, request.as_bytes()).await.status, 400, "{lengths}");
    }
    // more than any file has, and more than a number has
    for length in ["9223372036854775807", "18446744073709551615", "18446744073709551616"] {
        let request = format!("{}Content-Length: {length}\r\n\r\nabc", head("POST", "/api/Scan", &headers));
        let status = exchange(lab.address, request.as_bytes()).await.status;
        assert!([400, 413, 431].contains(&status), "{status} of {length}");
    }
    // chunks that are none
    for body in ["zz\r\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\nabc", "3\r\nabcdef\r\n0\r\n\r\n"] {
        let request = format!("{}Transfer-Encoding: chunked\r\n\r\n{body}", head("POST", "/api/Scan", &headers));
        assert_eq!(exchange(lab.address, request.as_bytes()).await.status, 400, "{body:?}");
    }
    assert_eq!(lab.scanner.begun(), 0);
    lab.is_untouched().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let lab = Lab::start().await;
    let many: String = (0..1_000).map(|number| format!("X-{number}: y\r\n")).collect();
    for headers in [many, format!("X: {}\r\n", "y".repeat(100_000))] {
        let request = format!("GET /api/health HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let answer = exchange_raw(lab.address, request.as_bytes()).await;
        assert_eq!(Reply::read(&answer).status, 431);
    }
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(100_000));
    assert!([414, 431].contains(&Reply::read(&exchange_raw(lab.address, path.as_bytes()).await).status));
    let token = format!("Bearer {}", "a.".repeat(10_000));
    assert_eq!(lab.post("/api/Scan", &[("Authorization", &token)], b"x").await.status, 401);
    lab.is_untouched().await;
}

#[tokio::test]
async fn slow_bodies_hold_nobody_up_and_are_given_up() {
    let lab =
        Lab::with(&[("LAZARET_API_RECEIVING", "4"), ("LAZARET_API_QUEUE", "1"), ("LAZARET_API_STALL_SECONDS", "1")])
            .await;
    let bearer = bearer(&lab).await;
    let request = format!("{}Content-Length: 1000\r\n\r\nx", head("POST", "/api/Scan", &[("Authorization", &bearer)]));
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(lab.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    until(|| lab.app.judge.admission.in_hand() == 3).await;
    assert_eq!(lab.verdict("fine").await["result"], "Clean");
    for mut stream in slow {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let reply = Reply::read(&answer);
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["errorMessage"], "the body did not arrive in time");
    }
    lab.is_untouched().await;
}

#[tokio::test]
async fn logins_whose_bodies_never_come_are_bounded_and_keep_nobody_from_a_verdict() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    let request = format!("{}Content-Length: 100\r\n\r\n{{", head("POST", "/api/Token", &[]));
    let mut slow = Vec::new();
    while lab.app.logins_arriving.available_permits() > 0 {
        let mut stream = TcpStream::connect(lab.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        slow.push(stream);
        tokio::task::yield_now().await;
    }
    assert_eq!(lab.post("/api/Token", &[], b"{}").await.status, 429);
    let scanned = lab.post("/api/Scan", &[("Authorization", &bearer)], b"fine").await;
    assert_eq!(scanned.json()["result"], "Clean");
    let begun = std::time::Instant::now();
    for mut stream in slow {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    lab.is_untouched().await;
}

#[tokio::test]
async fn callers_that_go_away_leave_nothing_behind() {
    let lab = Lab::start().await;
    let bearer = bearer(&lab).await;
    let request = format!("{}Content-Length: 4\r\n\r\nslow", head("POST", "/api/Scan", &[("Authorization", &bearer)]));
    let mut callers = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(lab.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        callers.push(stream);
    }
    until(|| lab.app.judge.admission.in_hand() == 20 && lab.scanner.begun() > 1).await;
    drop(callers);
    // neither a place nor a scan is held for those who are gone
    lab.is_untouched().await;
}

#[tokio::test]
async fn a_body_that_nobody_wants_any_more_does_not_cost_the_answer() {
    let lab = Lab::start().await;
    // no token: the answer is there before the body is sent, and must still be read after it
    let request = head("POST", "/api/Scan", &[("Authorization", "Bearer x"), ("Content-Length", "20000000")]) + "\r\n";
    let mut stream = TcpStream::connect(lab.address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let chunk = vec![0; 100_000];
    for _ in 0..200 {
        stream.write_all(&chunk).await.expect("it is taken, and thrown away");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert_eq!(Reply::read(&answer).status, 401);
}

#[tokio::test]
async fn a_caller_who_waits_for_a_word_is_refused_before_he_sends() {
    let lab = Lab::start().await;
    let headers = [("Authorization", "Bearer x"), ("Expect", "100-continue"), ("Content-Length", "1000000000")];
    let answer = exchange_raw(lab.address, (head("POST", "/api/Scan", &headers) + "\r\n").as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_fault_of_ours_costs_one_request_its_answer_and_no_other() {
    let lab = Lab::start().await;
    let reply = lab.scan(&[("f", b"panic")]).await;
    assert_eq!((reply.status, &reply.json()["result"]), (500, &json!("Error")));
    lab.is_untouched().await;
}

#[tokio::test]
async fn memory_and_disk_are_bounded_whatever_is_sent() {
    let lab = Lab::with(&[("LAZARET_API_MEMORY_BYTES", "1048576"), ("LAZARET_API_DISK_BYTES", "4194304")]).await;
    let bearer = bearer(&lab).await;
    let headers = [("Authorization", bearer.as_str())];
    let large = vec![b'x'; 6 << 20];
    let reply = lab.post("/api/Scan", &headers, &large).await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (429, true));
    let slow = [&b"slow"[..], &vec![b'x'; 1 << 20]].concat();
    let many = (0..10).map(|_| lab.post("/api/Scan", &headers, &slow));
    let feeding = async {
        until(|| lab.scanner.begun() >= 2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        lab.scanner.go_on(100);
    };
    let (replies, ()) = tokio::join!(futures::future::join_all(many), feeding);
    let of = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert!(of(200) >= 2 && of(200) + of(429) == 10, "{} {}", of(200), of(429));
    lab.is_untouched().await;
}

#[tokio::test]
async fn bodies_of_a_login_are_small_and_json() {
    let lab = Lab::start().await;
    for (body, status) in [
        (vec![b'x'; 100_000], 413),
        (b"username=anna&password=x".to_vec(), 400),
        (b"{}".to_vec(), 400),
        (br#"{"username":"anna"}"#.to_vec(), 400),
        (br#"{"username":1,"password":2}"#.to_vec(), 400),
        (br#"{"username":"a","username":"b","password":"c"}"#.to_vec(), 400),
        (vec![b'['; 8_000], 400),
    ] {
        assert_eq!(lab.post("/api/Token", &[], &body).await.status, status);
    }
    assert_eq!(lab.cognito.logins(), 0);
    lab.is_untouched().await;
}
