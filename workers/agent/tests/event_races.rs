//! Keys of buckets without versions that are written faster than they are looked at, and messages that nobody of S3 wrote.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::events::*;
use common::*;
use lazaret_aws::ObjectStore;
use lazaret_aws::fake::FakeObject;
use lazaret_model::policy::InfectedAction;
use lazaret_model::tags::Tag;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

async fn keeping() -> EventWorld {
    EventWorld::with_policies(&policies(|policy| policy.infected = InfectedAction::Keep)).await
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_clean_that_landed_on_a_later_infected_object_is_put_right_by_the_delivery_after_the_crash() {
    for suspended in [false, true] {
        let world = keeping().await;
        if suspended {
            world.s3.enable_versions(BUCKET);
            world.s3.suspend_versions(BUCKET);
        }
        let (_, first) = world.owner().store(BUCKET, "k", "plain");
        let infected = world.put(BUCKET, "k", "a virus");
        world.settle().await;
        assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Infected"));
        // of an agent that saw the first one there, and died before it looked again
        world.s3.put_tags(&infected, &[tag("scan-result", "Clean")]).await.expect("tagged");
        world.send(&[first]);
        world.settle().await;
        assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Infected"));
    }
}

/// The event of a clean object; while its tags are on their way, an infected one comes, whose own event was settled by another agent.
async fn tags_on_their_way(world: &EventWorld, there: impl Fn() + Send + 'static) {
    world.put(BUCKET, "k", "plain");
    let s3 = world.s3.clone();
    world.s3.while_tagging(move || {
        s3.insert_object(BUCKET, "k", FakeObject::new("a virus").tag("scan-result", "Infected"));
        there();
    });
}

#[tokio::test(start_paused = true)]
async fn tags_that_were_on_their_way_when_their_object_was_overwritten_stand_on_no_other() {
    let world = keeping().await;
    tags_on_their_way(&world, || {}).await;
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Infected"));

    // killed before it looks whether the object is the same
    let world = keeping().await;
    let bell = Arc::new(Notify::new());
    let ring = Arc::clone(&bell);
    tags_on_their_way(&world, move || ring.notify_one()).await;
    tokio::select! {
        biased;
        () = bell.notified() => {}
        _ = world.run_until(world.settled()) => panic!("it was to be killed"),
    }
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"), "so it stands there at this moment");
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Infected"));
    assert!(world.dead.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_action_that_was_given_up_on_what_is_overwritten_looks_at_what_came_too() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "a virus");
    let (s3, at) = (world.s3.clone(), AtomicU64::new(0));
    // a quarantine that refuses; meanwhile the key is overwritten
    world.s3.deny(QUARANTINE);
    world.store.faults.meanwhile("put", 1, move || {
        if at.fetch_add(1, Ordering::SeqCst) == 0 {
            s3.insert(BUCKET, "k", "other");
        }
    });
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_never_rests_is_left_to_a_later_delivery() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    let (s3, writes) = (world.s3.clone(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&writes);
    let restless = move || {
        if count.fetch_add(1, Ordering::SeqCst) < 20 {
            s3.insert(BUCKET, "k", format!("plain {}", count.load(Ordering::SeqCst)));
        }
    };
    world.store.faults.meanwhile_always("fetch", restless);
    let looked = async {
        sleep(SECOND * 5).await;
        assert_eq!((world.s3.calls("fetch"), world.sqs.bodies().len()), (6, 1), "it waits for its next delivery");
        world.settled().await;
    };
    world.run_until(looked).await.expect("ends as it is told");
    assert_eq!((world.tag(BUCKET, "k").as_deref(), world.dead.bodies().len()), (Some("Clean"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_overwritten_often_is_announced_once_for_what_stays() {
    let world = EventWorld::new().await;
    let records: Vec<_> = (0..50).map(|n| world.owner().store(BUCKET, "k", &format!("plain {n}")).1).collect();
    for record in records {
        world.send(&[record]);
    }
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
    let told = world.told();
    // as what came in the place of another, and as what its own event told of
    let ids: BTreeSet<_> = told.iter().map(|result| (&result.id, &result.etag)).collect();
    assert!(ids.len() <= 2 && ids.iter().all(|(_, etag)| **etag == told[0].etag), "{ids:?}");
    // by its own event and by those that were worked on at that moment
    assert!((1..=world.settings.scan_workers * 32).contains(&told.len()), "{} times", told.len());
    world.put(BUCKET, "k", "plain 49");
    world.settle().await;
    assert_eq!(world.told().len(), told.len() + 1, "what has its own event is always told");
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_from_the_end_of_days_hides_no_real_one() {
    let world = EventWorld::new().await;
    let forged = async {
        let (_, mut forged) = world.owner().store(BUCKET, "k", "other");
        forged["s3"]["object"]["sequencer"] = json!("FFFFFFFFFFFFFFFF");
        for etag in [forged["s3"]["object"]["eTag"].clone(), json!("d41d8cd98f00b204e9800998ecf8427e")] {
            forged["s3"]["object"]["eTag"] = etag;
            world.send(std::slice::from_ref(&forged));
            world.settled().await;
        }
        world.put(BUCKET, "k", "a virus");
        world.settled().await;
    };
    world.run_until(forged).await.expect("ends as it is told");
    assert!(!world.s3.exists(BUCKET, "k"));
    assert_eq!(world.told().last().map(|result| result.result.clone()).as_deref(), Some("Infected"));
}

#[tokio::test(start_paused = true)]
async fn no_verdict_rests_on_the_size_that_an_event_names() {
    for (bucket, size) in [(BUCKET, 1_000_000_000_000_000_u64), (BUCKET, 0), (VERSIONED, 1), (VERSIONED, u64::MAX)] {
        let world = EventWorld::new().await;
        let (_, mut record) = world.owner().store(bucket, "k", "plain");
        record["s3"]["object"]["size"] = json!(size);
        world.send(&[record]);
        world.settle().await;
        assert_eq!(world.tag(bucket, "k").as_deref(), Some("Clean"), "{size}");
        assert_eq!(world.told()[0].size, 5);
    }
    // and a small one hides no large one
    let world = EventWorld::with_policies(&policies(|policy| policy.max_bytes = 4)).await;
    let (_, mut record) = world.owner().store(BUCKET, "k", "plain");
    record["s3"]["object"]["size"] = json!(4);
    world.send(&[record]);
    world.settle().await;
    assert_eq!(world.told()[0].reason.as_deref(), Some("too large"));
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_in_the_place_of_another_is_announced_by_its_own_event() {
    let world = EventWorld::with_policies(&policies(|policy| policy.infected = InfectedAction::Delete)).await;
    let (_, first) = world.owner().store(BUCKET, "k", "plain");
    let (_, second) = world.owner().store(BUCKET, "k", "a virus");
    let bell = Arc::new(Notify::new());
    let ring = Arc::clone(&bell);
    world.topic.faults.meanwhile("publish", 1, move || ring.notify_one());
    world.topic.faults.delay("publish", 1, SECOND * 1_000_000);
    world.send(&[first]);
    tokio::select! {
        biased;
        () = bell.notified() => {}
        _ = world.run_until(world.settled()) => panic!("it was to be killed"),
    }
    assert!(!world.s3.exists(BUCKET, "k"));
    // the owner wants otherwise by now
    world.write_policies(&policies(|policy| policy.infected = InfectedAction::Keep)).await;
    let mut world = world;
    world.forget_faults();
    world.send(&[second]);
    world.settle().await;
    let told: Vec<_> = world.published().into_iter().map(|result| (result.result, result.action)).collect();
    assert_eq!(told, [("Infected".to_owned(), Some("Delete".to_owned()))]);
}
