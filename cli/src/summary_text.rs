//! A job's end, for a person.

use lazaret_model::summary::{DefinitionsUse, Status};
use lazaret_model::{Completeness, Failure, Totals};

use crate::escape;
use crate::record::{FailureView, JobRecord, advice};
use crate::units;

/// The word for a status.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Complete => "COMPLETE",
        Status::Incomplete => "INCOMPLETE",
        Status::Failed => "FAILED",
        Status::Stopped => "STOPPED",
    }
}

/// The whole text about a job that has ended.
pub fn ended(record: &JobRecord) -> String {
    let mut lines = vec![format!(
        "Job {} {} after {}",
        record.job_id,
        status_word(record.status()),
        units::duration(record.seconds(record.execution.stopped_at.unwrap_or(record.execution.started_at)))
    )];
    if let Some(summary) = &record.summary {
        lines.push(String::new());
        lines.extend(totals(&summary.totals));
        lines.push(String::new());
        lines.push(completeness(&summary.completeness));
        lines.extend(not_read(&summary.totals));
        lines.extend(actions_failed(&summary.totals));
        lines.extend(definitions(&summary.definitions));
        lines.extend(noted(&summary.totals));
        lines.push(format!("Report: {}", escape::line(&summary.report)));
        lines.push(format!("        lazaret report {id} --html {id}.html", id = record.job_id));
    }
    if let Some(failure) = record.failure() {
        lines.extend(failed(&failure));
        if record.summary.is_none() && may_have_scanned(&failure.name) {
            lines.push(format!("What was scanned until then: lazaret report {}", record.job_id));
        }
    }
    lines.join("\n")
}

/// A line for each total; those that are rare are left out when they are nothing.
pub fn totals(totals: &Totals) -> Vec<String> {
    let line = |name: &str, number: String| format!("  {name:<18}{number:>15}");
    let mut lines = vec![
        line("crawled", units::count(totals.crawled)),
        line("in the window", units::count(totals.in_window)),
        line("clean", units::count(totals.clean)),
        line("infected", units::count(totals.infected)),
        line("unscannable", units::count(totals.unscannable)),
        line("error", units::count(totals.error)),
        line("skipped", units::count(totals.skipped)),
        line("gone", units::count(totals.gone)),
    ];
    if totals.infected_allowed > 0 {
        lines.insert(4, line("infected, allowed", units::count(totals.infected_allowed)));
    }
    lines.push(line("bytes", units::bytes(totals.bytes)));
    lines
}

/// The proof, or what it lacks, in one sentence.
pub fn completeness(proof: &Completeness) -> String {
    let Completeness { crawled, in_window, outside_window, rows, packets, parts, duplicates, .. } = proof;
    let [crawled, in_window, outside_window, rows, packets, parts] =
        [crawled, in_window, outside_window, rows, packets, parts].map(|number| units::count(*number));
    if proof.complete {
        return format!(
            "Complete: {crawled} crawled = {in_window} in the window + {outside_window} outside; \
             {in_window} in the window = {rows} rows; no object twice, none missing."
        );
    }
    let mut text = format!(
        "INCOMPLETE: {crawled} crawled, {in_window} in the window and {outside_window} outside, {rows} rows; \
         {parts} of {packets} packets reported"
    );
    if *duplicates > 0 {
        text.push_str(&format!("; {} twice", units::counted(*duplicates, "row")));
    }
    if !proof.missing_packets.is_empty() {
        let named = proof.missing_packets.iter().map(|packet| escape::line(packet)).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("; missing: {named}"));
    }
    text.push('.');
    text
}

/// Exit code 0 doesn't say it, so this line does: what was not looked at may be anything.
pub fn not_read(totals: &Totals) -> Option<String> {
    let parts = [(totals.unscannable, "unscannable"), (totals.error, "error"), (totals.skipped, "skipped")];
    let all: u64 = parts.iter().map(|(number, _)| number).sum();
    if all == 0 {
        return None;
    }
    let named: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{} {name}", units::count(*number)))
        .collect();
    let were = if all == 1 { "was" } else { "were" };
    Some(format!(
        "Not wholly read: {} {were} not scanned to the end ({}); nothing is known of what they hold.",
        units::counted(all, "object"),
        named.join(", ")
    ))
}

