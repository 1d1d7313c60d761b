//! Rows as the page carries them: JSON in a script tag that is not run.

use lazaret_model::{Action, ActionKind, Finding, ResultRow};
use serde::Serialize;

use crate::csv::outcome_text;

/// Findings of one object that a page shows; the rest is a number.
const FINDINGS: usize = 50;

/// One row, as an array: a hundred thousand rows don't repeat the names of their fields. `page.js` reads the same order.
#[derive(Serialize)]
struct Cells<'a>(
    &'a str,                   // bucket
    &'a str,                   // key
    &'a str,                   // version id, else ETag
    u64,                       // size in bytes
    &'a str,                   // verdict
    &'a str,                   // reason
    &'a str,                   // detail
    Vec<[&'a str; 3]>,         // member, threat, engine
    usize,                     // findings in all
    &'a str,                   // action
    String,                    // where it was moved to
    std::borrow::Cow<'a, str>, // outcome
    Vec<[&'a str; 3]>,         // notes: member, rule, engine
);

/// Rows up to a limit, already as text.
#[derive(Debug)]
pub(super) struct Rows {
    json: String,
    count: usize,
    rows_max: usize,
    bytes_max: usize,
}

impl Rows {
    pub(super) fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self { json: String::new(), count: 0, rows_max, bytes_max }
    }

    pub(super) fn push(&mut self, row: &ResultRow) {
        if self.count < self.rows_max {
            self.append(&inert(&cells(row)));
        }
    }

    /// These rows, and those of `others` that still fit.
    pub(super) fn then(mut self, others: Self) -> Self {
        for line in others.json.lines() {
            self.append(line.trim_end_matches(','));
        }
        self
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn to_json(&self) -> String {
        format!("[{}]", self.json.trim_end_matches(['\n', ',']))
    }

    /// One line a row: JSON has no raw line breaks of its own.
    fn append(&mut self, line: &str) {
        if self.count < self.rows_max && self.json.len() + line.len() <= self.bytes_max {
            self.json.push_str(line);
            self.json.push_str(",\n");
            self.count += 1;
        }
    }
}

fn cells(row: &ResultRow) -> String {
    let ResultRow { object, verdict, action, evidence, .. } = row;
    let findings = verdict.findings();
    let cells = Cells(
        &object.bucket,
        &object.key,
        object.version_id.as_deref().unwrap_or(object.etag.as_str()),
        object.size,
        verdict.name(),
        verdict.reason().unwrap_or_default(),
        verdict.detail(),
        few(findings),
        findings.len(),
        action.as_ref().map_or("", |action| action.kind.name()),
        action.as_ref().map(target).unwrap_or_default(),
        action.as_ref().map(outcome_text).unwrap_or_default(),
        few(&evidence.notes),
    );
    serde_json::to_string(&cells).expect("text and numbers are JSON")
}

fn few(findings: &[Finding]) -> Vec<[&str; 3]> {
    findings.iter().take(FINDINGS).map(|f| [f.member.as_str(), f.threat.as_str(), f.engine.as_str()]).collect()
}

fn target(action: &Action) -> String {
    match &action.kind {
        ActionKind::Move { to_bucket, to_key } => format!("{to_bucket}/{to_key}"),
        ActionKind::Promote { record } => record.clone(),
        ActionKind::Tag | ActionKind::Delete => String::new(),
    }
}

/// JSON with nothing that ends a script tag, opens a comment or breaks a line: the same document to a JSON parser.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}
