//! `docs/limits.md` says what the code says: every limit with its default, every reason.

use lazaret_engine_protocol::{FailureReason, Limits, UnscannableReason};

const PAGE: &str = include_str!("../../../docs/limits.md");

/// As the page writes it: `1,000,000`, or `16 GiB` for bytes.
fn shown(name: &str, value: u64) -> String {
    if name.ends_with("Bytes") {
        assert_eq!(value % (1 << 30), 0, "{name} is not in whole GiB: teach this test");
        return format!("{} GiB", value >> 30);
    }
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

#[test]
fn every_limit_stands_there_with_its_default() {
    let defaults: serde_json::Value = serde_json::from_str(&Limits::default().to_json()).expect("JSON");
    let defaults = defaults.as_object().expect("an object");
    assert!(defaults.len() >= 8);
    for (name, value) in defaults {
        let row = format!("| `{name}` | {} |", shown(name, value.as_u64().expect("a number")));
        assert!(PAGE.contains(&row), "docs/limits.md has no `{row}`");
    }
}

#[test]
fn every_reason_stands_there() {
    let unscannable = UnscannableReason::ALL.iter().map(|reason| reason.text());
    let failures = FailureReason::ALL.iter().map(|reason| reason.text());
    for reason in unscannable.chain(failures) {
        assert!(PAGE.contains(&format!("| `{reason}` |")), "docs/limits.md does not explain `{reason}`");
    }
}
