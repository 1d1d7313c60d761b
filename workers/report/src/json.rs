//! What `lazaret report ID --json` prints: one JSON document, written a row at a time.

use std::io::{self, Write};

use jiff::Timestamp;
use lazaret_model::summary::Status;
use lazaret_model::{Action, Completeness, ETag, Finding, JobId, ResultRow, StorageClass, Summary, Totals, Window};
use serde::{Deserialize, Serialize};

/// The whole document, for whoever reads it. Writers use [`JsonReport`], which holds no rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportDocument {
    pub job_id: JobId,
    pub status: Status,
    pub totals: Totals,
    pub completeness: Completeness,
    pub window: Window,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Everything that is not Clean or has a note, or every row where all were asked for.
    pub rows: Vec<ReportRow>,
}

/// One object. Every field is always there: what an object has not is `null`, an empty list or an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportRow {
    pub bucket: String,
    pub key: String,
    pub version_id: Option<String>,
    pub etag: ETag,
    /// In bytes.
    pub size: u64,
    pub last_modified: Timestamp,
    pub storage_class: StorageClass,
    /// The verdict's name.
    pub result: String,
    pub findings: Vec<Finding>,
    pub reason: Option<String>,
    pub detail: String,
    pub action: Option<Action>,
    pub scanned_at: Timestamp,
    /// The version of the definitions that scanned it.
    #[serde(default)]
    pub definitions: Option<String>,
    #[serde(default)]
    pub definitions_age_seconds: Option<u64>,
    /// Of the bytes that were scanned, in hex.
    #[serde(default)]
    pub sha256: Option<String>,
    /// What rules found that only note.
    #[serde(default)]
    pub notes: Vec<Finding>,
}

impl From<&ResultRow> for ReportRow {
    fn from(row: &ResultRow) -> Self {
        let ResultRow { object, verdict, action, scanned_at, evidence } = row;
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            etag: object.etag.clone(),
            size: object.size,
            last_modified: object.last_modified,
            storage_class: object.storage_class.clone(),
            result: verdict.name().to_owned(),
            findings: verdict.findings().to_vec(),
            reason: verdict.reason().map(str::to_owned),
            detail: verdict.detail().to_owned(),
            action: action.clone(),
            scanned_at: *scanned_at,
            definitions: evidence.definitions.clone(),
            definitions_age_seconds: evidence.definitions_age_seconds,
            sha256: evidence.sha256.clone(),
            notes: evidence.notes.clone(),
        }
    }
}

/// The document but its rows, as it begins.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    job_id: &'a JobId,
    status: Status,
    totals: &'a Totals,
    completeness: &'a Completeness,
    window: Window,
    started_at: Timestamp,
    ended_at: Timestamp,
}

/// Writes a [`ReportDocument`] on one line: a hundred million rows take no memory.
pub struct JsonReport<W: Write> {
    out: W,
    rows: u64,
}

impl<W: Write> JsonReport<W> {
    /// Writes everything before the rows.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(mut out: W, summary: &Summary) -> io::Result<Self> {
        let head = Head {
            job_id: &summary.job_id,
            status: summary.status,
            totals: &summary.totals,
            completeness: &summary.completeness,
            window: summary.window,
            started_at: summary.started_at,
            ended_at: summary.ended_at,
        };
        let head = serde_json::to_string(&head)?;
        let open = head.strip_suffix('}').expect("a struct is written as an object");
        write!(out, "{open},\"rows\":[")?;
        Ok(Self { out, rows: 0 })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn row(&mut self, row: &ResultRow) -> io::Result<()> {
        if self.rows > 0 {
            self.out.write_all(b",")?;
        }
        self.rows += 1;
        Ok(serde_json::to_writer(&mut self.out, &ReportRow::from(row))?)
    }

    /// Ends the document and its line; without this it is not JSON.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"]}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}
