//! What came of one file or object.

use lazaret_model::{Evidence, Finding, ResultRow, Verdict};
use serde::Serialize;

use crate::scan::target::object_text;

/// A verdict, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// As it was given, with what is below it; or `s3://BUCKET/KEY`.
    pub path: String,
    /// Of the file or object; 0 if that is not known.
    pub bytes: u64,
    pub verdict: Verdict,
    pub evidence: Evidence,
}

/// One line of `--json`: always these eight fields, and no others.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    path: &'a str,
    /// The verdict's name.
    result: &'a str,
    /// `member` is empty for the file itself.
    findings: &'a [Finding],
    /// One of a fixed list, for what has one.
    reason: Option<&'a str>,
    bytes: u64,
    /// Of what was scanned.
    sha256: Option<&'a str>,
    /// The version that scanned it.
    definitions: Option<&'a str>,
    milliseconds: u64,
}

impl Examined {
    pub fn of_row(row: ResultRow) -> Self {
        let ResultRow { object, verdict, evidence, .. } = row;
        Self { path: object_text(&object.bucket, &object.key), bytes: object.size, verdict, evidence }
    }

    /// Something that was not read.
    pub fn unread(path: String, bytes: u64, verdict: Verdict) -> Self {
        Self { path, bytes, verdict, evidence: Evidence::default() }
    }

    pub fn line(&self) -> Line<'_> {
        Line {
            path: &self.path,
            result: self.verdict.name(),
            findings: self.verdict.findings(),
            reason: self.verdict.reason(),
            bytes: self.bytes,
            sha256: self.evidence.sha256.as_deref(),
            definitions: self.evidence.definitions.as_deref(),
            milliseconds: self.evidence.milliseconds.unwrap_or_default(),
        }
    }

    /// For a person: a line, or one for each finding. Hostile still.
    pub fn text(&self) -> Vec<String> {
        let Self { path, verdict, .. } = self;
        let name = verdict.name();
        match verdict.findings() {
            [] => vec![match (verdict.reason(), verdict.detail()) {
                (None, _) => format!("{path}: {name}"),
                (Some(reason), "") => format!("{path}: {name} {reason}"),
                (Some(reason), detail) => format!("{path}: {name} {reason} ({detail})"),
            }],
            findings => findings.iter().map(|finding| found(path, name, finding)).collect(),
        }
    }

    /// What rules have noted, for a person. Hostile still.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.evidence.notes.iter().map(|note| found(&self.path, "Note", note))
    }
}

fn found(path: &str, word: &str, Finding { member, threat, .. }: &Finding) -> String {
    if member.is_empty() { format!("{path}: {word} {threat}") } else { format!("{path}: {word} {threat} ({member})") }
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::{ErrorReason, UnscannableReason};
    use serde_json::{Value, json};

    use super::*;

    fn finding(member: &str, threat: &str) -> Finding {
        Finding { member: member.into(), threat: threat.into(), engine: "clamav".into() }
    }

    #[test]
    fn a_line_of_json_has_its_eight_fields_whatever_the_verdict() {
        let scanned = Examined {
            path: "a.zip".into(),
            bytes: 70,
            verdict: Verdict::Infected { findings: vec![finding("b/c", "T"), finding("", "U")] },
            evidence: Evidence {
                sha256: Some("00ff".into()),
                definitions: Some("daily-1".into()),
                milliseconds: Some(7),
                notes: vec![finding("", "noted")],
                ..Evidence::default()
            },
        };
        let json = serde_json::to_string(&scanned.line()).expect("JSON");
        let expected = concat!(
            r#"{"path":"a.zip","result":"Infected","findings":[{"member":"b/c","threat":"T","engine":"clamav"},"#,
            r#"{"member":"","threat":"U","engine":"clamav"}],"reason":null,"bytes":70,"sha256":"00ff","#,
            r#""definitions":"daily-1","milliseconds":7}"#
        );
        assert_eq!(json, expected);
        let detail = "permission denied".to_owned();
        let unread = Examined::unread("x".into(), 0, Verdict::Error { reason: ErrorReason::AccessDenied, detail });
        let line: Value = serde_json::to_value(unread.line()).expect("JSON");
        let expected = json!({"path": "x", "result": "Error", "findings": [], "reason": "access denied", "bytes": 0,
            "sha256": null, "definitions": null, "milliseconds": 0});
        assert_eq!(line, expected);
    }

    #[test]
    fn a_person_reads_what_was_found_and_where() {
        let text = |verdict| Examined::unread("p".into(), 0, verdict).text();
        assert_eq!(text(Verdict::Clean), ["p: Clean"]);
        let findings = vec![finding("", "T"), finding("a/b", "U")];
        assert_eq!(text(Verdict::Infected { findings }), ["p: Infected T", "p: Infected U (a/b)"]);
        let encrypted =
            |detail: &str| Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: detail.into() };
        assert_eq!(text(encrypted("a.txt")), ["p: Unscannable encrypted (a.txt)"]);
        assert_eq!(text(encrypted("")), ["p: Unscannable encrypted"]);
    }
}
