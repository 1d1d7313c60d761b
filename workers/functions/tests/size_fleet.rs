//! The plan holds exactly the crawls that count, or is not written.

mod world;

use lazaret_functions::FunctionError;
use lazaret_functions::size_fleet::Input;
use lazaret_model::fleet::{FleetPlan, Limit};
use lazaret_model::{CrawlId, Failure, JobPlan, SizeHistogram, Source};
use world::{World, plan};

async fn size(world: &World, plan: &JobPlan) -> Result<FleetPlan, FunctionError> {
    size_within(world, plan, None).await
}

async fn size_within(world: &World, plan: &JobPlan, quota_vcpus: Option<f64>) -> Result<FleetPlan, FunctionError> {
    let crawls = plan.crawls.iter().map(|crawl| crawl.brief()).collect();
    let input = Input { job: plan.job.clone(), crawls, quota_vcpus };
    world.size_fleet().handle(input, plan.job.started_at).await
}

async fn refused(plan: &JobPlan) -> FunctionError {
    let world = World::new();
    world.put_crawls(plan);
    let error = size(&world, plan).await.expect_err("not a plan");
    assert_eq!(world.plan(&plan.job.job_id), None);
    error
}

fn empty(listed: u64) -> JobPlan {
    let mut plan = plan(0, 0);
    plan.crawls[0].listed = listed;
    plan.crawls[0].outside_window = listed;
    plan
}

#[tokio::test]
async fn a_job_gets_its_agents_and_its_plan_and_twice_is_once() {
    let (world, plan) = (World::new(), plan(100, 500));
    world.put_crawls(&plan);
    let fleet = size(&world, &plan).await.expect("a fleet");
    // 25,000 seconds of work in 2,310 s: of the hour, the start takes 75, packets of 250 s that the slowest agent holds 1,125, the end 90
    assert_eq!((fleet.agents, fleet.batches.as_slice()), (11, [10, 1].as_slice()));
    assert_eq!(size(&world, &plan).await, Ok(fleet));
    assert_eq!(world.plan(&plan.job.job_id), Some(plan));
}

#[tokio::test]
async fn the_accounts_quota_and_the_jobs_own_limit_bound_the_fleet() {
    let (world, mut plan) = (World::new(), plan(100, 500));
    world.put_crawls(&plan);
    // four fifths of 10 vCPUs are four agents of two; of one vCPU there is still one
    for (vcpus, agents) in [(Some(1_000.0), 11), (Some(10.0), 4), (Some(1.0), 1), (None, 11)] {
        let fleet = size_within(&world, &plan, vcpus).await.expect("a fleet");
        assert_eq!((fleet.agents, fleet.limit == Some(Limit::Quota)), (agents, agents < 11), "{vcpus:?}");
    }
    plan.job.limits.agents = Some(3);
    let fleet = size_within(&world, &plan, Some(10.0)).await.expect("a fleet");
    assert_eq!((fleet.agents, fleet.limit), (3, Some(Limit::Quota)));
}

#[tokio::test]
async fn a_job_above_its_dollars_is_refused_with_the_estimate_and_without_a_plan() {
    let mut expensive = plan(100, 500);
    expensive.job.limits.dollars = "0.5".parse().ok();
    let error = refused(&expensive).await;
    assert_eq!(error.failure, Failure::OverBudget);
    assert!(
        error.message.contains("11 agents") && error.message.contains("above its limit of $0.50"),
        "{}",
        error.message
    );
    expensive.job.limits.dollars = "100".parse().ok();
    let world = World::new();
    world.put_crawls(&expensive);
    assert!(size(&world, &expensive).await.is_ok());
}

#[tokio::test]
async fn archived_objects_alone_need_no_agent() {
    let (world, mut plan) = (World::new(), plan(2, 5));
    let crawl = &mut plan.crawls[0];
    crawl.archived = crawl.matched;
    crawl.packets_sent = 0;
    crawl.largest_bytes = 0;
    crawl.sizes = SizeHistogram::default();
    world.put_crawls(&plan);
    let fleet = size(&world, &plan).await.expect("a fleet");
    assert_eq!((fleet.agents, fleet.batches.len()), (0, 0));
    assert!(world.plan(&plan.job.job_id).is_some());
}

#[tokio::test]
async fn nothing_to_scan_says_whether_there_is_nothing_or_nothing_in_the_window() {
    let none = refused(&empty(0)).await;
    assert_eq!(none.failure, Failure::NothingToScan);
    assert!(none.message.contains("holds no object"), "{}", none.message);
    let outside = refused(&empty(41)).await;
    assert_eq!(outside.failure, Failure::NothingToScan);
    assert!(outside.message.contains("none of the 41 objects") && outside.message.contains("2026-11-01"));
}

#[tokio::test]
async fn a_schedule_that_finds_nothing_is_no_error() {
    let (world, mut plan) = (World::new(), empty(3));
    plan.job.source = Source::Schedule("nightly".into());
    world.put_crawls(&plan);
    assert_eq!(size(&world, &plan).await.expect("a fleet").agents, 0);
    assert!(world.plan(&plan.job.job_id).is_some());
}

#[tokio::test]
async fn a_scope_that_is_crawled_twice_or_never_is_refused() {
    let mut twice = plan(1, 1);
    let mut again = twice.crawls[0].clone();
    again.crawl_id = CrawlId::new(0, 0xbeef);
    twice.crawls.push(again);
    let mut never = plan(1, 1);
    never.job.buckets.push(lazaret_model::BucketScope::parse("other"));
    let mut beyond = plan(1, 1);
    beyond.crawls[0].crawl_id = CrawlId::new(7, 1);
    for plan in [twice, never, beyond] {
        assert_eq!(refused(&plan).await.failure, Failure::Permanent);
    }
}

#[tokio::test]
async fn a_crawl_of_another_prefix_or_whose_numbers_contradict_is_refused() {
    let changes: [fn(&mut lazaret_model::CrawlResult); 7] = [
        |crawl| crawl.scope.prefix = "elsewhere/".into(),
        |crawl| crawl.listed += 1,
        |crawl| crawl.archived += 1,
        |crawl| crawl.matched_bytes += 1,
        |crawl| crawl.packets_sent += 1,
        |crawl| crawl.packets += 1,
        |crawl| crawl.sizes.add(1),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut plan = plan(2, 2);
        change(&mut plan.crawls[0]);
        assert_eq!(refused(&plan).await.failure, Failure::Permanent, "change {number}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_what_lies_in_s3_is_refused() {
    let (world, plan) = (World::new(), plan(1, 2));
    assert!(size(&world, &plan).await.expect_err("nothing there").message.contains("crawls/0000-0000abcd.json"));
    world.put_crawls(&plan);
    let mut input = Input { job: plan.job.clone(), crawls: vec![plan.crawls[0].brief()], quota_vcpus: None };
    input.crawls[0].objects += 1;
    assert_eq!(world.size_fleet().handle(input, world::now()).await.expect_err("another").failure, Failure::Permanent);
}
