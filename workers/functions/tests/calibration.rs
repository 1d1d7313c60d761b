//! What one job measured sizes the next, unless the owner does not want it.

mod world;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::StoreError;
use lazaret_aws::fake::FailingStore;
use lazaret_functions::{report, size_fleet};
use lazaret_model::calibration::{AgentAccount, Calibration};
use lazaret_model::fleet::FleetPlan;
use lazaret_model::summary::Status;
use lazaret_model::{JobId, JobPlan, Progress, Verdict, layout};
use world::{RESULTS, World, now, row};

/// 20,000 objects of one byte: at half a second each 10,000 agent-seconds.
fn job(name: &str) -> JobPlan {
    let mut plan = world::plan(40, 500);
    plan.job.job_id = name.parse().expect("an id");
    plan
}

/// Sizes the job, and is its agents: each object took `seconds`.
async fn run(world: &World, name: &str, refine: bool, seconds: f64) -> FleetPlan {
    let plan = job(name);
    world.put_crawls(&plan);
    let crawls = plan.crawls.iter().map(|crawl| crawl.brief()).collect();
    let input = size_fleet::Input { job: plan.job.clone(), crawls, quota_vcpus: None };
    let mut size_fleet = world.size_fleet();
    size_fleet.refine = refine;
    let fleet = size_fleet.handle(input, now()).await.expect("a fleet");
    for sequence in 0..40 {
        let keys = (0..500).map(|number| row(&format!("{sequence:02}/{number:03}"), Verdict::Clean));
        world.put_rows(&plan, sequence, &keys.collect::<Vec<_>>());
    }
    for agent in 0..10 {
        put_account(world, &plan.job.job_id, agent, now() + SignedDuration::from_secs(75), seconds);
    }
    fleet
}

fn put_account(world: &World, job: &JobId, agent: u64, first_packet_at: Timestamp, seconds: f64) {
    let account = AgentAccount {
        progress: Progress { scanned: 2_000, bytes: 2_000, ..Progress::default() },
        judged: 2_000,
        judged_bytes: 2_000,
        busy_milliseconds: (2_000.0 * seconds * 1e3) as u64,
        first_packet_at: Some(first_packet_at),
    };
    world.put_json(&layout::progress_key(job, &format!("agent-{agent}")), &account);
}

async fn report(world: &World, name: &str) -> Status {
    let input = report::Input { job_id: name.parse().expect("an id"), agents: 10 };
    world.report().handle(input, now()).await.expect("a report").status
}

fn known(world: &World) -> Option<Calibration> {
    let bytes = world.store.bytes(RESULTS, layout::CALIBRATION_KEY)?;
    Some(serde_json::from_slice(&bytes).expect("a calibration"))
}

#[tokio::test]
async fn a_job_whose_agents_were_slower_gets_the_next_one_more_of_them() {
    let world = World::new();
    let first = run(&world, "job-1", true, 1.0).await;
    assert_eq!(report(&world, "job-1").await, Status::Complete);
    let second = run(&world, "job-2", true, 1.0).await;
    assert!(second.agents > first.agents + first.agents / 2, "{} {}", first.agents, second.agents);
    assert!((first.work_seconds - 10_000.0).abs() < 1e-6, "{}", first.work_seconds);
    assert!(second.work_seconds > 18_000.0 && second.work_seconds < 20_000.0, "{}", second.work_seconds);
    report(&world, "job-2").await;
    let third = run(&world, "job-3", true, 1.0).await;
    assert!(third.work_seconds > second.work_seconds && third.work_seconds < 20_000.0, "{}", third.work_seconds);
}

#[tokio::test]
async fn a_report_that_is_made_twice_counts_once() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    report(&world, "job-1").await;
    let once = known(&world);
    report(&world, "job-1").await;
    assert_eq!((known(&world), once.expect("a calibration").samples.len()), (known(&world), 1));
    assert_eq!(known(&world).expect("a calibration").samples.len(), 1);
}

