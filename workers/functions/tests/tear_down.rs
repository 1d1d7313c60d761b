//! Nothing is left behind, however a job ended and however often it is torn down.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use lazaret_aws::fake::FakeFleet;
use lazaret_aws::tasks::{RunningTask, TaskFleet};
use lazaret_aws::{ServiceError, StoreError};
use lazaret_functions::tear_down::{EventDetail, Input, Output, TearDown};
use lazaret_model::{CrawlId, Failure, layout};
use world::{FAMILY, RESULTS, World, clean, job, plan};

fn step() -> Input {
    Input::Step { job_id: "job-1".into() }
}

/// A job in the middle of its work.
fn at_work() -> World {
    let (world, plan) = (World::new(), plan(2, 1));
    world.put_plan(&plan);
    world.put_crawls(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    world.store.insert(RESULTS, &layout::progress_key(&job().job_id, "agent-1"), "{}");
    world.queues.create(&job().job_id.queue_name());
    world.queues.create(&job().job_id.dead_letter_queue_name());
    world.fleet.start("job-1", FAMILY);
    world.fleet.start("job-1", "lazaret-crawler");
    world
}

async fn tear_down(world: &World, input: Input) -> Output {
    world.tear_down().handle(input).await.expect("torn down")
}

#[tokio::test(start_paused = true)]
async fn tasks_queues_and_work_are_gone_and_the_results_stay() {
    let world = at_work();
    world.fleet.stop_after_looks(5);
    let output = tear_down(&world, step()).await;
    assert_eq!((output.tasks_stopped, output.queues_deleted, output.objects_deleted), (2, 2, 3));
    assert_eq!(world.queues.names(), Vec::<String>::new());
    assert_eq!(world.store.keys(RESULTS, "work/"), Vec::<String>::new());
    assert_eq!(world.store.keys(RESULTS, "jobs/").len(), 1);
    let again = tear_down(&world, step()).await;
    assert_eq!((again.tasks_stopped, again.queues_deleted, again.objects_deleted), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn other_jobs_are_left_alone() {
    let world = at_work();
    world.fleet.start("job-10", FAMILY);
    world.queues.create("lazaret-job-job-10");
    world.store.insert(RESULTS, "work/job-10/plan.json", "{}");
    tear_down(&world, step()).await;
    assert_eq!(world.fleet.running("job-10").await.expect("a cluster").len(), 1);
    assert_eq!(world.queues.names(), ["lazaret-job-job-10"]);
    assert_eq!(world.store.keys(RESULTS, "work/"), ["work/job-10/plan.json"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_eventbridge_does_the_same() {
    let world = at_work();
    let output = tear_down(&world, Input::Event { detail: EventDetail { name: "job-1".into() } }).await;
    assert_eq!((output.job_id.as_str(), output.tasks_stopped), ("job-1", 2));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_never_created_anything_gives_zeros() {
    let world = World::new();
    assert_eq!(tear_down(&world, step()).await, Output { job_id: "job-1".into(), ..Output::default() });
    // a console user's own name for an execution, refused as bad input
    let odd = Input::Step { job_id: "my job, really.".into() };
    assert_eq!(tear_down(&world, odd).await.queues_deleted, 0);
}

#[tokio::test(start_paused = true)]
async fn more_objects_than_one_delete_takes_are_all_gone() {
    let world = at_work();
    for number in 0..2_500 {
        world.store.insert(RESULTS, &layout::progress_key(&job().job_id, &format!("agent-{number}")), "{}");
    }
    // agent-1 was there before
    assert_eq!(tear_down(&world, step()).await.objects_deleted, 2_502);
    assert_eq!(world.store.keys(RESULTS, "work/"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn tasks_that_do_not_stop_keep_the_queues_and_are_a_transient_failure() {
    let world = at_work();
    world.fleet.stop_after_looks(u32::MAX);
    let error = world.tear_down().handle(step()).await.expect_err("still there");
    assert_eq!(error.failure, Failure::Transient);
    assert!(error.message.contains("2 tasks"), "{}", error.message);
    assert_eq!(world.queues.names().len(), 2);
    world.fleet.stop_after_looks(0);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_cluster_is_a_transient_failure_and_another_attempt_ends_it() {
    let world = at_work();
    world.fleet.throttle(1);
    assert_eq!(world.tear_down().handle(step()).await.expect_err("throttled").failure, Failure::Transient);
    assert_eq!(tear_down(&world, step()).await.tasks_stopped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_told_by_its_kind() {
    let world = at_work();
    for (error, failure) in [
        (StoreError::Transient("SlowDown".into()), Failure::Transient),
        (StoreError::AccessDenied("no".into()), Failure::Permanent),
    ] {
        let store = lazaret_aws::fake::FailingStore::new(world.store.clone());
        store.faults.fail("delete_keys", 1, error);
        let function = TearDown { store: Arc::new(store), ..world.tear_down() };
        assert_eq!(function.handle(step()).await.expect_err("a failure").failure, failure);
    }
    assert_eq!(tear_down(&world, step()).await.objects_deleted, 3);
}

/// A cluster in which one more task shows at a certain look: a launch that was under way.
struct LateLaunch {
    fleet: FakeFleet,
    looks: AtomicU32,
    at_look: u32,
}

#[async_trait]
impl TaskFleet for LateLaunch {
    async fn running(&self, job_id: &str) -> Result<Vec<RunningTask>, ServiceError> {
        if self.looks.fetch_add(1, Ordering::Relaxed) + 1 == self.at_look {
            self.fleet.start(job_id, FAMILY);
        }
        self.fleet.running(job_id).await
    }

    async fn stop(&self, arn: &str, reason: &str) -> Result<(), ServiceError> {
        self.fleet.stop(arn, reason).await
    }

    async fn not_stopped(&self, arns: &[String]) -> Result<usize, ServiceError> {
        self.fleet.not_stopped(arns).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_launched_late_is_stopped_whenever_it_shows() {
    // at the first look, while the others stop, and after everything was deleted
    for at_look in 1..=3 {
        let world = at_work();
        world.fleet.stop_after_looks(1);
        let late = LateLaunch { fleet: world.fleet.clone(), looks: AtomicU32::new(0), at_look };
        let function = TearDown { fleet: Arc::new(late), ..world.tear_down() };
        let output = function.handle(step()).await.expect("torn down");
        assert_eq!(world.fleet.running("job-1").await.expect("a cluster"), [], "look {at_look}");
        assert_eq!(output.tasks_stopped, 3, "look {at_look}");
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_crawls_that_do_not_count_go_while_the_plan_can_still_tell_them() {
    let (world, plan) = (World::new(), plan(1, 1));
    world.put_plan(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    let mut void = plan.clone();
    void.crawls[0].crawl_id = CrawlId::new(0, 0xdead);
    world.put_rows(&void, 0, &clean(&["a"]));
    tear_down(&world, step()).await;
    let kept = layout::part_key(&job().job_id, &plan.crawls[0].crawl_id.packet(0));
    assert_eq!(world.store.keys(RESULTS, "jobs/"), std::slice::from_ref(&kept));
    tear_down(&world, step()).await;
    assert_eq!(world.store.keys(RESULTS, "jobs/"), [kept], "without a plan every part stays");
}
