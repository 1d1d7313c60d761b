//! The end of a server: what is in hand is finished, and no request is lost.

mod common;

use common::client::{Reply, head, send};
use common::{Lab, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_scan_in_flight_is_answered_and_then_nothing_listens() {
    let lab = Lab::start().await;
    let bearer = format!("Bearer {}", lab.token().await);
    let address = lab.address;
    let scan =
        tokio::spawn(
            async move { send(address, "POST", "/api/Scan", &[("Authorization", &bearer)], b"slow virus").await },
        );
    until(|| lab.scanner.begun() == 1).await;
    lab.stop.cancel();
    until(|| !lab.app.standing.serving()).await;
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    lab.scanner.go_on(1);
    let reply = scan.await.expect("no panic");
    assert_eq!((reply.status, &reply.json()["result"]), (200, &json!("Infected")));
    lab.running.await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn during_the_grace_requests_are_served_and_health_says_no() {
    let lab = Lab::with(&[("LAZARET_API_GRACE_SECONDS", "2")]).await;
    lab.stop.cancel();
    until(|| !lab.app.standing.serving()).await;
    let health = lab.get("/api/health", &[]).await;
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("draining")));
    assert_eq!(lab.verdict("fine").await["result"], "Clean");
    lab.running.await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_body_on_its_way_is_waited_for_and_an_idle_connection_is_not() {
    let lab = Lab::start().await;
    let bearer = format!("Bearer {}", lab.token().await);
    let mut idle = TcpStream::connect(lab.address).await.expect("connected");
    let mut busy = TcpStream::connect(lab.address).await.expect("connected");
    let request = format!("{}Content-Length: 7\r\n\r\na v", head("POST", "/api/Scan", &[("Authorization", &bearer)]));
    busy.write_all(request.as_bytes()).await.expect("sent");
    until(|| lab.app.judge.admission.in_hand() == 1).await;
    lab.stop.cancel();
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.expect("it is closed");
    busy.write_all(b"irus").await.expect("sent");
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.expect("an answer");
    assert_eq!(Reply::read(&answer).json()["result"], "Infected");
    lab.running.await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn an_answer_that_comes_later_is_still_written_down() {
    let lab = Lab::with(&[("LAZARET_API_ASYNC", "1"), ("LAZARET_API_ASYNC_BYTES", "1")]).await;
    let bearer = format!("Bearer {}", lab.token().await);
    let headers = [("Authorization", bearer.as_str()), ("Prefer", "respond-async")];
    let accepted = lab.post("/api/Scan", &headers, b"slow virus").await.json();
    until(|| lab.scanner.begun() == 1).await;
    lab.stop.cancel();
    until(|| !lab.app.standing.serving()).await;
    lab.scanner.go_on(1);
    lab.running.await.expect("no panic").expect("a good end");
    let key = format!("api/jobs/{}.json", accepted["referenceId"].as_str().expect("an id"));
    let record = lab.store.bytes(common::RESULTS, &key).expect("written");
    assert!(String::from_utf8_lossy(&record).contains(r#""result":"Infected""#));
}

#[tokio::test]
async fn an_engine_that_is_gone_is_no_verdict_and_ends_the_server() {
    use std::sync::atomic::Ordering::SeqCst;
    let lab = Lab::start().await;
    let token = lab.token().await;
    lab.scanner.gone.store(true, SeqCst);
    let reply = lab.post("/api/Scan", &[("Authorization", &format!("Bearer {token}"))], b"fine").await;
    assert_eq!((reply.status, &reply.json()["result"]), (503, &json!("Error")));
    let ended = lab.running.await.expect("no panic");
    assert!(ended.expect_err("it can't go on").to_string().contains("as the test asked for"));
}
