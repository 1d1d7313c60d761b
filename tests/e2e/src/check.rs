//! Holds a report against what was written down beforehand.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::corpus::{Expected, Specimen};

/// Every difference between a report (with all rows) and the specimens of its buckets: none means every object has exactly the
/// row that it must have, and there are no others.
pub fn differences(report: &Value, buckets: &[(&str, &[Specimen])]) -> Vec<String> {
    let mut expected: BTreeMap<(String, String), Expected> = BTreeMap::new();
    for (bucket, specimens) in buckets {
        expected.extend(specimens.iter().map(|s| (((*bucket).to_owned(), s.key.clone()), s.expected)));
    }
    let mut found = Vec::new();
    let no_rows = Vec::new();
    for row in report["rows"].as_array().unwrap_or(&no_rows) {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let identity = (text("bucket"), text("key"));
        let name = format!("{}/{}", identity.0, identity.1.escape_debug());
        let is = (text("result"), row["reason"].as_str().map(str::to_owned));
        match expected.remove(&identity).map(Expected::row) {
            None => found.push(format!("{name}: a row too many ({})", is.0)),
            Some(None) => found.push(format!("{name}: is outside the window and has a row")),
            Some(Some((result, reason))) if (result, reason) != (is.0.as_str(), is.1.as_deref()) => {
                found.push(format!(
                    "{name}: {result} ({reason:?}) expected, {} ({:?} {}) reported",
                    is.0, is.1, row["detail"]
                ));
            }
            Some(Some(_)) => {}
        }
    }
    for ((bucket, key), missing) in expected {
        if missing.row().is_some() {
            found.push(format!("{bucket}/{}: has no row", key.escape_debug()));
        }
    }
    found
}

/// Checks that a report's totals agree with its rows and with its proof of completeness.
///
/// # Errors
/// Names the first number that is off.
pub fn totals_add_up(report: &Value) -> anyhow::Result<()> {
    let total = |field: &str| report["totals"][field].as_u64().with_context(|| format!("totals.{field}"));
    let proof = |field: &str| report["completeness"][field].as_u64().with_context(|| format!("completeness.{field}"));
    let rows = report["rows"].as_array().context("rows")?;
    ensure!(report["status"] == "COMPLETE", "the status is {}", report["status"]);
    ensure!(total("inWindow")? == rows.len() as u64, "{} in the window, {} rows", total("inWindow")?, rows.len());
    ensure!(total("crawled")? == total("inWindow")? + proof("outsideWindow")?, "crawled is not in window + outside");
    ensure!(proof("parts")? == proof("packets")? && proof("duplicates")? == 0, "parts, packets or duplicates are off");
    for result in ["clean", "infected", "unscannable", "error", "skipped", "gone"] {
        let counted = rows
            .iter()
            .filter(|row| row["result"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(result)))
            .count();
        ensure!(total(result)? == counted as u64, "totals.{result} is {}, the rows have {counted}", total(result)?);
    }
    Ok(())
}
