//! The report for a spreadsheet.

use std::borrow::Cow;
use std::io::{self, Write};

use lazaret_model::{Action, ActionOutcome, Finding, ResultRow};

const COLUMNS: [&str; 18] = [
    "bucket",
    "key",
    "versionId",
    "etag",
    "size",
    "lastModified",
    "storageClass",
    "result",
    "reason",
    "detail",
    "threats",
    "members",
    "action",
    "outcome",
    "scannedAt",
    "definitions",
    "sha256",
    "notes",
];

/// Writes rows as CSV, one an object. Several findings stand in one cell, parted by `; `.
///
/// A cell that a spreadsheet would take for a formula gets a `'` in front (OWASP, "CSV Injection"), so that a hostile key is
/// shown and not run. A program that needs the exact key reads the JSON.
pub struct CsvReport<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> CsvReport<W> {
    /// Writes the line of column names.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(out: W) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        out.write_record(COLUMNS)?;
        Ok(Self { out })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn row(&mut self, row: &ResultRow) -> io::Result<()> {
        let ResultRow { object, verdict, action, scanned_at, evidence } = row;
        let join =
            |findings: &[Finding], of: fn(&Finding) -> &str| findings.iter().map(of).collect::<Vec<_>>().join("; ");
        let cells: [Cow<'_, str>; COLUMNS.len()] = [
            object.bucket.as_str().into(),
            object.key.as_str().into(),
            object.version_id.as_deref().unwrap_or_default().into(),
            object.etag.as_str().into(),
            object.size.to_string().into(),
            object.last_modified.to_string().into(),
            object.storage_class.0.as_str().into(),
            verdict.name().into(),
            verdict.reason().unwrap_or_default().into(),
            verdict.detail().into(),
            join(verdict.findings(), |finding| &finding.threat).into(),
            join(verdict.findings(), |finding| &finding.member).into(),
            action.as_ref().map_or("", |action| action.kind.name()).into(),
            action.as_ref().map(outcome_text).unwrap_or_default(),
            scanned_at.to_string().into(),
            evidence.definitions.as_deref().unwrap_or_default().into(),
            evidence.sha256.as_deref().unwrap_or_default().into(),
            join(&evidence.notes, |note| &note.threat).into(),
        ];
        Ok(self.out.write_record(cells.iter().map(|cell| harmless(cell).into_owned().into_bytes()))?)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What came of an action, in words.
pub(crate) fn outcome_text(action: &Action) -> Cow<'_, str> {
    match &action.outcome {
        ActionOutcome::Pending => "pending".into(),
        ActionOutcome::Done => "done".into(),
        ActionOutcome::Gone => "gone".into(),
        ActionOutcome::Failed(why) => format!("failed: {why}").into(),
    }
}

/// `cell`, with a `'` in front if a spreadsheet would take it for more than text.
fn harmless(cell: &str) -> Cow<'_, str> {
    // the full-width forms are read as formulas by spreadsheets in Japanese and Chinese
    let starts = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if cell.starts_with(starts) { format!("'{cell}").into() } else { cell.into() }
}
