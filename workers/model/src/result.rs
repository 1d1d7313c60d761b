//! The rows of a report: one for each matched object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::object::ObjectRef;
use crate::verdict::{Finding, Verdict};

/// One line of a ResultPart, and one row of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultRow {
    #[serde(flatten)]
    pub object: ObjectRef,
    #[serde(flatten)]
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    pub scanned_at: Timestamp,
    #[serde(flatten)]
    pub evidence: Evidence,
}

impl ResultRow {
    /// Whether a report has a line for it even where it does not have all: it is not Clean, or a rule has noted something.
    pub fn is_remarkable(&self) -> bool {
        self.verdict != Verdict::Clean || !self.evidence.notes.is_empty()
    }
}

/// What the verdict of a row rests on. Objects that were not read have none of it, and neither have rows of older versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// The version of the definitions that scanned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definitions: Option<String>,
    /// How old those were then, if they say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definitions_age_seconds: Option<u64>,
    /// SHA-256 of the bytes that were scanned, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// From the begin of its fetch to its verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// What rules found that only note and change no verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
    /// The same bytes had been scanned before, under the same definitions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// Writes a part: JSON Lines, in the order of the packet.
///
/// # Errors
/// Never for rows that this crate made; serde's error otherwise.
pub fn part_to_json_lines(rows: &[ResultRow]) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(rows.len() * 256);
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Reads a part.
///
/// # Errors
/// If any line is not a row: a damaged part is a missing part.
pub fn part_from_json_lines(lines: &[u8]) -> serde_json::Result<Vec<ResultRow>> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}
