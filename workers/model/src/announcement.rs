//! What the world is told of a verdict: the detail of EventBridge's *Object Scan Result*, and the body of SNS's message.

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
            id: id(row),
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
}

/// Of bucket, key, version and verdict.
fn id(row: &ResultRow) -> String {
    let object = &row.object;
    let version = object.version_id.as_deref().unwrap_or(object.etag.as_str());
    let mut hash = Sha256::new();
    for part in [object.bucket.as_str(), object.key.as_str(), version, row.verdict.name()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ETag, ObjectRef, StorageClass};
    use crate::result::Evidence;
    use crate::verdict::Verdict;

    #[test]
    fn an_archive_of_thousands_of_findings_fits_into_one_announcement() {
        let finding = |n: usize| Finding {
            member: format!("{n}/{}", "m".repeat(1000)),
            threat: "t".repeat(200),
            engine: "clamav".into(),
        };
        let object = ObjectRef {
            bucket: "b".repeat(63),
            key: "\u{1}".repeat(1024),
            version_id: None,
            etag: ETag::from("e"),
            size: 1,
            last_modified: Timestamp::UNIX_EPOCH,
            storage_class: StorageClass::standard(),
        };
        let row = ResultRow {
            object,
            verdict: Verdict::Infected { findings: (0..5000).map(finding).collect() },
            action: None,
            scanned_at: Timestamp::UNIX_EPOCH,
            evidence: Evidence::default(),
        };
        let result = ScanResult::of(&row, None);
        assert_eq!((result.findings.len(), result.findings_total), (FINDINGS_MAX, 5000));
        assert!(serde_json::to_vec(&result).expect("JSON").len() < 256 * 1024);
        assert_eq!(result.id, ScanResult::of(&row, Some(&Sequencer::new("00"))).id);
    }
}
