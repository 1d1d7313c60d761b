//! The decoder of what passes between agent and engine: whatever the bytes, no panic, and nothing changes its meaning on the way.
#![no_main]

use lazaret_engine_protocol::{HostFrame, MAX_FRAME_BYTES, ScanReply, ScanRequest, ScanVerdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = ScanRequest::decode(bytes) {
        assert_eq!(ScanRequest::decode(&request.encode()).expect("what was encoded"), request);
    }
    let Ok(frame) = HostFrame::decode(bytes) else { return };
    let again = frame.clone().encode();
    match HostFrame::decode(&again).expect("what was encoded") {
        HostFrame::Reply(ScanReply { verdict: again_verdict, .. }) => {
            let HostFrame::Reply(ScanReply { verdict, .. }) = frame else { panic!("a greeting became a reply") };
            assert!(again.len() <= MAX_FRAME_BYTES);
            assert_eq!(verdict.clone().bounded(), again_verdict);
            assert_eq!(verdict == ScanVerdict::Clean, again_verdict == ScanVerdict::Clean);
        }
        ready @ HostFrame::Ready(_) => assert_eq!(ready, frame),
    }
});
