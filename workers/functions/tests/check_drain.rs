//! A job is drained when every packet has its part, and never before.

mod world;

use lazaret_aws::Queue;
use lazaret_aws::StoreError;
use lazaret_aws::fake::{FailingStore, FakeQueue};
use lazaret_functions::check_drain::Output;
use lazaret_model::drain::{DrainDecision, DrainMemory, RELAUNCHES_WITHOUT_PROGRESS};
use lazaret_model::{CrawlId, Failure, JobPlan};
use world::{FAMILY, World, clean, infected, look, now, packet, plan, row};

/// A job whose queues are open and whose plan is written.
fn open(plan: &JobPlan) -> (World, FakeQueue, FakeQueue) {
    let world = World::new();
    world.put_plan(plan);
    let job = &plan.job.job_id;
    let (queue, dead) = world.queues.create_with_dead_letters(&job.queue_name(), &job.dead_letter_queue_name(), 1);
    (world, queue, dead)
}

async fn decide(world: &World) -> Output {
    world.check_drain().handle(look(4), now()).await.expect("a look")
}

#[tokio::test(start_paused = true)]
async fn every_part_is_there_and_the_job_is_drained_though_an_agent_still_idles() {
    let plan = plan(2, 1);
    let (world, ..) = open(&plan);
    world.fleet.start("job-1", FAMILY);
    world.put_rows(&plan, 0, &clean(&["a"]));
    assert_eq!(decide(&world).await.decision, DrainDecision::Wait);
    world.put_rows(&plan, 1, &clean(&["b"]));
    let output = decide(&world).await;
    assert_eq!((output.decision, output.parts, output.packets), (DrainDecision::Drained, 2, 2));
    assert_eq!((output.agents_running, output.batches.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_message_is_left_has_actions_to_be_taken_up() {
    let plan = plan(1, 1);
    let (world, queue, _) = open(&plan);
    world.put_rows(&plan, 0, &[row("a", infected())]);
    queue.push(packet(&plan, 0, &["a"]));
    let minute = std::time::Duration::from_secs(60);
    queue.receive(1, std::time::Duration::ZERO, minute).await.expect("an open queue");
    let output = decide(&world).await;
    assert_eq!(
        (output.decision, output.parts),
        (DrainDecision::Wait, 1),
        "its agent died, or is moving the object now"
    );
    tokio::time::sleep(minute * 2).await;
    let output = decide(&world).await;
    assert_eq!((output.decision, output.batches), (DrainDecision::Relaunch, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_described_yet_is_an_agent() {
    let plan = plan(1, 1);
    let (world, ..) = open(&plan);
    world.fleet.start("job-1", "");
    assert_eq!(decide(&world).await.decision, DrainDecision::Wait);
}

#[tokio::test(start_paused = true)]
async fn parts_of_void_crawls_and_strange_keys_count_for_nothing() {
    let plan = plan(2, 1);
    let (world, ..) = open(&plan);
    world.put_rows(&plan, 0, &clean(&["a"]));
    world.put_part(&plan, &CrawlId::new(0, 0xdead).packet(1), b"");
    world.put_part(&plan, &plan.crawls[0].crawl_id.packet(2), b"");
    for key in ["jobs/job-1/parts/🦠", "jobs/job-1/parts/0000-0000abcd-1.jsonl", "jobs/job-1/parts/../x.jsonl"] {
        world.store.insert(world::RESULTS, key, "");
    }
    let output = decide(&world).await;
    assert_eq!((output.decision, output.parts), (DrainDecision::Relaunch, 1));
}

#[tokio::test(start_paused = true)]
async fn agents_that_are_gone_are_launched_again_as_many_as_packets_are_missing() {
    let plan = plan(30, 1);
    let (world, queue, _) = open(&plan);
    queue.push(packet(&plan, 0, &["a"]));
    // a crawler that runs late is no agent
    world.fleet.start("job-1", "lazaret-crawler");
    world.fleet.start("other-job", FAMILY);
    assert_eq!(decide(&world).await.batches, [4], "no more than the plan's agents");
    let many = world.check_drain().handle(look(500), now()).await.expect("a look");
    assert_eq!(many.batches, [10, 10, 10], "no more than packets");
    for sequence in 0..29 {
        world.put_rows(&plan, sequence, &clean(&["a"]));
    }
    assert_eq!(decide(&world).await.batches, [1]);
}

#[tokio::test(start_paused = true)]
async fn launches_without_a_new_part_end_as_stuck() {
    let plan = plan(2, 1);
    let (world, ..) = open(&plan);
    let mut input = look(1);
    for launches in 1..=RELAUNCHES_WITHOUT_PROGRESS {
        let output = world.check_drain().handle(input.clone(), now()).await.expect("a look");
        assert_eq!(output.decision, DrainDecision::Relaunch);
        assert_eq!(output.memory, DrainMemory { parts_at_launch: 0, launches_without_progress: launches });
        input.memory = output.memory;
    }
    let output = world.check_drain().handle(input, now()).await.expect("a look");
    assert_eq!((output.decision, output.batches.len()), (DrainDecision::Stuck, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_becomes_rows_that_say_so_and_the_job_ends() {
    let plan = plan(2, 2);
    let (world, _, dead) = open(&plan);
    world.put_rows(&plan, 0, &clean(&["a", "b"]));
    let hostile = "</script>\u{202e}\n🦠";
    dead.push(packet(&plan, 1, &["c", hostile]));
    let output = decide(&world).await;
    assert_eq!((output.decision, output.parts), (DrainDecision::Drained, 2));
    let rows = world.rows(&plan, 1).expect("a part");
    let told: Vec<_> =
        rows.iter().map(|row| (row.object.key.as_str(), row.verdict.name(), row.verdict.reason())).collect();
    assert_eq!(told, [("c", "Error", Some("gave up")), (hostile, "Error", Some("gave up"))]);
    assert!(dead.bodies().is_empty());
    assert_eq!(decide(&world).await, output, "looking again changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_never_replaces_what_an_agent_recorded() {
    let plan = plan(1, 1);
    let (world, _, dead) = open(&plan);
    world.put_rows(&plan, 0, &[row("a", infected())]);
    dead.push(packet(&plan, 0, &["a"]));
    assert_eq!(decide(&world).await.decision, DrainDecision::Drained);
    assert_eq!(world.rows(&plan, 0), Some(vec![row("a", infected())]));
    assert!(dead.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_void_crawls_and_nonsense_are_dropped_without_a_part() {
    let plan = plan(1, 1);
    let (world, _, dead) = open(&plan);
    let mut void = plan.clone();
    void.crawls[0].crawl_id = CrawlId::new(0, 0xdead);
    dead.push(packet(&void, 0, &["a"]));
    dead.push(packet(&plan, 1, &["a"]));
    dead.push("not a packet");
    assert_eq!(decide(&world).await.parts, 0);
    assert!(dead.bodies().is_empty());
    assert_eq!(world.store.keys(world::RESULTS, "jobs/"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_part_could_not_be_written_is_there_for_the_next_look() {
    let plan = plan(1, 1);
    let (world, _, dead) = open(&plan);
    dead.push(packet(&plan, 0, &["a"]));
    let store = FailingStore::new(world.store.clone());
    store.faults.fail("put", 1, StoreError::Transient("SlowDown".into()));
    let error = world.check_drain_over(store).handle(look(1), now()).await.expect_err("busy");
    assert_eq!(error.failure, Failure::Transient);
    assert_eq!(dead.bodies().len(), 1);
    tokio::time::sleep(std::time::Duration::from_secs(301)).await;
    assert_eq!(decide(&world).await.decision, DrainDecision::Drained);
}

#[tokio::test(start_paused = true)]
async fn packets_that_a_dead_agent_holds_are_waited_for_and_not_counted_as_a_failed_launch() {
    let plan = plan(1, 1);
    let (world, queue, _) = open(&plan);
    queue.push(packet(&plan, 0, &["a"]));
    let minute = std::time::Duration::from_secs(60);
    queue.receive(1, std::time::Duration::ZERO, minute).await.expect("an open queue");
    let output = decide(&world).await;
    assert_eq!((output.decision, output.memory), (DrainDecision::Wait, DrainMemory::default()));
    tokio::time::sleep(minute * 2).await;
    assert_eq!(decide(&world).await.decision, DrainDecision::Relaunch);
}

#[tokio::test(start_paused = true)]
async fn a_large_job_at_work_is_not_listed_and_one_without_agents_is() {
    let plan = plan(20_000, 1);
    let (world, queue, _) = open(&plan);
    queue.push(packet(&plan, 0, &["a"]));
    let agent = world.fleet.start("job-1", FAMILY);
    let output = decide(&world).await;
    assert_eq!((output.decision, output.parts), (DrainDecision::Wait, 19_999));
    assert_eq!(world.store.calls("list_page"), 0);
    world.fleet.finish(&agent);
    let output = decide(&world).await;
    assert_eq!((output.decision, output.parts), (DrainDecision::Relaunch, 0));
}

#[tokio::test(start_paused = true)]
async fn more_parts_than_a_page_are_all_counted() {
    let plan = plan(2_500, 1);
    let (world, ..) = open(&plan);
    for sequence in 0..2_500 {
        world.put_rows(&plan, sequence, &clean(&["a"]));
    }
    assert_eq!(decide(&world).await.decision, DrainDecision::Drained);
}

#[tokio::test(start_paused = true)]
async fn queues_that_are_gone_hold_nothing_and_a_missing_plan_is_permanent() {
    let plan = plan(1, 1);
    let (world, queue, dead) = open(&plan);
    queue.vanish();
    dead.vanish();
    assert_eq!(decide(&world).await.decision, DrainDecision::Relaunch);
    let error = World::new().check_drain().handle(look(1), now()).await.expect_err("no plan");
    assert_eq!(error.failure, Failure::Permanent);
}
