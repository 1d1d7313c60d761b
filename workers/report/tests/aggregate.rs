//! Parts in, proof out: nothing that is missing, doubled or foreign goes unsaid.

mod sample;

use lazaret_model::summary::Status;
use lazaret_model::{Completeness, CrawlId, ResultRow, Verdict};
use lazaret_report::{Aggregator, PartError, summarise};
use sample::{infected, moment, plan, row};

fn clean(keys: &[&str]) -> Vec<ResultRow> {
    keys.iter().map(|key| row(key, Verdict::Clean)).collect()
}

#[test]
fn a_job_whose_rows_are_all_there_is_complete() {
    let plan = plan(2, 3);
    let mut books = Aggregator::new(&plan);
    books.part(&clean(&["a", "b"])).expect("its rows");
    books.part(&[row("c", infected(&["x"]))]).expect("its rows");
    let audit = books.finish();
    assert!(audit.completeness.complete);
    assert_eq!((audit.totals.crawled, audit.totals.in_window, audit.totals.rows()), (10, 3, 3));
    assert_eq!((audit.totals.clean, audit.totals.infected, audit.totals.bytes), (2, 1, 3 * 12_345));
    let summary = summarise(&plan, audit, 4, moment("2026-11-01T01:00:00Z"), "s3://r/k".into());
    assert_eq!((summary.status, summary.agents), (Status::Complete, 4));
}

#[test]
fn a_missing_part_and_one_that_was_never_spoken_of_are_named() {
    let plan = plan(3, 3);
    let mut books = Aggregator::new(&plan);
    books.part(&clean(&["a"])).expect("its rows");
    books.missing();
    let proof = books.finish().completeness;
    assert!(!proof.complete);
    assert_eq!(proof.missing_packets, ["0000-0000abcd-0000000001", "0000-0000abcd-0000000002"]);
    assert_eq!((proof.packets, proof.parts, proof.rows), (3, 1, 1));
}

#[test]
fn an_object_reported_twice_is_found_though_the_sums_agree() {
    let plan = plan(2, 4);
    let mut books = Aggregator::new(&plan);
    books.part(&clean(&["a", "b"])).expect("its rows");
    books.part(&clean(&["b", "d"])).expect("its rows");
    let proof = books.finish().completeness;
    assert_eq!((proof.rows, proof.duplicates, proof.complete), (4, 1, false));
}

#[test]
fn the_same_key_in_two_buckets_is_no_duplicate() {
    let mut plan = plan(1, 1);
    let mut other = plan.crawls[0].clone();
    other.crawl_id = CrawlId::new(1, 1);
    other.scope.name = "other".into();
    plan.crawls.push(other);
    let mut books = Aggregator::new(&plan);
    books.part(&clean(&["a"])).expect("its rows");
    let mut rows = clean(&["a"]);
    rows[0].object.bucket = "other".into();
    books.part(&rows).expect("its rows");
    assert!(books.finish().completeness.complete);
}

#[test]
fn rows_that_the_crawl_can_not_have_listed_void_their_part() {
    let mut plan = plan(4, 4);
    plan.crawls[0].scope.prefix = "in/".into();
    let mut books = Aggregator::new(&plan);
    assert!(matches!(books.part(&clean(&["in/a", "out/b"])), Err(PartError::OutsidePrefix(..))));
    let mut foreign = clean(&["in/a"]);
    foreign[0].object.bucket = "other".into();
    assert!(matches!(books.part(&foreign), Err(PartError::OtherBucket(..))));
    let mut late = clean(&["in/a"]);
    late[0].object.last_modified = plan.job.window.to;
    assert!(matches!(books.part(&late), Err(PartError::OutsideWindow(..))));
    assert!(matches!(books.part(&[]), Err(PartError::Empty(..))));
    let proof = books.finish().completeness;
    assert_eq!((proof.rows, proof.parts, proof.missing_packets.len()), (0, 0, 4));
}

#[test]
fn a_summary_fits_into_a_state_of_step_functions_whatever_is_in_it() {
    let mut plan = plan(1_000, 1_000);
    let crawl = plan.crawls[0].clone();
    plan.crawls = (0..1_000)
        .map(|index| {
            let mut crawl = crawl.clone();
            crawl.crawl_id = CrawlId::new(index, 1);
            crawl.scope.prefix = "\u{1}".repeat(1024);
            crawl
        })
        .collect();
    let audit = Aggregator::new(&plan).finish();
    assert_eq!(audit.completeness.missing_packets.len(), Completeness::NAMED);
    let summary = summarise(&plan, audit, 0, moment("2026-11-01T01:00:00Z"), "s3://r/k".into());
    assert!(!summary.scopes.is_empty());
    assert!(serde_json::to_string(&summary).expect("JSON").len() < 256 * 1024);
}
