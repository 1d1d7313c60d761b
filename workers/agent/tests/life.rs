//! How an agent starts, keeps its messages, stays within its bounds, and ends.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::*;
use lazaret_agent::AgentError;
use lazaret_aws::ServiceError;
use lazaret_aws::fake::{FakeQueue, refused, throttled};
use lazaret_aws::objects::StoreError;
use lazaret_model::calibration::AgentAccount;
use lazaret_model::policy::{Policy, Tagging};
use lazaret_model::{CrawlId, Policies, Progress, WorkPacket, layout};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn progress<T: DeserializeOwned>(world: &World) -> Vec<T> {
    let keys = world.s3.keys(RESULTS, &layout::progress_prefix(&job_id()));
    keys.iter()
        .map(|key| serde_json::from_slice(&world.s3.bytes(RESULTS, key).expect("there")).expect("json"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_ends_when_its_queue_stays_empty() {
    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    let (result, took) = timed(world.run()).await;
    result.expect("ends idle");
    assert!(took >= world.job.idle && took <= world.job.idle + 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_work_in_hand_is_not_idle() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.scanner.scan_time = Duration::from_secs(1000);
    let (result, took) = timed(world.run()).await;
    result.expect("ends idle");
    assert!(took >= Duration::from_secs(1000) && took < Duration::from_secs(1025), "{took:?}");
    assert_eq!(world.rows().len(), 1);
    assert_eq!(world.sqs.calls("delete"), 1, "it was kept, and never came a second time");
    assert_eq!(world.scanner.counts.scans.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_counts_the_time_in_which_it_had_packets_and_not_that_in_which_it_waited() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain"), ("b", "plain"), ("c", "virus")]).await;
    world.scanner.scan_time = 5 * SECOND;
    let (result, took) = timed(world.run()).await;
    result.expect("ends idle");
    let accounts: Vec<AgentAccount> = progress(&world);
    let [account] = accounts.as_slice() else { panic!("one agent: {accounts:?}") };
    assert_eq!((account.progress.scanned, account.progress.infected, account.judged), (3, 1, 3));
    assert_eq!(account.judged_bytes, account.progress.bytes);
    let busy = Duration::from_millis(account.busy_milliseconds);
    // however many packets it had at once, and nothing of the wait for more
    assert!(busy >= 5 * SECOND && busy <= 16 * SECOND && took >= world.job.idle, "{busy:?} of {took:?}");
    assert!(account.first_packet_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_agent_ends_when_its_queue_is_gone() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.scanner.scan_time = 5 * SECOND;
    let (sqs, vanish) = (world.sqs.clone(), sleep(2 * SECOND));
    let ((result, took), ()) = tokio::join!(timed(world.run()), async {
        vanish.await;
        sqs.vanish();
    });
    result.expect("ends quietly");
    // what is begun is finished; the message that can't be deleted any more is nobody's
    assert!(took >= 5 * SECOND && took < 6 * SECOND, "{took:?}");
    assert_eq!(world.rows().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_ends_the_agent_with_an_error_and_one_that_is_throttled_does_not() {
    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    for call in 1..=5 {
        world.queue.faults.fail("receive", call, throttled("ReceiveMessage"));
    }
    world.run().await.expect("ends idle");
    assert_eq!(world.rows().len(), 1);
    let world = World::empty();
    world.write_plan().await;
    world.queue.faults.fail_always("receive", refused("ReceiveMessage", "AccessDenied"));
    assert!(matches!(world.run().await, Err(AgentError::Receive(_))));
}

#[tokio::test(start_paused = true)]
async fn no_agent_starts_without_a_plan_or_with_policies_that_are_none() {
    let world = World::empty();
    assert!(matches!(world.run().await, Err(AgentError::NoPlan)));
    world.put(&layout::plan_key(&job_id()), "{").await;
    assert!(matches!(world.run().await, Err(AgentError::BadPlan(_))));
    world.write_plan().await;
    world.put(layout::POLICIES_KEY, r#"{"default":{"infectd":"Keep"}}"#).await;
    assert!(matches!(world.run().await, Err(AgentError::Policies(_))));
}

#[tokio::test(start_paused = true)]
async fn policies_change_while_the_agent_runs_and_a_broken_or_missing_file_changes_nothing() {
    let mut world = World::empty();
    world.job.idle = Duration::from_secs(300);
    world.write_plan().await;
    let none = Policies { default: Policy { tagging: Tagging::None, ..Policy::default() }, ..Policies::default() };
    let later = async {
        sleep(SECOND).await;
        world.write_policies(&none).await;
        sleep(31 * SECOND).await;
        world.put(layout::POLICIES_KEY, "no json").await;
        sleep(31 * SECOND).await;
        world.s3.remove(RESULTS, layout::POLICIES_KEY);
        sleep(31 * SECOND).await;
        let object = world.s3.insert(BUCKET, "a", "plain");
        let packet_id = CrawlId::new(0, 1).packet(0);
        world.send(&WorkPacket { job_id: job_id(), packet_id, bucket: BUCKET.into(), objects: vec![object] });
    };
    // the plan accepts one packet that comes later
    let mut planned = World::empty();
    planned.pack(vec![]).await;
    let plan = planned.s3.bytes(RESULTS, &layout::plan_key(&job_id())).expect("a plan");
    world.put(&layout::plan_key(&job_id()), plan).await;
    let (result, ()) = tokio::join!(world.run(), later);
    result.expect("ends idle");
    assert!(world.s3.exists(BUCKET, "a") && world.s3.tags_of(BUCKET, "a").is_empty());
    assert_eq!(world.messages(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_packet_of_a_void_crawl_is_deleted_unread() {
    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    let void = [CrawlId::new(0, 2).packet(0), CrawlId::new(0, 1).packet(1), CrawlId::new(1, 1).packet(0)];
    for packet_id in void {
        let mut packet = world.packets[0].clone();
        packet.packet_id = packet_id;
        world.send(&packet);
    }
    world.run().await.expect("ends idle");
    assert_eq!(world.messages(), 0);
    assert_eq!(world.s3.calls("fetch"), 1);
    assert_eq!(world.s3.keys(RESULTS, &layout::parts_prefix(&job_id())).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_packet_of_the_job_goes_to_the_dead_letters() {
    let mut world = World::empty();
    let dead = FakeQueue::new();
    world.sqs = FakeQueue::with_dead_letters(&dead, 3);
    world.queue = lazaret_aws::fake::FailingQueue::new(world.sqs.clone());
    let object = world.s3.insert(BUCKET, "a", "plain");
    world.pack(vec![object]).await;
    let mut other = world.packets[0].clone();
    other.job_id = "job-2".parse().expect("an id");
    world.send(&other);
    world.sqs.push("{\"jobId\":");
    world.run().await.expect("ends idle");
    assert_eq!(world.messages(), 0);
    assert_eq!(dead.bodies().len(), 2);
    assert_eq!(world.rows().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_finishes_what_it_can() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain"), ("b", "virus")]).await;
    world.scanner.scan_time = 10 * SECOND;
    let (result, took) = timed(world.run_until(sleep(5 * SECOND))).await;
    result.expect("ends by itself");
    assert!(took < 12 * SECOND, "{took:?}");
    assert_eq!(world.rows().len(), 2);
    assert_eq!(world.messages(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_gives_back_what_it_can_not_finish_and_records_nothing() {
    let mut world = World::empty();
    for n in 0..3 {
        let object = world.s3.insert(BUCKET, &format!("{n}"), "plain");
        world.pack(vec![object]).await;
    }
    world.scanner.scan_time = 100 * SECOND;
    let (result, took) = timed(world.run_until(sleep(5 * SECOND))).await;
    result.expect("ends by itself");
    assert!(took <= 31 * SECOND, "{took:?}");
    let depth = lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
    assert_eq!((depth.visible, depth.in_flight), (3, 0));
    assert!((0..3).all(|n| world.part(n).is_none()));
    assert_eq!(world.s3.calls("put_tags"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_that_can_not_give_back_ends_all_the_same() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.scanner.scan_time = 100 * SECOND;
    world.queue.faults.fail_always("extend", throttled("ChangeMessageVisibility"));
    let (result, took) = timed(world.run_until(sleep(5 * SECOND))).await;
    result.expect("ends by itself");
    assert!(took <= 34 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_gone_ends_the_agent_and_makes_no_rows() {
    let mut world = World::empty();
    for n in 0..3 {
        let object = world.s3.insert(BUCKET, &format!("{n}"), "plain");
        world.pack(vec![object]).await;
    }
    world.scanner.gone_from = Some(1);
    assert!(matches!(world.run().await, Err(AgentError::Engine(_))));
    let recorded = (0..3).filter(|n| world.part(*n).is_some()).count();
    assert_eq!(recorded, 1);
    let depth = lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
    assert_eq!((depth.visible, depth.in_flight), (0, world.messages() as u64));
    assert!(world.messages() >= 2);
    sleep(10 * SECOND).await;
    let depth = lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
    assert_eq!((depth.visible, depth.in_flight), (world.messages() as u64, 0), "what was not finished was given back");
}

#[tokio::test(start_paused = true)]
async fn a_results_bucket_that_refuses_ends_the_agent_and_the_packet_is_given_back() {
    let world = World::with_objects(BUCKET, &[("a", "virus")]).await;
    world.store.faults.fail_always("put", StoreError::AccessDenied("no".into()));
    assert!(matches!(world.run().await, Err(AgentError::Record(_))));
    assert!(world.s3.exists(BUCKET, "a"), "nothing is done that is not recorded");
    assert_eq!(lazaret_aws::Queue::depth(&world.sqs).await.expect("depth").visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_results_bucket_in_trouble_gives_the_packet_back_for_later() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.job.idle = 60 * SECOND;
    for call in 1..=u64::from(lazaret_agent::retry::STORE.attempts) {
        world.store.faults.fail("put", call, StoreError::Transient("InternalError".into()));
    }
    world.run().await.expect("ends idle");
    assert_eq!(world.rows().len(), 1, "the second delivery fared better");
    assert_eq!(world.messages(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_ours_makes_no_row_and_the_packet_comes_again() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain"), ("b", "virus")]).await;
    world.job.idle = 60 * SECOND;
    world.scanner.panics_at = Some(1);
    world.run().await.expect("ends idle");
    assert_eq!(world.s3.calls("fetch"), 4, "all of it was done again");
    assert_eq!(world.rows().len(), 2);
    assert_eq!(world.messages(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_longer_ours_is_worked_on_all_the_same() {
    let mut world = World::with_objects(BUCKET, &[("a", "virus")]).await;
    world.scanner.scan_time = Duration::from_secs(200);
    world.queue.faults.fail("extend", 1, refused("ChangeMessageVisibility", "ReceiptHandleIsInvalid"));
    world.run().await.expect("ends idle");
    assert_eq!(world.rows()[0].verdict.name(), "Infected");
    assert_eq!(world.messages(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_through_failed_extensions() {
    let mut world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.scanner.scan_time = Duration::from_secs(500);
    let failed: ServiceError = throttled("ChangeMessageVisibility");
    for call in [1, 3, 5] {
        world.queue.faults.fail("extend", call, failed.clone());
    }
    world.run().await.expect("ends idle");
    assert_eq!(world.scanner.counts.scans.load(Ordering::SeqCst), 1, "it never came a second time");
}

#[tokio::test(start_paused = true)]
async fn scans_and_packets_in_hand_are_bounded_and_all_workers_are_busy() {
    let mut world = World::empty();
    world.scanner.scan_time = SECOND;
    let mut all = 0;
    for packet in 0..12 {
        let objects =
            (0..10).map(|n| world.s3.insert(BUCKET, &format!("{packet}/{n}"), format!("plain {n}"))).collect();
        world.pack(objects).await;
        all += 10;
    }
    let most_in_flight = Arc::new(AtomicU64::new(0));
    let watch = async {
        loop {
            let depth = lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
            most_in_flight.fetch_max(depth.in_flight, Ordering::SeqCst);
            sleep(SECOND / 4).await;
        }
    };
    let (result, took) = tokio::select! {
        done = timed(world.run()) => done,
        () = watch => unreachable!("it watches for ever"),
    };
    result.expect("ends idle");
    assert_eq!(world.scanner.counts.at_once.load(Ordering::SeqCst), 2);
    assert_eq!(most_in_flight.load(Ordering::SeqCst), lazaret_agent::receive::PACKETS_IN_HAND as u64);
    // two workers, a second each: no time is lost between packets
    assert!(took <= SECOND * (all / 2) + world.job.idle + 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_bytes_is_never_exceeded() {
    let mut world = World::empty();
    world.settings.scan_workers = 8;
    world.settings.fetch_bytes = 256 * 1024;
    world.scanner.scan_time = SECOND;
    // 20 of 100 KiB, of which two fit, and one that takes the whole budget and more
    let mut objects: Vec<_> =
        (0..20).map(|n| world.s3.insert(BUCKET, &format!("{n:02}"), vec![n; 100 * 1024])).collect();
    objects.insert(10, world.s3.insert(BUCKET, "large", vec![1; 300 * 1024]));
    world.pack(objects).await;
    let (result, _) = timed(world.run()).await;
    result.expect("ends idle");
    assert_eq!(world.scanner.counts.at_once.load(Ordering::SeqCst), 2);
    assert_eq!(world.rows().len(), 21);
    assert!(world.rows().iter().all(|row| row.verdict.name() == "Clean"));
}

#[tokio::test(start_paused = true)]
async fn progress_is_written_while_it_changes_and_once_more_at_the_end() {
    let mut world = World::empty();
    for n in 0..3 {
        let objects =
            vec![world.s3.insert(BUCKET, &format!("{n}"), "plain"), world.s3.insert(BUCKET, &format!("{n}v"), "virus")];
        world.pack(objects).await;
    }
    world.scanner.scan_time = 7 * SECOND;
    let reached = Notify::new();
    let look = async {
        sleep(13 * SECOND).await;
        reached.notify_one();
        progress::<Progress>(&world)
    };
    let (result, early) = tokio::join!(world.run(), look);
    result.expect("ends idle");
    assert_eq!(early, [Progress { scanned: 2, infected: 1, bytes: 10, ..Progress::default() }]);
    assert_eq!(progress::<Progress>(&world), [Progress { scanned: 6, infected: 3, bytes: 30, ..Progress::default() }]);
}

#[tokio::test(start_paused = true)]
async fn progress_that_can_not_be_written_harms_nobody() {
    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    // calls 1 and 2 are the part, all after are progress
    for call in 3..20 {
        world.store.faults.fail("put", call, StoreError::AccessDenied("no".into()));
    }
    world.run().await.expect("ends idle");
    assert!(progress::<Progress>(&world).is_empty());
    assert_eq!(world.messages(), 0);
}
