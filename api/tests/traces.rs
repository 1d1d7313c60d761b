//! A request's trace, as a collector beside the server receives it. One test: a process has one tracer.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::Lab;
use lazaret_aws::trace::Tracer;
use serde_json::{Value, json};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

#[tokio::test]
async fn each_request_is_a_segment_of_the_trace_that_the_load_balancer_names() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    collector.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let receive = || -> Value {
        let mut buffer = [0; 65_536];
        let length = collector.recv(&mut buffer).expect("a document");
        let text = std::str::from_utf8(&buffer[..length]).expect("UTF-8");
        serde_json::from_str(text.split_once('\n').expect("a preamble").1).expect("JSON")
    };
    Tracer::new(collector.local_addr().expect("an address"), 1.0).expect("a socket").install();
    let lab = Lab::start().await;
    assert_eq!(lab.get("/api/health", &[]).await.status, 200, "and no trace of it");
    let header = format!("Self=1-67891234-12456789abcdef012345678;Root={ROOT};Sampled=0");
    assert_eq!(lab.get("/secret-path", &[("X-Amzn-Trace-Id", &header)]).await.status, 404);
    let missed = receive();
    assert_eq!((&missed["name"], &missed["trace_id"]), (&json!("lazaret-api"), &json!(ROOT)));
    assert_eq!((&missed["error"], missed.get("fault")), (&json!(true), None));
    assert!(!missed.to_string().contains("secret-path"));
    assert_eq!(lab.verdict("virus").await["result"], "Infected");
    let (login, scan) = (receive(), receive());
    assert_eq!((&login["annotations"], &scan["annotations"]), (&json!({}), &json!({"verdict": "Infected"})));
    assert_ne!(login["trace_id"], scan["trace_id"], "nobody named one");
}
