//! What the world is told of a verdict: the detail of EventBridge's *Object Scan Result*, and the body of SNS's message.

use std::fmt::Write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::action::{ActionKind, ActionOutcome};
use crate::event::Sequencer;
use crate::result::ResultRow;
use crate::verdict::Finding;

/// The `source` of our events on EventBridge.
pub const EVENT_SOURCE: &str = "lazaret";
/// Their `detail-type`, one for each verdict on a new object.
pub const SCAN_RESULT: &str = "Object Scan Result";
/// SNS's attribute `notificationType` of the same.
pub const SCAN_RESULT_NOTIFICATION: &str = "scanResult";
/// Findings that one announcement names: an archive may have thousands, and EventBridge and SNS take 256 KiB.
pub const FINDINGS_MAX: usize = 100;

/// A verdict, for whoever listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanResult {
    /// The same for every announcement of the same verdict on the same version: events arrive at least once.
    pub id: String,
    pub bucket: String,
    /// Hostile text.
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    pub etag: String,
    /// In bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// `Clean`, `Infected`, `InfectedAllowed`, `Unscannable`, `Error` or `Skipped`.
    pub result: String,
    /// The first [`FINDINGS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub findings_total: usize,
    /// From the fixed lists of `docs/limits.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `Tag`, `Move`, `Delete` or `Promote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_outcome: Option<ActionOutcome>,
    /// Where a moved object stands: bucket and key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<MovedTo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub scanned_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovedTo {
    pub bucket: String,
    pub key: String,
}

impl ScanResult {
    /// Of a row whose action has its outcome.
    pub fn of(row: &ResultRow, sequencer: Option<&Sequencer>) -> Self {
        let findings = row.verdict.findings();
        let moved_to = row.action.as_ref().and_then(|action| match &action.kind {
            ActionKind::Move { to_bucket, to_key } => Some(MovedTo { bucket: to_bucket.clone(), key: to_key.clone() }),
            _ => None,
        });
        Self {
            id: id(row, sequencer),
            bucket: row.object.bucket.clone(),
            key: row.object.key.clone(),
            version_id: row.object.version_id.clone(),
            etag: row.object.etag.to_string(),
            size: row.object.size,
            sequencer: sequencer.map(|sequencer| sequencer.as_str().to_owned()),
            result: row.verdict.name().to_owned(),
            findings: findings.iter().take(FINDINGS_MAX).cloned().collect(),
            findings_total: findings.len(),
            reason: row.verdict.reason().map(str::to_owned),
            message: row.verdict.detail().to_owned(),
            action: row.action.as_ref().map(|action| action.kind.name().to_owned()),
            action_outcome: row.action.as_ref().map(|action| action.outcome.clone()),
            moved_to,
            definitions: row.evidence.definitions.clone(),
            sha256: row.evidence.sha256.clone(),
            scanned_at: row.scanned_at,
            milliseconds: row.evidence.milliseconds,
        }
    }

    /// As JSON of ASCII alone: SNS and SQS refuse messages with characters that XML does not know, and a key may have any.
    ///
    /// # Panics
    /// Never: announcements are JSON.
    pub fn to_ascii_json(&self) -> String {
        let json = serde_json::to_string(self).expect("announcements are JSON");
        let mut ascii = String::with_capacity(json.len());
        // outside of its strings JSON has nothing that is escaped here
        for c in json.chars() {
            if c.is_ascii() && !c.is_ascii_control() {
                ascii.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(ascii, "\\u{unit:04x}").expect("writing to a string");
                }
            }
        }
        ascii
    }
}

/// Of bucket, key, version and verdict. Where no version id tells what was stored twice, with the same bytes perhaps, the event's
/// sequencer does.
fn id(row: &ResultRow, sequencer: Option<&Sequencer>) -> String {
    let object = &row.object;
    let version = match object.version_id.as_deref() {
        Some(id) if id != "null" => id.to_owned(),
        _ => format!("{} {}", object.etag, sequencer.map(Sequencer::as_str).unwrap_or_default()),
    };
    let mut hash = Sha256::new();
    for part in [object.bucket.as_str(), object.key.as_str(), &version, row.verdict.name()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{ETag, ObjectRef, StorageClass};
    use crate::result::Evidence;
    use crate::verdict::Verdict;

    fn row(key: &str, version: Option<&str>, verdict: Verdict) -> ResultRow {
        let object = ObjectRef {
            bucket: "b".repeat(63),
            key: key.into(),
            version_id: version.map(str::to_owned),
            etag: ETag::from("e"),
            size: 1,
            last_modified: Timestamp::UNIX_EPOCH,
            storage_class: StorageClass::standard(),
        };
        let scanned_at = Timestamp::UNIX_EPOCH;
        ResultRow { object, verdict, action: None, scanned_at, evidence: Evidence::default() }
    }

    #[test]
    fn an_archive_of_thousands_of_findings_fits_into_one_announcement() {
        let finding = |n: usize| Finding {
            member: format!("{n}/{}", "m".repeat(1000)),
            threat: "t".repeat(200),
            engine: "clamav".into(),
        };
        let verdict = Verdict::Infected { findings: (0..5000).map(finding).collect() };
        let row = row(&"\u{1}".repeat(1024), None, verdict);
        let result = ScanResult::of(&row, None);
        assert_eq!((result.findings.len(), result.findings_total), (FINDINGS_MAX, 5000));
        assert!(serde_json::to_vec(&result).expect("JSON").len() < 256 * 1024);
    }

    #[test]
    fn an_id_is_of_one_version_and_without_a_version_of_one_event() {
        let id = |version: Option<&str>, sequencer: &str| {
            ScanResult::of(&row("k", version, Verdict::Clean), Some(&Sequencer::new(sequencer))).id
        };
        assert_eq!(id(Some("v"), "00"), id(Some("v"), "01"), "of one version there may be several events");
        assert_ne!(id(Some("v"), "00"), id(Some("w"), "00"));
        for unpinned in [None, Some("null")] {
            assert_eq!(id(unpinned, "00"), id(unpinned, "00"));
            assert_ne!(id(unpinned, "00"), id(unpinned, "01"), "the same bytes may be stored again");
        }
        let other = ObjectRef { etag: ETag::from("f"), ..row("k", Some("null"), Verdict::Clean).object };
        let other = ResultRow { object: other, ..row("k", Some("null"), Verdict::Clean) };
        assert_ne!(ScanResult::of(&other, Some(&Sequencer::new("00"))).id, id(Some("null"), "00"));
    }

    proptest! {
        #[test]
        fn any_text_becomes_ascii_and_reads_back(key in "(?s).{0,40}", odd in "[\u{fffe}\u{ffff}\u{7f}\u{85}\u{0}-\u{1f}\u{1f980}\\\\\"]{0,9}") {
            let result = ScanResult::of(&row(&format!("{key}{odd}"), None, Verdict::Clean), None);
            let text = result.to_ascii_json();
            prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", text);
            prop_assert_eq!(serde_json::from_str::<ScanResult>(&text).expect("JSON"), result);
        }
    }
}
