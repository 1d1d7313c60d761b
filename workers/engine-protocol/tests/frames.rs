//! What the encoding promises, whatever the bytes: no panic, no frame that is too long, nothing that turns clean.

use lazaret_engine_protocol::{
    Content, Detection, FailureReason, HostFrame, MAX_FRAME_BYTES, Members, Ready, ScanReply, ScanRequest, ScanVerdict,
    UnscannableReason,
};
use proptest::prelude::*;

fn detection() -> impl Strategy<Value = Detection> {
    (".{0,40}", "[a-zA-Z0-9.-]{1,30}", "clamav|yara-x").prop_map(|(member, threat, engine)| Detection {
        member,
        threat,
        engine,
    })
}

fn verdict() -> impl Strategy<Value = ScanVerdict> {
    prop_oneof![
        Just(ScanVerdict::Clean),
        (prop::collection::vec(detection(), 1..20), any::<u64>())
            .prop_map(|(detections, omitted)| ScanVerdict::Infected { detections, omitted }),
        (prop::sample::select(UnscannableReason::ALL), ".{0,100}")
            .prop_map(|(reason, detail)| ScanVerdict::unscannable(reason, detail)),
        (prop::sample::select(FailureReason::ALL), ".{0,100}")
            .prop_map(|(reason, detail)| ScanVerdict::failed(reason, detail)),
    ]
}

fn reply() -> impl Strategy<Value = ScanReply> {
    let notes = prop::collection::vec(detection(), 0..5);
    let members = prop::option::of((any::<u64>(), any::<u64>(), any::<bool>()));
    (any::<u64>(), verdict(), notes, members, any::<u64>()).prop_map(|(id, verdict, notes, members, milliseconds)| {
        let members = members.map(|(bytes, count, complete)| Members { bytes, count, complete });
        ScanReply { id, verdict, notes, members, milliseconds }
    })
}

proptest! {
    #[test]
    fn replies_come_back_as_they_were(reply in reply()) {
        let frame = HostFrame::Reply(reply);
        prop_assert_eq!(HostFrame::decode(&frame.clone().encode()).expect("decodes"), frame);
    }

    #[test]
    fn requests_come_back_as_they_were(id: u64, size: u64, members: bool, bundle: bool) {
        let content = if bundle { Content::Bundle } else { Content::File };
        let request = ScanRequest { id, size, content, members };
        prop_assert_eq!(ScanRequest::decode(&request.encode()).expect("decodes"), request);
    }

    #[test]
    fn hostile_bytes_are_errors_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(HostFrame::decode(&bytes).is_err());
        prop_assert!(ScanRequest::decode(&bytes).is_err());
    }

    #[test]
    fn a_damaged_reply_never_turns_clean(reply in reply(), at: prop::sample::Index, byte: u8, end: prop::sample::Index) {
        prop_assume!(reply.verdict != ScanVerdict::Clean);
        let mut frame = HostFrame::Reply(reply).encode();
        let at = at.index(frame.len());
        frame[at] = byte;
        frame.truncate(end.index(frame.len()) + 1);
        if let Ok(HostFrame::Reply(reply)) = HostFrame::decode(&frame) {
            prop_assert_ne!(reply.verdict, ScanVerdict::Clean);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))] // each builds megabytes

    #[test]
    fn hostile_names_fit_in_one_frame(member in prop::collection::vec(any::<char>(), 0..9_000), count in 1_usize..4_000) {
        let member: String = member.into_iter().collect();
        let detection = Detection { member, threat: "Win.Test".to_owned(), engine: "clamav".to_owned() };
        let verdict = ScanVerdict::Infected { detections: vec![detection.clone(); count], omitted: 0 };
        let reply = ScanReply {
            id: u64::MAX,
            verdict,
            notes: vec![detection; 3_000],
            members: Some(Members { bytes: u64::MAX, count: u64::MAX, complete: false }),
            milliseconds: u64::MAX,
        };
        let frame = HostFrame::Reply(reply).encode();
        prop_assert!(frame.len() <= MAX_FRAME_BYTES);
        let Ok(HostFrame::Reply(ScanReply { verdict: ScanVerdict::Infected { detections, omitted }, .. })) =
            HostFrame::decode(&frame) else { panic!("infected stays infected") };
        prop_assert_eq!(detections.len() as u64 + omitted, count as u64);
    }
}

#[test]
fn contradictions_are_refused() {
    for text in [
        r#"{"reply":{"id":1,"verdict":{"infected":{"detections":[],"omitted":0}},"notes":[],"members":null,"milliseconds":1}}"#,
        r#"{"reply":{"id":1,"verdict":"clean","milliseconds":1}}"#,
        r#"{"reply":{"id":1,"verdict":"clean","notes":[],"members":null,"milliseconds":1,"also":"infected"}}"#,
        r#"{"reply":{"id":1,"verdict":"clean","verdict":"clean","notes":[],"members":null,"milliseconds":1}}"#,
        r#"{"reply":{"id":1,"verdict":"Clean","notes":[],"members":null,"milliseconds":1}}"#,
        r#"{"reply":{"id":1,"verdict":"clean","notes":[],"members":null,"milliseconds":1}}{}"#,
    ] {
        assert!(HostFrame::decode(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_greeting_comes_back_as_it_was() {
    let ready = HostFrame::Ready(Ready {
        signatures: 6_600_000,
        definitions_version: "daily 27086 (0123456789ab)".to_owned(),
        definitions_built_seconds: Some(1_700_000_000),
        engine_version: "ClamAV 1.4.6".to_owned(),
        workers: 2,
        host_pid: 7,
        jail_missing: vec!["landlock".to_owned()],
    });
    assert_eq!(HostFrame::decode(&ready.clone().encode()).expect("decodes"), ready);
}
