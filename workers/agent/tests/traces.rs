//! A new object's trace, as a collector beside the agent receives it. One test: a process has one tracer.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::events::*;
use common::*;
use lazaret_aws::trace::Tracer;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn each_new_object_is_a_segment_that_has_its_verdict_and_not_its_key() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    collector.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    Tracer::new(collector.local_addr().expect("an address"), 1.0).expect("a socket").install();
    let world = EventWorld::new().await;
    let owner = world.owner();
    let records = [("secret-name", "plain"), ("bad", "a virus")].map(|(key, text)| owner.store(BUCKET, key, text).1);
    world.send(&records);
    world.settle().await;
    let mut segments = [(); 2].map(|()| {
        let mut buffer = [0; 65_536];
        let length = collector.recv(&mut buffer).expect("a document");
        let text = String::from_utf8(buffer[..length].to_vec()).expect("UTF-8");
        assert!(!text.contains("secret-name") && !text.contains(BUCKET), "{text}");
        let (_, document) = text.split_once('\n').expect("a preamble");
        serde_json::from_str::<Value>(document).expect("JSON")
    });
    segments.sort_by_key(|segment| segment["annotations"]["verdict"].to_string());
    let [clean, infected] = segments;
    assert_eq!((&clean["name"], &infected["name"]), (&json!("lazaret-events"), &json!("lazaret-events")));
    assert_eq!(clean["annotations"], json!({"verdict": "Clean"}));
    assert_eq!(infected["annotations"], json!({"verdict": "Infected"}));
    assert_ne!(clean["trace_id"], infected["trace_id"], "nobody asked for the two at once");
    assert_eq!((clean.get("fault"), clean.get("parent_id")), (None, None));
}
