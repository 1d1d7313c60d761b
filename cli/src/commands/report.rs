//! `lazaret report`: what a job found, as text, JSON, CSV or a page.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use lazaret_model::{Summary, layout};
use lazaret_report::{CsvReport, JsonReport, Page};

use crate::cloud::{self, Cloud};
use crate::console::Console;
use crate::escape::JsonSafe;
use crate::outcome::Outcome;
use crate::partial;
use crate::record::{JobRecord, stored_summary};
use crate::report_rows::{Rows, find_findings, find_parts};
use crate::report_text::FirstRows;
use crate::summary_text;
use crate::units;

/// Print or save what a job found
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// The job's id
    pub id: String,
    #[command(flatten)]
    pub format: FormatArgs,
    /// Every object, the Clean ones too (JSON and CSV)
    #[arg(long)]
    pub all: bool,
}

// One of these, or text. No doc comment here: clap would take it for the help of the command.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
pub struct FormatArgs {
    /// Print one line of JSON: totals, and a row for each object that is not Clean
    #[arg(long)]
    pub json: bool,
    /// Write a table for a spreadsheet to FILE; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write one page that opens without a network to FILE; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A summary with its rows.
struct Report {
    summary: Summary,
    rows: Rows,
    /// Whether `rows` has Clean ones that were not asked for.
    drop_clean: bool,
    /// How many rows there must be.
    expected: u64,
}

/// Ends as the job did; with 2 while it has no complete report.
///
/// # Errors
/// If there is no such job, a row can't be read, or FILE can't be written.
pub async fn run(cloud: &Cloud, args: &ReportArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let job_id = cloud::job_id(&args.id)?;
    let record = match JobRecord::load(cloud, &job_id).await {
        Ok(record) => Some(record),
        // Step Functions forgets an execution after 90 days, the results bucket keeps the report
        Err(error) => match stored_summary(cloud.store.as_ref(), &cloud.results_bucket, &job_id).await? {
            Some(_) => None,
            None => return Err(error),
        },
    };
    let summary = match &record {
        Some(record) => record.summary.clone(),
        None => stored_summary(cloud.store.as_ref(), &cloud.results_bucket, &job_id).await?,
    };
    let report = match (summary, &record) {
        (Some(summary), _) => finished(cloud, summary, args.all).await?,
        (None, Some(record)) => {
            let partial = partial::read(cloud, record, args.all).await?;
            console.note(&partial.note)?;
            let totals = &partial.summary.totals;
            let expected = if args.all { totals.rows() } else { totals.rows() - totals.clean };
            Report { summary: partial.summary, rows: partial.rows, drop_clean: false, expected }
        }
        (None, None) => anyhow::bail!("the summary of job `{job_id}` was removed meanwhile"),
    };
    let written = write(cloud, args, &report, record.as_ref(), console).await?;
    let mut outcome = Outcome::of_job(report.summary.status, &report.summary.totals);
    if written.is_some_and(|written| written != report.expected) {
        console.note(&format!(
            "Warning: {} of {} were found in s3://{}: some results of this job were removed or changed since its end.",
            units::count(written.unwrap_or_default()),
            units::counted(report.expected, "row"),
            cloud.results_bucket
        ))?;
        outcome = Outcome::Failed;
    }
    Ok(outcome)
}

async fn finished(cloud: &Cloud, summary: Summary, all: bool) -> anyhow::Result<Report> {
    let totals = &summary.totals;
    let expected = if all { totals.rows() } else { totals.rows() - totals.clean };
    let findings = if all { None } else { find_findings(cloud, &summary.job_id).await? };
    let drop_clean = !all && findings.is_none();
    let rows = match findings {
        Some(findings) => Rows::Findings(findings),
        None if expected == 0 => Rows::Parts(Vec::new()),
        None => Rows::Parts(find_parts(cloud, &summary.job_id, None).await?),
    };
    Ok(Report { summary, rows, drop_clean, expected })
}

/// Returns the number of rows that were written, or `None` where the stored page was taken as it is.
async fn write(
    cloud: &Cloud,
    args: &ReportArgs,
    report: &Report,
    record: Option<&JobRecord>,
    console: &mut Console,
) -> anyhow::Result<Option<u64>> {
    let FormatArgs { json, csv, html } = &args.format;
    if *json {
        let mut out = JsonReport::begin(JsonSafe(BufWriter::new(console.out())), &report.summary)?;
        let written = report.visit(cloud, &mut |row| Ok(out.row(row)?)).await?;
        out.finish()?;
        return Ok(Some(written));
    }
    if let Some(path) = csv {
        let mut out = CsvReport::begin(open(path, console)?)?;
        let written = report.visit(cloud, &mut |row| Ok(out.row(row)?)).await?;
        out.finish().with_context(|| path.display().to_string())?;
        return Ok(Some(written));
    }
    if let Some(path) = html {
        let (page, written) = page(cloud, report).await?;
        let mut out = open(path, console)?;
        out.write_all(&page).and_then(|()| out.flush()).with_context(|| path.display().to_string())?;
        return Ok(written);
    }
    let mut first = FirstRows::default();
    let written = report
        .visit(cloud, &mut |row| {
            first.row(row);
            Ok(())
        })
        .await?;
    console.text(&text(report, record, first))?;
    Ok(Some(written))
}

/// The page as the job's own report function wrote it, else one made here.
async fn page(cloud: &Cloud, report: &Report) -> anyhow::Result<(Vec<u8>, Option<u64>)> {
    let job_id = &report.summary.job_id;
    if !matches!(report.rows, Rows::Spooled(_))
        && let Some(stored) = cloud.store.get(&cloud.results_bucket, &layout::html_key(job_id)).await?
    {
        return Ok((stored.bytes.to_vec(), None));
    }
    let mut page = Page::default();
    let written = report
        .visit(cloud, &mut |row| {
            page.row(row);
            Ok(())
        })
        .await?;
    Ok((page.render(&report.summary).context("writing the page")?.into_bytes(), Some(written)))
}

fn text(report: &Report, record: Option<&JobRecord>, first: FirstRows) -> String {
    let summary = &report.summary;
    let mut lines = match record {
        Some(record) if record.summary.is_some() => vec![summary_text::ended(record)],
        _ => {
            let mut lines = vec![format!("Job {} {}", summary.job_id, summary_text::status_word(summary.status))];
            lines.push(String::new());
            lines.extend(summary_text::totals(&summary.totals));
            lines.push(String::new());
            lines.push(summary_text::completeness(&summary.completeness));
            lines.extend(summary_text::not_read(&summary.totals));
            if let Some(failure) = record.and_then(JobRecord::failure) {
                lines.extend(summary_text::failed(&failure));
            }
            lines
        }
    };
    let table = first.lines();
    if !table.is_empty() {
        lines.push(String::new());
        lines.extend(table);
    }
    lines.join("\n")
}

fn open<'a>(path: &Path, console: &'a mut Console) -> anyhow::Result<Box<dyn Write + Send + 'a>> {
    if path == Path::new("-") {
        return Ok(Box::new(console.out()));
    }
    let file = File::create(path).with_context(|| format!("{} can't be written", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

impl Report {
    async fn visit(
        &self,
        cloud: &Cloud,
        take: &mut (dyn FnMut(&lazaret_model::ResultRow) -> anyhow::Result<()> + Send),
    ) -> anyhow::Result<u64> {
        let mut rows = 0;
        let drop_clean = self.drop_clean;
        self.rows
            .visit(cloud, &self.summary.job_id, &mut |row| {
                if drop_clean && !row.is_remarkable() {
                    return Ok(());
                }
                rows += 1;
                take(row)
            })
            .await?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::UnscannableReason;
    use lazaret_model::{CrawlId, JobId, Verdict};
    use lazaret_report::ReportDocument;

    use super::*;
    use crate::testing::{Lab, infected, plan, row, summary};

    fn args(format: FormatArgs, all: bool) -> ReportArgs {
        ReportArgs { id: "job-1".into(), format, all }
    }

    fn json() -> FormatArgs {
        FormatArgs { json: true, ..FormatArgs::default() }
    }

    /// Two packets: one Clean, one Infected with a hostile key, one Unscannable.
    fn put_parts(lab: &Lab, job: &JobId) {
        let crawl = CrawlId::new(0, 1);
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        lab.put_part(job, &crawl, 0, &[row("clean", Verdict::Clean), row("evil\u{9b}2J", infected("Eicar"))]);
        lab.put_part(job, &crawl, 1, &[row("secret.zip", encrypted)]);
    }

    async fn complete(lab: &Lab) -> JobId {
        let job = lab.start("job-1").await;
        let mut summary = summary("job-1", 3, 1);
        summary.totals.clean = 1;
        summary.totals.unscannable = 1;
        put_parts(lab, &job);
        lab.put_json(&layout::summary_key(&job), &summary);
        lab.executions.succeed("job-1", serde_json::to_value(&summary).expect("JSON"));
        job
    }

    fn put_findings(lab: &Lab, job: &JobId, rows: &[lazaret_model::ResultRow]) {
        let lines = lazaret_model::result::part_to_json_lines(rows).expect("JSON");
        lab.store.insert(crate::testing::RESULTS, &layout::findings_key(job), lines);
    }

    fn printed(lab: &Lab) -> ReportDocument {
        let text = lab.out.text();
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{9b}'), "a terminal would obey this");
        serde_json::from_str(&text).expect("a report")
    }

    #[tokio::test]
    async fn all_rows_come_from_the_parts_and_findings_from_their_object() {
        let lab = Lab::new();
        let job = complete(&lab).await;
        let outcome = run(&lab.cloud(), &args(json(), true), &mut lab.console()).await.expect("a report");
        assert_eq!(outcome, Outcome::Infected);
        let report = printed(&lab);
        let keys: Vec<&str> = report.rows.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["clean", "evil\u{9b}2J", "secret.zip"]);
        assert_eq!((report.status, report.totals.rows()), (lazaret_model::summary::Status::Complete, 3));

        let lab = Lab { out: crate::testing::Shared::default(), ..lab };
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        put_findings(&lab, &job, &[row("evil\u{9b}2J", infected("Eicar")), row("secret.zip", encrypted)]);
        let gets = lab.store.calls("get");
        run(&lab.cloud(), &args(json(), false), &mut lab.console()).await.expect("a report");
        assert_eq!(printed(&lab).rows.len(), 2);
        assert_eq!(lab.store.calls("get"), gets, "no part was read");
        let rows = serde_json::from_str::<serde_json::Value>(&lab.out.text()).expect("JSON")["rows"].clone();
        assert!(rows[0].get("versionId").is_some_and(serde_json::Value::is_null), "{rows}");
    }

    #[tokio::test]
    async fn rows_that_were_removed_since_are_said_and_end_with_two() {
        let lab = Lab::new();
        let job = complete(&lab).await;
        lab.store.remove(crate::testing::RESULTS, &layout::part_key(&job, &CrawlId::new(0, 1).packet(1)));
        let outcome = run(&lab.cloud(), &args(json(), true), &mut lab.console()).await.expect("a report");
        assert_eq!(outcome, Outcome::Failed);
        assert!(lab.err.text().contains("Warning: 2 of 3 rows"), "{}", lab.err.text());
    }

    #[tokio::test]
    async fn a_stopped_job_reports_the_parts_that_exist_and_says_so() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        put_parts(&lab, &job);
        lab.cloud().executions.stop("job-1", "Stopped", "by a test").await.expect("stopped");
        let outcome = run(&lab.cloud(), &args(json(), false), &mut lab.console()).await.expect("a report");
        assert_eq!(outcome, Outcome::Failed);
        let report = printed(&lab);
        assert_eq!(report.status, lazaret_model::summary::Status::Stopped);
        assert_eq!((report.rows.len(), report.totals.clean, report.totals.infected), (2, 1, 1));
        assert_eq!((report.totals.crawled, report.completeness.complete), (3, false));
        assert!(lab.err.text().starts_with("Partial: job job-1 is STOPPED"), "{}", lab.err.text());
    }

    #[tokio::test]
    async fn a_running_job_names_the_packets_that_are_missing() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        put_parts(&lab, &job);
        lab.put_part(&job, &CrawlId::new(0, 7), 0, &[row("given up", Verdict::Clean)]);
        lab.put_json(&layout::plan_key(&job), &plan(&job, 10, 3));
        run(&lab.cloud(), &args(json(), true), &mut lab.console()).await.expect("a report");
        let report = printed(&lab);
        assert_eq!((report.rows.len(), report.totals.crawled, report.totals.in_window), (3, 15, 10));
        assert_eq!(report.completeness.missing_packets, ["0000-00000001-0000000002"]);
        assert!(lab.err.text().contains("2 of 3 packets have reported"), "{}", lab.err.text());
    }

    #[tokio::test]
    async fn text_has_the_summary_and_the_findings_with_their_keys_escaped() {
        let lab = Lab::new();
        complete(&lab).await;
        run(&lab.cloud(), &args(FormatArgs::default(), false), &mut lab.console()).await.expect("a report");
        let text = lab.out.text();
        for expected in
            ["Job job-1 COMPLETE", "Not wholly read: 1 object", "Eicar", "s3://bucket/evil\\u{9b}2J", "encrypted"]
        {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert!(!text.contains("s3://bucket/clean"), "{text}");
    }

    #[tokio::test]
    async fn csv_and_html_are_written_to_files() {
        let lab = Lab::new();
        let job = complete(&lab).await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| Some(folder.path().join(name));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("written");
        let csv = FormatArgs { csv: path("all.csv"), ..FormatArgs::default() };
        run(&lab.cloud(), &args(csv, true), &mut lab.console()).await.expect("a report");
        assert_eq!(read("all.csv").lines().count(), 1 + 3);

        let html = |name: &str| FormatArgs { html: path(name), ..FormatArgs::default() };
        run(&lab.cloud(), &args(html("made.html"), false), &mut lab.console()).await.expect("a report");
        assert!(read("made.html").contains("job-1"));
        lab.store.insert(crate::testing::RESULTS, &layout::html_key(&job), "<stored page>");
        run(&lab.cloud(), &args(html("stored.html"), false), &mut lab.console()).await.expect("a report");
        assert_eq!(read("stored.html"), "<stored page>");
        assert_eq!(lab.out.text(), "");

        let nowhere = FormatArgs { csv: path("no/such/folder.csv"), ..FormatArgs::default() };
        let error = run(&lab.cloud(), &args(nowhere, false), &mut lab.console()).await.expect_err("no folder");
        assert!(format!("{error:#}").contains("folder.csv can't be written"), "{error:#}");
    }

    #[tokio::test]
    async fn a_job_that_step_functions_forgot_is_reported_from_its_summary() {
        let lab = Lab::new();
        let error = run(&lab.cloud(), &args(json(), false), &mut lab.console()).await.expect_err("unknown");
        assert!(error.to_string().contains("no job `job-1`"), "{error}");
        let job: JobId = "job-1".parse().expect("an id");
        lab.put_json(&layout::summary_key(&job), &summary("job-1", 3, 0));
        let outcome = run(&lab.cloud(), &args(json(), false), &mut lab.console()).await.expect("a report");
        assert_eq!((outcome, printed(&lab).rows.len()), (Outcome::NothingFound, 0));
    }
}
