//! The rows of a report: one for each matched object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::object::ObjectRef;
use crate::verdict::Verdict;

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
