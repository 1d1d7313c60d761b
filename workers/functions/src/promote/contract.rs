//! What passes between the state machine `promote-object` and its function.

use jiff::Timestamp;
use lazaret_model::object::ETag;
use lazaret_model::promotion::PromotionOutcome;
use lazaret_model::{Finding, ResultRow};
use serde::{Deserialize, Serialize};

/// Findings that an announcement names; the report has them all.
const FINDINGS_TOLD: usize = 5;
/// Characters of a member's path that it tells: between states of an execution 256 KiB may pass.
const MEMBER_TOLD: usize = 256;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Nothing but to tell what the record says.
    Read,
    Promote,
    Quarantine,
    Hold,
}

/// The step, and the name of the record that says of what. Nothing else that comes along is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub step: Step,
    /// A [`lazaret_model::promotion::record_name`].
    pub record: String,
}

/// What the record says, for the state machine to choose by and to announce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub verdict: String,
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    pub etag: ETag,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is worth saying beside the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    pub scanned_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl From<&ResultRow> for Found {
    fn from(row: &ResultRow) -> Self {
        let told = |finding: &Finding| Finding {
            member: finding.member.chars().take(MEMBER_TOLD).collect(),
            ..finding.clone()
        };
        Self {
            verdict: row.verdict.name().to_owned(),
            bucket: row.object.bucket.clone(),
            key: row.object.key.clone(),
            version_id: row.object.version_id.clone(),
            etag: row.object.etag.clone(),
            size: row.object.size,
            reason: row.verdict.reason().map(str::to_owned),
            message: row.verdict.detail().to_owned(),
            findings: row.verdict.findings().iter().take(FINDINGS_TOLD).map(told).collect(),
            scanned_at: row.scanned_at,
            definitions: row.evidence.definitions.clone(),
            sha256: row.evidence.sha256.clone(),
        }
    }
}

/// What became of the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    pub outcome: PromotionOutcome,
    pub verdict: String,
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Where a copy of it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Place>,
    /// For a person.
    pub detail: String,
}

/// Either answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Found(Found),
    Done(Done),
}

/// An object, or a version of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}
