//! The report tells what is there, and what is missing.

mod world;

use lazaret_aws::StoreError;
use lazaret_aws::fake::FailingStore;
use lazaret_functions::report::Input;
use lazaret_model::result::part_from_json_lines;
use lazaret_model::summary::Status;
use lazaret_model::{CrawlId, Failure, Summary, layout};
use world::{RESULTS, World, clean, infected, job, now, plan, row};

fn input() -> Input {
    Input { job_id: job().job_id, agents: 5 }
}

async fn report(world: &World) -> Summary {
    world.report().handle(input(), now()).await.expect("a report")
}

#[tokio::test]
async fn a_complete_job_has_a_summary_its_findings_and_a_page() {
    let (world, plan) = (World::new(), plan(2, 2));
    world.put_plan(&plan);
    let hostile = "</script><script>alert(1)</script>\u{202e}\n.exe";
    world.put_rows(&plan, 0, &clean(&["a", "b"]));
    world.put_rows(&plan, 1, &[row(hostile, infected()), row("d", lazaret_model::Verdict::Clean)]);
    let summary = report(&world).await;
    assert_eq!((summary.status, summary.agents), (Status::Complete, 5));
    assert_eq!((summary.totals.clean, summary.totals.infected, summary.totals.crawled), (3, 1, 6));
    assert_eq!(summary.report, "s3://results/jobs/job-1/report.html");

    let object = |key: String| world.store.bytes(RESULTS, &key).expect("an object");
    let stored: Summary = serde_json::from_slice(&object(layout::summary_key(&job().job_id))).expect("a summary");
    assert_eq!(stored, summary);
    let findings = part_from_json_lines(&object(layout::findings_key(&job().job_id))).expect("rows");
    assert_eq!(findings, [row(hostile, infected())]);
    let page = object(layout::html_key(&job().job_id));
    assert!(!String::from_utf8_lossy(&page).contains("<script>alert"));
    assert_eq!(
        world.store.content_type_of(RESULTS, &layout::html_key(&job().job_id)).as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(report(&world).await, summary, "twice is once");
}

#[tokio::test]
async fn missing_and_damaged_parts_make_the_job_incomplete_and_are_named() {
    let (world, plan) = (World::new(), plan(3, 1));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    world.put_part(&plan, &plan.crawls[0].crawl_id.packet(1), b"{\"bucket\":\"bucket\",\"result\":\"Clea");
    let summary = report(&world).await;
    assert_eq!(summary.status, Status::Incomplete);
    let proof = summary.completeness;
    assert_eq!((proof.rows, proof.parts, proof.packets), (1, 1, 3));
    assert_eq!(proof.missing_packets, ["0000-0000abcd-0000000001", "0000-0000abcd-0000000002"]);
}

#[tokio::test]
async fn an_object_in_two_packets_is_a_duplicate_and_one_too_few() {
    let (world, plan) = (World::new(), plan(2, 2));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a", "b"]));
    world.put_rows(&plan, 1, &clean(&["b", "c"]));
    let proof = report(&world).await.completeness;
    assert_eq!((proof.rows, proof.duplicates, proof.complete), (4, 1, false));
}

#[tokio::test]
async fn parts_of_a_void_crawl_are_not_part_of_the_report() {
    let (world, plan) = (World::new(), plan(1, 1));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    let mut void = plan.clone();
    void.crawls[0].crawl_id = CrawlId::new(0, 0xdead);
    world.put_rows(&void, 0, &[row("a", infected())]);
    let summary = report(&world).await;
    assert_eq!((summary.status, summary.totals.infected), (Status::Complete, 0));
}

#[tokio::test]
async fn a_row_of_another_bucket_voids_its_part() {
    let (world, plan) = (World::new(), plan(1, 1));
    world.put_plan(&plan);
    let mut rows = clean(&["a"]);
    rows[0].object.bucket = "other".into();
    world.put_rows(&plan, 0, &rows);
    let proof = report(&world).await.completeness;
    assert_eq!((proof.rows, proof.parts, proof.missing_packets.len()), (0, 0, 1));
}

#[tokio::test]
async fn a_job_without_packets_is_complete() {
    let world = World::new();
    world.put_plan(&plan(0, 0));
    let summary = report(&world).await;
    assert_eq!((summary.status, summary.totals.crawled, summary.totals.rows()), (Status::Complete, 2, 0));
}

#[tokio::test]
async fn many_parts_are_added_up_in_order() {
    let (world, plan) = (World::new(), plan(300, 10));
    world.put_plan(&plan);
    for sequence in 0..300 {
        let keys: Vec<String> = (0..10).map(|number| format!("{sequence}/{number}")).collect();
        let rows: Vec<_> = keys.iter().map(|key| row(key, infected())).collect();
        world.put_rows(&plan, sequence, &rows);
    }
    let summary = report(&world).await;
    assert_eq!((summary.status, summary.totals.infected), (Status::Complete, 3_000));
    let findings = world.store.bytes(RESULTS, &layout::findings_key(&job().job_id)).expect("findings");
    let rows = part_from_json_lines(&findings).expect("rows");
    assert_eq!((rows[0].object.key.as_str(), rows[2_999].object.key.as_str()), ("0/0", "299/9"));
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_never_taken_for_a_missing_part() {
    let (world, plan) = (World::new(), plan(1, 1));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    let busy = || StoreError::Transient("SlowDown".into());
    let store = FailingStore::new(world.store.clone());
    // the first call reads the plan
    store.faults.fail("get", 2, busy());
    let summary = world.report_over(store).handle(input(), now()).await.expect("a report");
    assert_eq!(summary.status, Status::Complete);
    let store = FailingStore::new(world.store.clone());
    (2..=4).for_each(|call| store.faults.fail("get", call, busy()));
    let error = world.report_over(store).handle(input(), now()).await.expect_err("busy for long");
    assert_eq!(error.failure, Failure::Transient);
}

#[tokio::test]
async fn no_summary_is_written_before_the_rest_is_there() {
    let (world, plan) = (World::new(), plan(1, 1));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    let store = FailingStore::new(world.store.clone());
    store.faults.fail("put", 2, StoreError::Transient("SlowDown".into()));
    world.report_over(store).handle(input(), now()).await.expect_err("busy");
    assert!(!world.store.exists(RESULTS, &layout::summary_key(&job().job_id)));
}
