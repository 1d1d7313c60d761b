//! A report for a terminal: the first findings as a table.

use lazaret_model::{Finding, ResultRow, Verdict};

use crate::escape;
use crate::units;

/// Rows in the table.
const ROWS: usize = 50;
/// Findings that are named for one object; an archive can have thousands.
const FINDINGS_NAMED: usize = 3;

/// Collects the first rows, the infected ones before the others.
#[derive(Debug, Default)]
pub struct FirstRows {
    infected: Vec<String>,
    others: Vec<String>,
    rows: u64,
}

impl FirstRows {
    pub fn row(&mut self, row: &ResultRow) {
        if !row.is_remarkable() {
            return;
        }
        self.rows += 1;
        let place = if matches!(row.verdict, Verdict::Infected { .. }) { &mut self.infected } else { &mut self.others };
        if place.len() < ROWS {
            place.push(line(row));
        }
    }

    /// The table; empty if everything was Clean.
    pub fn lines(self) -> Vec<String> {
        let mut lines: Vec<String> = self.infected.into_iter().chain(self.others).take(ROWS).collect();
        if lines.is_empty() {
            return lines;
        }
        let shown = lines.len() as u64;
        lines.insert(0, format!("{:<16}{:<44}OBJECT", "RESULT", "WHY"));
        if self.rows > shown {
            lines.push(format!(
                "… and {} more: --json, --csv FILE and --html FILE have them all",
                units::count(self.rows - shown)
            ));
        }
        lines
    }
}

fn line(row: &ResultRow) -> String {
    let why = match row.verdict.findings() {
        [] if row.verdict == Verdict::Clean => format!("note: {}", threats(&row.evidence.notes)),
        [] if row.verdict.detail().is_empty() => row.verdict.reason().unwrap_or_default().to_owned(),
        [] => format!("{} ({})", row.verdict.reason().unwrap_or_default(), row.verdict.detail()),
        findings => threats(findings),
    };
    let version = row.object.version_id.as_deref().map(|version| format!(" (version {version})")).unwrap_or_default();
    let object = format!("s3://{}/{}{version}", row.object.bucket, row.object.key);
    // a column never touches the next, however long it is
    format!("{:<15} {:<43} {}", row.verdict.name(), escape::line(&why), escape::line(&object))
}

fn threats(findings: &[Finding]) -> String {
    let name = |finding: &Finding| match finding.member.as_str() {
        "" => finding.threat.clone(),
        member => format!("{} in {member}", finding.threat),
    };
    let mut text = findings.iter().take(FINDINGS_NAMED).map(name).collect::<Vec<_>>().join(", ");
    if findings.len() > FINDINGS_NAMED {
        text.push_str(&format!(" and {} more", findings.len() - FINDINGS_NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::UnscannableReason;

    use super::*;
    use crate::testing::{infected, row};

    #[test]
    fn fifty_rows_are_shown_infected_ones_first_and_the_rest_is_counted() {
        let mut first = FirstRows::default();
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        for number in 0..60 {
            first.row(&row(&format!("zip-{number}"), encrypted.clone()));
        }
        first.row(&row("evil\u{1b}[2J.exe", infected("Eicar-Test")));
        first.row(&row("clean", Verdict::Clean));
        let lines = first.lines();
        assert_eq!(lines.len(), 1 + ROWS + 1);
        assert!(lines[1].starts_with("Infected") && lines[1].contains("Eicar-Test"), "{}", lines[1]);
        assert!(lines[1].ends_with("s3://bucket/evil\\u{1b}[2J.exe"), "{}", lines[1]);
        assert!(lines[51].starts_with("… and 11 more"), "{}", lines[51]);
    }

    #[test]
    fn a_clean_job_has_no_table() {
        let mut first = FirstRows::default();
        first.row(&row("clean", Verdict::Clean));
        assert!(first.lines().is_empty());
    }
}
