//! JSON, CSV and the page, with hostile keys in all of them.

mod sample;

use lazaret_model::{Action, ActionKind, ActionOutcome, ResultRow, Summary};
use lazaret_model::{Evidence, Verdict};
use lazaret_report::{Aggregator, CsvReport, JsonReport, Page, ReportDocument, ReportRow, summarise};
use sample::{HOSTILE_KEYS, infected, moment, plan, row, scanned, verdict};

fn rows() -> Vec<ResultRow> {
    HOSTILE_KEYS.iter().enumerate().map(|(number, key)| row(key, verdict(number))).collect()
}

fn summary(rows: &[ResultRow]) -> Summary {
    let plan = plan(1, rows.len() as u64);
    let mut books = Aggregator::new(&plan);
    books.part(rows).expect("its rows");
    summarise(&plan, books.finish(), 1, moment("2026-11-01T01:00:00Z"), "s3://results/jobs/job-1/report.html".into())
}

#[test]
fn the_json_written_row_by_row_is_the_document() {
    let rows = rows();
    let mut report = JsonReport::begin(Vec::new(), &summary(&rows)).expect("a vector");
    for row in &rows {
        report.row(row).expect("a vector");
    }
    let text = String::from_utf8(report.finish().expect("a vector")).expect("UTF-8");
    assert_eq!(text.lines().count(), 1);
    let document: ReportDocument = serde_json::from_str(&text).expect("a document");
    assert_eq!(document.rows, rows.iter().map(ReportRow::from).collect::<Vec<_>>());
    assert_eq!(serde_json::to_string(&document).expect("JSON"), text.trim_end());
}

#[test]
fn what_an_object_has_not_is_there_as_null() {
    let rows = [row("k", infected(&["x"]))];
    let mut report = JsonReport::begin(Vec::new(), &summary(&rows)).expect("a vector");
    report.row(&rows[0]).expect("a vector");
    let document: serde_json::Value = serde_json::from_slice(&report.finish().expect("a vector")).expect("a document");
    let row = document["rows"][0].as_object().expect("a row");
    for field in ["versionId", "reason", "action"] {
        assert_eq!(row.get(field), Some(&serde_json::Value::Null), "{field}");
    }
    assert_eq!(row["findings"][0]["engine"], "clamav");
    assert_eq!(document["totals"]["inWindow"], 1);
    assert_eq!(document["status"], "COMPLETE");
}

#[test]
fn a_report_without_rows_is_a_document_too() {
    let plan = plan(0, 0);
    let summary =
        summarise(&plan, Aggregator::new(&plan).finish(), 0, moment("2026-11-01T01:00:00Z"), "s3://r/k".into());
    let report = JsonReport::begin(Vec::new(), &summary).expect("a vector").finish().expect("a vector");
    assert_eq!(serde_json::from_slice::<ReportDocument>(&report).expect("a document").rows, []);
}

#[test]
fn no_cell_of_the_csv_is_a_formula_and_every_key_stays_in_its_cell() {
    let mut rows = rows();
    for (row, start) in rows.iter_mut().zip(["=", "+", "-", "@", "\t", "\r", "\n", "＝"]) {
        row.object.key = format!("{start}HYPERLINK(\"x\")");
    }
    let mut csv = Vec::new();
    let mut report = CsvReport::begin(&mut csv).expect("a vector");
    for row in &rows {
        report.row(row).expect("a vector");
    }
    report.finish().expect("a vector");
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    assert_eq!(reader.headers().expect("a head").get(1), Some("key"));
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("a record")).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        assert_eq!(record.get(1), Some(format!("'{}", row.object.key).as_str()));
        let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']);
        assert!(!record.iter().any(formula));
    }
}