fn actions_failed(totals: &Totals) -> Option<String> {
    (totals.actions_failed > 0).then(|| {
        format!(
            "Actions failed: {} could not be tagged, moved or deleted and stand where they stood; the report says which and why.",
            units::counted(totals.actions_failed, "object")
        )
    })
}

/// One line a version; none for summaries that do not know it.
fn definitions(used: &[DefinitionsUse]) -> Vec<String> {
    let age = |seconds: u64| format!(", at most {} old", units::duration(seconds as f64));
    let line = |used: &DefinitionsUse| {
        let age = used.oldest_age_seconds.map(age).unwrap_or_default();
        format!("Definitions: {} ({}{age})", escape::line(&used.version), units::counted(used.objects, "object"))
    };
    used.iter().map(line).collect()
}

fn noted(totals: &Totals) -> Option<String> {
    (totals.noted > 0)
        .then(|| format!("Notes: {} matched a rule that only notes.", units::counted(totals.noted, "object")))
}

/// Name, cause and advice.
pub fn failed(failure: &FailureView) -> Vec<String> {
    let mut lines = vec![format!("Error: {}", escape::line(&failure.name))];
    if !failure.cause.is_empty() {
        lines.push(format!("Cause: {}", escape::line(&cause_text(&failure.cause))));
    }
    lines.push(format!("What to do: {}", advice(&failure.name)));
    lines
}

/// Whether the failure comes after the point where agents may have recorded something.
fn may_have_scanned(failure: &str) -> bool {
    let before = [
        Failure::BadInput,
        Failure::BucketNotFound,
        Failure::AccessDenied,
        Failure::NothingToScan,
        Failure::OverBudget,
    ];
    !before.iter().any(|known| known.name() == failure)
}

/// A Lambda's error arrives as JSON text with its message inside.
fn cause_text(cause: &str) -> String {
    let message = serde_json::from_str::<serde_json::Value>(cause).ok();
    let message = message.as_ref().and_then(|document| document.get("errorMessage")).and_then(|text| text.as_str());
    message.unwrap_or(cause).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, summary};

    #[tokio::test]
    async fn the_summary_names_totals_completeness_and_what_was_not_read() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let mut summary = summary("job-1", 1_200, 2);
        summary.totals.clean -= 3;
        summary.totals.unscannable = 1;
        summary.totals.error = 2;
        summary.totals.actions_failed = 1;
        lab.executions.succeed("job-1", serde_json::to_value(&summary).expect("JSON"));
        let text = ended(&JobRecord::load(&lab.cloud(), &job).await.expect("a record"));
        for expected in [
            "Job job-1 COMPLETE after",
            "1,200",
            "Complete: 1,200 crawled = 1,200 in the window + 0 outside",
            "3 objects were not scanned to the end (1 unscannable, 2 error)",
            "Actions failed: 1 object ",
            "Report: s3://results/jobs/job-1/report.html",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_failure_says_its_cause_without_its_wrapping_and_what_to_do() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let cause = r#"{"errorMessage":"no object of s3://b/\u001b[2J lies in the window","errorType":"Lazaret.NothingToScan"}"#;
        lab.executions.fail("job-1", "Lazaret.NothingToScan", cause);
        let text = ended(&JobRecord::load(&lab.cloud(), &job).await.expect("a record"));
        assert!(text.contains("FAILED") && text.contains("Error: Lazaret.NothingToScan"), "{text}");
        assert!(text.contains("Cause: no object of s3://b/\\u{1b}[2J lies in the window"), "{text}");
        assert!(text.contains("widen --from") && !text.contains("lazaret report"), "{text}");
    }

    #[test]
    fn an_incomplete_job_names_the_missing_packets() {
        let mut proof = summary("job-1", 10, 0).completeness;
        proof.complete = false;
        proof.rows = 7;
        proof.parts = 0;
        proof.missing_packets = vec!["0000-00000001-0000000000".into()];
        let text = completeness(&proof);
        assert!(text.starts_with("INCOMPLETE") && text.contains("missing: 0000-00000001-0000000000"), "{text}");
    }
}
