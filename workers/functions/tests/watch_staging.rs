//! The function `watch_staging`: what counts as waiting, and what it does where there is too much to look at.

mod world;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::ObjectStore;
use lazaret_aws::fake::{FailingStore, FakeObject};
use lazaret_functions::watch_staging::{WatchStaging, Watched};
use lazaret_model::policy::{Policies, Policy, ProtectedBy, Protection};
use lazaret_model::promotion::Destination;
use lazaret_model::{Failure, layout};
use world::{RESULTS, World, moment, now};

const LIMIT_SECONDS: u64 = 900;

fn world(buckets: &[&str]) -> World {
    let world = World::new();
    let policy = |bucket: &&str| {
        world.store.create_bucket(bucket, true);
        let protection = Protection::new(moment("2026-01-01T00:00:00Z"), ProtectedBy::Command)
            .promoting_to(Destination { bucket: "production".into(), prefix: String::new() });
        ((*bucket).to_owned(), Policy { protection: Some(protection), skip: vec!["*.log".into()], ..Policy::default() })
    };
    let buckets = buckets.iter().map(policy).collect();
    world.put_json(layout::POLICIES_KEY, &Policies { buckets, ..Policies::default() });
    world
}

fn aged(seconds: i64) -> FakeObject {
    FakeObject::new("x").modified(now() - SignedDuration::from_secs(seconds))
}

async fn watch_over(store: impl ObjectStore + 'static, at: Timestamp) -> Watched {
    let function =
        WatchStaging { store: Arc::new(store), results_bucket: RESULTS.into(), limit_seconds: LIMIT_SECONDS };
    function.handle(at).await.expect("watched")
}

async fn watch(world: &World) -> Watched {
    watch_over(world.store.clone(), now()).await
}

#[tokio::test]
async fn what_has_no_verdict_or_a_clean_one_waits_and_what_is_held_does_not() {
    let world = world(&["one", "other"]);
    let put = |bucket: &str, key: &str, object: FakeObject| drop(world.store.insert_object(bucket, key, object));
    put("one", "new", aged(900));
    put("one", "held", aged(9000).tag("scan-result", "Unscannable"));
    put("one", "kept", aged(9000).tag("scan-result", "Infected"));
    put("one", "left out.log", aged(9000));
    put("one", "not yet", aged(100).tag("scan-result", "Error"));
    let quiet = Watched { buckets: 2, complete: true, ..Watched::default() };
    assert_eq!(watch(&world).await, quiet);
    assert_eq!(world.store.calls("tags_at"), 2, "only those beyond the limit are looked at");

    put("one", "not scanned", aged(901));
    put("other", "not promoted", aged(2000).tag("scan-result", "Clean"));
    put("other", "of another's", aged(1000).tag("scan-result", "Fine"));
    // whatever went wrong may be over by now, and nobody decides about it
    put("other", "failed", aged(3000).tag("scan-result", "Error"));
    assert_eq!(watch(&world).await, Watched { waiting: 4, longest_seconds: 3000, ..quiet });
}

#[tokio::test]
async fn a_bucket_without_versions_and_one_that_cannot_be_read_are_counted_and_hide_no_other() {
    let world = world(&["denied", "fine", "suspended", "unversioned"]);
    world.store.deny("denied");
    world.store.suspend_versions("suspended");
    world.store.create_bucket("unversioned", false);
    world.store.insert_object("fine", "k", aged(1000));
    let expected = Watched {
        buckets: 4,
        unversioned: 2,
        unreadable: 1,
        waiting: 1,
        longest_seconds: 1000,
        complete: true,
        ..Watched::default()
    };
    assert_eq!(watch(&world).await, expected);
}

#[tokio::test]
async fn more_than_one_run_can_look_at_is_looked_at_in_turns() {
    let world = world(&["one"]);
    for n in 0..2_500 {
        world.store.insert_object("one", &format!("{n:04}"), aged(1000).tag("scan-result", "Unscannable"));
    }
    world.store.insert_object("one", "1500", aged(5000));
    let mut found = 0;
    for run in 0..5 {
        let at = now() + SignedDuration::from_secs(300 * run);
        let watched = watch_over(world.store.clone(), at).await;
        assert_eq!(watched.not_looked_at, 1_500);
        found += watched.waiting;
    }
    assert!(found >= 1, "it has its turn");
    assert_eq!(world.store.calls("tags_at"), 5_000);
}

#[tokio::test(start_paused = true)]
async fn tags_that_cannot_be_read_are_no_verdict() {
    let world = world(&["one"]);
    world.store.insert_object("one", "k", aged(1000).tag("scan-result", "Unscannable"));
    let failing = FailingStore::new(world.store.clone());
    failing.faults.fail_always("tags_at", lazaret_aws::StoreError::Transient("SlowDown".into()));
    assert_eq!(watch_over(failing, now()).await.waiting, 1);
    world.store.insert(RESULTS, layout::POLICIES_KEY, "{");
    let function = WatchStaging {
        store: Arc::new(world.store.clone()),
        results_bucket: RESULTS.into(),
        limit_seconds: LIMIT_SECONDS,
    };
    assert_eq!(function.handle(now()).await.expect_err("no policies").failure, Failure::Permanent);
}

#[tokio::test]
async fn policies_that_are_missing_are_told_and_no_failure() {
    let world = World::new();
    assert_eq!(watch(&world).await, Watched { complete: true, policies_missing: true, ..Watched::default() });
    world.put_json(layout::POLICIES_KEY, &Policies::default());
    assert_eq!(watch(&world).await, Watched { complete: true, ..Watched::default() });
}

/// A store that is slow, and one that does not answer: Lambda must not end the run before it has told.
#[tokio::test(start_paused = true)]
async fn a_run_ends_in_time_and_says_what_it_did_not_look_at() {
    let world = world(&["fine", "slow"]);
    for n in 0..40 {
        world.store.insert_object("fine", &format!("{n:02}"), aged(1000));
    }
    let begin = tokio::time::Instant::now();
    let failing = FailingStore::new(world.store.clone());
    for call in 1..=40 {
        failing.faults.delay("tags_at", call, std::time::Duration::from_secs(100));
    }
    let watched = watch_over(failing, now()).await;
    // sixteen at once
    assert_eq!((watched.waiting, watched.not_looked_at, watched.complete), (32, 8, true));
    assert!(begin.elapsed().as_secs() <= 240, "{:?}", begin.elapsed());

    let begin = tokio::time::Instant::now();
    let failing = FailingStore::new(world.store.clone());
    failing.faults.delay("list_page", 1, std::time::Duration::from_secs(1000));
    let watched = watch_over(failing, now()).await;
    assert_eq!((watched.buckets, watched.complete), (2, false));
    assert!(begin.elapsed().as_secs() <= 240, "{:?}", begin.elapsed());
}