#[test]
fn hostile_keys_are_never_markup_in_the_page() {
    let rows = rows();
    let mut page = Page::default();
    for row in &rows {
        page.row(row);
    }
    let html = page.render(&summary(&rows)).expect("a page");
    assert_eq!(html.matches("<script").count(), 2, "the data and our own");
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img") && !html.contains("<!--"));
    let start = html.find("type=\"application/json\">").expect("the data") + "type=\"application/json\">".len();
    let data = &html[start..start + html[start..].find("</script>").expect("its end")];
    let cells: Vec<Vec<serde_json::Value>> = serde_json::from_str(data).expect("JSON");
    let mut keys: Vec<&str> = cells.iter().filter_map(|row| row[1].as_str()).collect();
    let mut expected = HOSTILE_KEYS.to_vec();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[test]
fn the_page_asks_no_network_for_anything() {
    let html = Page::default().render(&summary(&rows())).expect("a page");
    for source in ["http://", "https://", " src=", "url(", "@import", "<link"] {
        assert!(!html.contains(source), "{source}");
    }
    assert!(html.contains("default-src 'none'") && !html.contains("unsafe-inline"));
    for forbidden in ["innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_page_that_is_full_keeps_the_infected_and_says_what_it_leaves_out() {
    let mut rows = rows();
    rows.push(row("last", infected(&["x"])));
    let mut page = Page::with_limits(4, usize::MAX);
    for row in &rows {
        page.row(row);
    }
    let html = page.render(&summary(&rows)).expect("a page");
    assert!(html.contains("\"last\""));
    assert!(html.contains("This page holds 4 of the 10 objects") && html.contains("findings.jsonl"));
    let whole = Page::with_limits(0, 0).render(&summary(&[row("k", lazaret_model::Verdict::Clean)])).expect("a page");
    assert!(!whole.contains("id=\"cut\""));
}

#[test]
fn an_incomplete_job_says_so_in_words_and_names_packets() {
    let plan = plan(3, 30);
    let mut books = Aggregator::new(&plan);
    books.missing();
    let summary = summarise(&plan, books.finish(), 1, moment("2026-11-01T01:00:00Z"), "s3://r/k".into());
    let html = Page::default().render(&summary).expect("a page");
    assert!(html.contains("data-complete=\"false\"") && html.contains("INCOMPLETE"));
    assert!(html.contains("30 objects in the window have no verdict."));
    assert!(html.contains("3 packets have no result: 0000-0000abcd-0000000000"));
}

#[test]
fn a_failed_action_reads_as_one_in_every_document() {
    let mut failed = row("k", infected(&["x"]));
    failed.action = Some(Action {
        kind: ActionKind::Move { to_bucket: "quarantine".into(), to_key: "bucket/k/1".into() },
        outcome: ActionOutcome::Failed("access denied".into()),
    });
    let summary = summary(std::slice::from_ref(&failed));
    assert_eq!(summary.totals.actions_failed, 1);
    let mut page = Page::default();
    page.row(&failed);
    let html = page.render(&summary).expect("a page");
    assert!(html.contains("1 action was not done") && html.contains("failed: access denied"));
    let mut csv = Vec::new();
    let mut report = CsvReport::begin(&mut csv).expect("a vector");
    report.row(&failed).expect("a vector");
    report.finish().expect("a vector");
    assert!(String::from_utf8(csv).expect("UTF-8").contains("Move,failed: access denied"));
}

#[test]
fn what_a_verdict_rests_on_and_what_was_noted_is_in_every_document() {
    let mut rows = vec![
        scanned("noted", Verdict::Clean, &["=rule"]),
        scanned("bad", infected(&["x"]), &[]),
        scanned("plain and clean", Verdict::Clean, &[]),
        row("old part", Verdict::Clean),
    ];
    rows[2].evidence.cached = true;
    rows[1].evidence = Evidence { definitions_age_seconds: Some(9_000), ..rows[1].evidence.clone() };
    let summary = summary(&rows);
    assert_eq!((summary.totals.cache_hits, summary.totals.noted), (1, 1));
    let [used] = summary.definitions.as_slice() else { panic!("{:?}", summary.definitions) };
    assert_eq!((used.objects, used.oldest_age_seconds), (3, Some(9_000)));

    let mut json = JsonReport::begin(Vec::new(), &summary).expect("a vector");
    let mut bytes = Vec::new();
    let mut csv = CsvReport::begin(&mut bytes).expect("a vector");
    let mut page = Page::default();
    for row in &rows {
        json.row(row).expect("a vector");
        csv.row(row).expect("a vector");
        page.row(row);
    }
    csv.finish().expect("a vector");
    let document: ReportDocument = serde_json::from_slice(&json.finish().expect("a vector")).expect("a document");
    assert_eq!(document.rows[0].definitions.as_deref(), Some("daily-27456-8f14e45f"));
    assert_eq!((document.rows[0].notes.len(), document.rows[0].sha256.as_deref()), (1, Some("00ff")));
    assert_eq!((&document.rows[3].definitions, &document.rows[3].sha256), (&None, &None));

    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let head = reader.headers().expect("a head").clone();
    let place = |name: &str| head.iter().position(|column| column == name).expect("a column");
    let first = reader.records().next().expect("a row").expect("a row");
    assert_eq!(first.get(place("definitions")), Some("daily-27456-8f14e45f"));
    assert_eq!(first.get(place("notes")), Some("'=rule"), "not run as a formula");

    let html = page.render(&summary).expect("a page");
    assert!(html.contains("daily-27456-8f14e45f (3 objects, at most 2 h 30 min old)"), "{html}");
    assert!(
        html.contains("\"noted\"") && !html.contains("plain and clean"),
        "a noted row has its place, another clean one has not"
    );
}