#[tokio::test]
async fn switched_off_nothing_is_refined_and_what_was_known_is_forgotten() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    report(&world, "job-1").await;
    let off = run(&world, "job-2", false, 1.0).await;
    assert!((off.work_seconds - 10_000.0).abs() < 1e-6, "{}", off.work_seconds);
    report(&world, "job-2").await;
    let known = known(&world).expect("the deployment's own constants, for whoever plans");
    assert_eq!((known.samples.len(), known.deployed.settings.max_agents), (0, 40));
}

#[tokio::test]
async fn an_incomplete_job_measures_nothing() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    world.put_part(&job("job-1"), &job("job-1").crawls[0].crawl_id.packet(3), b"{");
    assert_eq!(report(&world, "job-1").await, Status::Incomplete);
    assert_eq!(known(&world), None);
}

#[tokio::test]
async fn what_can_not_be_kept_or_read_fails_no_job() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    let store = FailingStore::new(world.store.clone());
    // after findings, page and summary
    store.faults.fail("put", 4, StoreError::AccessDenied("calibration".into()));
    let input = report::Input { job_id: "job-1".parse().expect("an id"), agents: 10 };
    let summary = world.report_over(store).handle(input, now()).await.expect("a report");
    assert_eq!((summary.status, known(&world)), (Status::Complete, None));
    world.store.insert(RESULTS, layout::CALIBRATION_KEY, "{");
    let next = run(&world, "job-2", true, 1.0).await;
    assert!((next.work_seconds - 10_000.0).abs() < 1e-6, "{}", next.work_seconds);
    report(&world, "job-2").await;
    assert_eq!(known(&world).expect("begun anew").samples.len(), 1);
}

#[tokio::test]
async fn a_calibration_that_may_not_be_read_leaves_the_next_job_the_deployments_constants() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    report(&world, "job-1").await;
    let plan = job("job-2");
    world.put_crawls(&plan);
    let input = size_fleet::Input {
        crawls: plan.crawls.iter().map(|crawl| crawl.brief()).collect(),
        job: plan.job,
        quota_vcpus: None,
    };
    for get in 1..=5 {
        let store = FailingStore::new(world.store.clone());
        store.faults.fail("get", get, StoreError::AccessDenied("KMS".into()));
        let mut size_fleet = world.size_fleet();
        size_fleet.store = Arc::new(store);
        // whichever of the GETs it is that fails: a crawl's is an error, the calibration's is not
        if let Ok(fleet) = size_fleet.handle(input.clone(), now()).await {
            assert!((fleet.work_seconds - 10_000.0).abs() < 1e-6, "{}", fleet.work_seconds);
            return;
        }
    }
    panic!("the calibration was never read");
}

/// Its report, with a store that fails or waits at the PUT after findings, page and summary.
async fn report_over(world: &World, store: FailingStore, name: &str) {
    let input = report::Input { job_id: name.parse().expect("an id"), agents: 10 };
    world.report_over(store).handle(input, now()).await.expect("a report");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_between_the_reading_and_the_writing_of_another_is_not_lost() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    run(&world, "job-2", true, 1.0).await;
    let slow = FailingStore::new(world.store.clone());
    slow.faults.delay("put", 4, Duration::from_secs(20));
    tokio::join!(report_over(&world, slow, "job-1"), async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        report(&world, "job-2").await;
        assert_eq!(known(&world).expect("a calibration").samples.len(), 1, "the other one still waits");
    });
    assert_eq!(known(&world).expect("a calibration").samples.len(), 2);
}

#[tokio::test]
async fn an_answer_that_two_wrote_at_once_is_no_reason_to_lose_a_job() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    let store = FailingStore::new(world.store.clone());
    store.faults.fail("put", 4, StoreError::Transient("ConditionalRequestConflict".into()));
    report_over(&world, store, "job-1").await;
    assert_eq!(known(&world).expect("a calibration").samples.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_keeps_no_report_waiting() {
    let world = World::new();
    run(&world, "job-1", true, 1.0).await;
    let store = FailingStore::new(world.store.clone());
    store.faults.delay("put", 4, Duration::from_secs(3_600));
    let begun = tokio::time::Instant::now();
    report_over(&world, store, "job-1").await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(known(&world), None);
}
