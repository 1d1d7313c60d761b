//! An agent that dies at any point, and two agents with one packet: the part is the same in the end, and so is quarantine.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::*;
use lazaret_aws::objects::StoreError;
use lazaret_model::policy::{InfectedAction, Policy};
use lazaret_model::verdict::GoneReason;
use lazaret_model::{ActionOutcome, Evidence, Finding, Policies, ResultRow, Verdict, layout};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const OBJECTS: [(&str, &str); 4] = [("a", "plain"), ("b", "a virus"), ("c", "encrypted"), ("d", "crash")];

/// Everything that an agent asks of S3.
const OPERATIONS: [&str; 9] = ["get", "fetch", "put", "tags", "put_tags", "copy", "delete", "tags_at", "list_page"];

/// Longer than any test's clock runs.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

async fn world_of(bucket: &str, infected: InfectedAction) -> World {
    let world = World::with_objects(bucket, &OBJECTS).await;
    let default = Policy { infected, ..Policy::default() };
    world.write_policies(&Policies { default, ..Policies::default() }).await;
    world
}

/// What must be the same whatever happened on the way.
fn end(world: &World, bucket: &str) -> (Vec<String>, Vec<String>, Vec<String>, usize) {
    let tags = |key: &&str| world.tag(bucket, key, "scan-result").unwrap_or_default();
    let tags = OBJECTS.iter().map(|(key, _)| tags(key)).collect();
    (essence(&world.rows()), world.quarantined(), tags, world.messages())
}

/// Lets an agent run until it makes a certain call, and kills it there: before the call, or after it was done and before its answer came.
/// Says whether it got there.
async fn crash_at(world: &World, operation: &'static str, call: u64) -> bool {
    let reached = Arc::new(Notify::new());
    let there = Arc::clone(&reached);
    if operation == "delete message" {
        world.queue.faults.meanwhile("delete", call, move || there.notify_one());
        world.queue.faults.delay("delete", call, FOR_EVER);
    } else {
        world.store.faults.meanwhile(operation, call, move || there.notify_one());
        world.store.faults.delay(operation, call, FOR_EVER);
    }
    tokio::select! {
        biased;
        () = reached.notified() => true, // the agent's future is dropped: nothing of it runs any more
        result = world.run() => {
            result.expect("ends idle");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_changes_nothing_in_the_end() {
    for bucket in [BUCKET, VERSIONED] {
        for infected in [InfectedAction::Move, InfectedAction::Delete, InfectedAction::Keep] {
            let reference = world_of(bucket, infected).await;
            reference.run().await.expect("ends idle");
            let expected = end(&reference, bucket);
            assert_eq!(expected.3, 0);
            let mut crashes = 0;
            for operation in OPERATIONS.into_iter().chain(["delete message"]) {
                for call in 1.. {
                    let world = world_of(bucket, infected).await;
                    if !crash_at(&world, operation, call).await {
                        break;
                    }
                    crashes += 1;
                    let recorded = world.part(0);
                    let scans = world.scanner.counts.scans.load(std::sync::atomic::Ordering::SeqCst);
                    // the message comes back, to another agent
                    let mut second = world;
                    second.store = lazaret_aws::fake::FailingStore::new(second.s3.clone());
                    second.queue = lazaret_aws::fake::FailingQueue::new(second.sqs.clone());
                    second.job.idle = second.settings.visibility * 2;
                    second.run().await.expect("ends idle");
                    assert_eq!(end(&second, bucket), expected, "{bucket} {infected:?} after {operation} {call}");
                    if recorded.is_some() {
                        let again = second.scanner.counts.scans.load(std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(again, scans, "what is recorded is not scanned again");
                    }
                }
            }
            assert!(crashes > 15, "{crashes} crashes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_changes_nothing() {
    let expected = {
        let world = world_of(BUCKET, InfectedAction::Move).await;
        world.run().await.expect("ends idle");
        end(&world, BUCKET)
    };
    for operation in OPERATIONS {
        for call in 1.. {
            let world = world_of(BUCKET, InfectedAction::Move).await;
            world.store.faults.lose_answer(operation, call, StoreError::Transient("connection reset".into()));
            world.run().await.expect("ends idle");
            if world.store.faults.outstanding() > 0 {
                break;
            }
            assert_eq!(end(&world, BUCKET), expected, "{operation} {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_agents_with_the_same_packet_make_one_part_and_one_copy() {
    let mut delayed = BTreeSet::new();
    for bucket in [BUCKET, VERSIONED] {
        let reference = world_of(bucket, InfectedAction::Move).await;
        reference.run().await.expect("ends idle");
        let expected = end(&reference, bucket);
        // the second agent starts its nth call of an operation when the first one is past it
        for operation in OPERATIONS {
            for call in 1..=6 {
                let world = world_of(bucket, InfectedAction::Move).await;
                world.send(&world.packets[0]); // SQS delivers at least once
                world.store.faults.delay(operation, call, std::time::Duration::from_secs(7));
                if operation == "tags_at" {
                    // only who comes too late to fetch asks the quarantine
                    (1..=OBJECTS.len() as u64)
                        .for_each(|fetch| world.store.faults.delay("fetch", fetch, std::time::Duration::from_secs(7)));
                }
                let (first, second) = tokio::join!(world.run(), world.run());
                first.and(second).expect("both end idle");
                if world.store.faults.calls(operation) >= call {
                    delayed.insert(operation);
                }
                assert_eq!(end(&world, bucket), expected, "{bucket} {operation} {call}");
            }
        }
    }
    assert_eq!(delayed, BTreeSet::from(OPERATIONS), "every operation was met");
}

#[tokio::test]
async fn agents_on_many_threads_agree() {
    // real threads and a real clock: whatever order comes up
    let mut agents = JoinSet::new();
    for round in 0..20 {
        agents.spawn(async move {
            let mut world = world_of(BUCKET, InfectedAction::Move).await;
            world.job.idle = std::time::Duration::from_secs(1);
            for _ in 0..2 {
                world.send(&world.packets[0]);
            }
            let (a, b, c) = tokio::join!(world.run(), world.run(), world.run());
            a.and(b).and(c).expect("all end idle");
            let outcomes: Vec<_> =
                world.rows().into_iter().map(|row| row.action.map(|action| action.outcome)).collect();
            assert_eq!(outcomes, vec![Some(ActionOutcome::Done); 4], "round {round}");
            assert_eq!(world.quarantined().len(), 1, "round {round}");
            assert_eq!(world.messages(), 0);
        });
    }
    agents.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_moved_is_infected_and_not_gone() {
    let world = world_of(BUCKET, InfectedAction::Move).await;
    world.run().await.expect("ends idle");
    // its part is lost, and the packet comes again
    world.s3.remove(RESULTS, &layout::part_key(&job_id(), &world.packets[0].packet_id));
    world.send(&world.packets[0]);
    world.run().await.expect("ends idle");
    let row = world.row("b");
    assert_eq!(row.verdict.findings()[0].threat, THREAT);
    assert_eq!(row.action.expect("an action").outcome, ActionOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn what_another_agent_recorded_wins_over_gone() {
    let world = World::with_objects(BUCKET, &[("a", "plain"), ("b", "virus")]).await;
    let recorded: Vec<_> = world.packets[0]
        .objects
        .iter()
        .map(|object| ResultRow {
            object: object.clone(),
            verdict: if object.key == "a" {
                Verdict::Gone { reason: GoneReason::Deleted }
            } else {
                let finding = Finding { member: "m".into(), threat: "Other".into(), engine: "clamav".into() };
                Verdict::Infected { findings: vec![finding] }
            },
            action: None,
            scanned_at: jiff::Timestamp::UNIX_EPOCH,
            evidence: Evidence::default(),
        })
        .collect();
    let lines = lazaret_model::result::part_to_json_lines(&recorded).expect("json");
    let s3 = world.s3.clone();
    let key = layout::part_key(&job_id(), &world.packets[0].packet_id);
    // it appears after this agent looked, and before it writes
    let waiting = std::sync::Mutex::new(Some((s3, key, lines)));
    *world.scanner.counts.hook.lock().expect("hook") = Some(Box::new(move |_| {
        if let Some((s3, key, lines)) = waiting.lock().expect("once").take() {
            s3.insert(RESULTS, &key, lines);
            s3.remove(BUCKET, "b");
        }
    }));
    world.run().await.expect("ends idle");
    assert_eq!(world.row("a").verdict, Verdict::Clean, "a scan knows more than a Gone");
    assert_eq!(world.row("b").verdict.name(), "Infected");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_part_is_replaced() {
    for damage in ["{\"half\":", "", "[]"] {
        let world = world_of(BUCKET, InfectedAction::Keep).await;
        world.put(&layout::part_key(&job_id(), &world.packets[0].packet_id), damage.to_owned()).await;
        world.run().await.expect("ends idle");
        assert_eq!(world.rows().len(), OBJECTS.len(), "{damage:?}");
        assert_eq!(world.messages(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_part_only_deletes_the_message() {
    let world = world_of(BUCKET, InfectedAction::Move).await;
    world.run().await.expect("ends idle");
    let (fetches, puts) = (world.s3.calls("fetch"), world.s3.calls("put_tags"));
    world.send(&world.packets[0]);
    world.run().await.expect("ends idle");
    assert_eq!((world.s3.calls("fetch"), world.s3.calls("put_tags")), (fetches, puts));
    assert_eq!(world.messages(), 0);
}
