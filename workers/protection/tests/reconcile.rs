//! Protection by tag: begun anew each time, and never against a command.

mod world;

use lazaret_aws::fake::throttled;
use lazaret_aws::{Executions, StoreError};
use lazaret_model::policy::ProtectedBy;
use lazaret_protection::reconcile::{Counts, reconcile};
use lazaret_protection::{Wish, protect, unprotect};
use serde_json::json;
use world::{World, now, theirs, two_bucket, wish};

const TAG: &str = "lazaret:protect";
const ACCEPT_TAG: &str = "lazaret:accept-from";

async fn run(world: &World) -> Counts {
    reconcile(&world.site(), None, 300, now()).await.expect("looked at")
}

fn by_tag(world: &World, bucket: &str) -> bool {
    let policies = world.policies();
    let there = policies.buckets.get(bucket).and_then(|policy| policy.protection.as_ref());
    there.is_some_and(|there| there.by == ProtectedBy::Tag)
}

#[tokio::test]
async fn a_tag_protects_a_bucket_once_and_its_removal_unprotects_it() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[("team", "a"), (TAG, "")]);
    world.buckets.set_tags("staging", &[(TAG, "two-bucket=production/in/")]);
    world.buckets.set_tags("production", &[(ACCEPT_TAG, "staging")]);
    let counts = run(&world).await;
    assert_eq!(counts, Counts { buckets: 3, tagged: 2, protected: 2, jobs: 2, ..Counts::default() });
    assert_eq!(world.policies().of("staging").promote_to().map(|to| to.prefix.as_str()), Some("in/"));
    let jobs = world.executions.list(10).await.expect("listed");
    let job = world.executions.describe(&jobs[0].name).await.expect("asked").expect("there");
    let input = job.input.expect("its input");
    assert_eq!(input["window"], json!({"from": "2006-03-14T00:00:00Z", "to": "2026-11-22T10:20:00Z"}));

    let counts = run(&world).await;
    assert_eq!((counts.protected, counts.unprotected, counts.failed), (0, 0, 0));
    assert_eq!(world.executions.list(10).await.expect("listed").len(), 2, "one job a bucket");
    assert_eq!(world.buckets.calls("put_notifications"), 2);

    world.buckets.set_tags("uploads", &[("team", "a")]);
    world.buckets.set_tags("staging", &[(TAG, "off")]);
    let counts = run(&world).await;
    assert_eq!((counts.tagged, counts.unprotected), (0, 2));
    assert!(world.policies().buckets.is_empty());
}

#[tokio::test]
async fn a_bucket_that_becomes_a_staging_bucket_has_a_job_over_what_it_holds() {
    let world = World::new();
    world.buckets.set_tags("staging", &[(TAG, "standard")]);
    run(&world).await;
    world.buckets.set_tags("staging", &[(TAG, "two-bucket=production")]);
    world.buckets.set_tags("production", &[(ACCEPT_TAG, "staging")]);
    let later = now() + jiff::SignedDuration::from_hours(48);
    let counts = reconcile(&world.site(), None, 300, later).await.expect("looked at");
    assert_eq!((counts.protected, counts.jobs), (1, 1));
    assert_eq!(world.executions.list(10).await.expect("listed").len(), 2);
}

#[tokio::test]
async fn nothing_is_promoted_by_tag_to_a_bucket_that_does_not_say_so_itself() {
    let world = World::new();
    world.buckets.set_tags("staging", &[(TAG, "two-bucket=production")]);
    for consent in [&[][..], &[(ACCEPT_TAG, "uploads")]] {
        world.buckets.set_tags("production", consent);
        let counts = run(&world).await;
        assert_eq!((counts.protected, counts.failed), (0, 1));
        assert!(world.policies().buckets.is_empty());
    }
    world.buckets.set_tags("production", &[(ACCEPT_TAG, "uploads staging")]);
    assert_eq!(run(&world).await.protected, 1);
    assert!(world.policies().of("staging").promote_to().is_some());
    world.buckets.set_tags("production", &[]);
    assert_eq!(run(&world).await.failed, 1);
    assert_eq!(world.policies().of("staging").promote_to(), None, "a consent that was taken back ends it");
}

#[tokio::test]
async fn what_a_command_protected_no_tag_touches() {
    let world = World::new();
    protect(&world.site(), &wish("uploads"), now()).await.expect("protected");
    let before = world.policies();
    for tag in ["off", "two-bucket=production", "standard"] {
        world.buckets.set_tags("uploads", &[(TAG, tag)]);
        let counts = run(&world).await;
        assert_eq!((counts.protected, counts.unprotected, counts.failed, counts.jobs), (0, 0, 0, 0), "{tag}");
        assert_eq!(world.policies(), before);
    }
    let tag = Wish { flow: two_bucket("production"), ..Wish::new("uploads", ProtectedBy::Tag) };
    let why = protect(&world.site(), &tag, now()).await.expect_err("by command").to_string();
    assert!(why.contains("protected by command"), "{why}");
    unprotect(&world.site(), "uploads", ProtectedBy::Tag).await.expect_err("by command");
}

#[tokio::test]
async fn tags_that_can_not_be_read_are_no_reason_to_unprotect() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    run(&world).await;
    world.buckets.faults.fail_always("tags", StoreError::AccessDenied("AccessDenied".into()));
    let counts = run(&world).await;
    assert_eq!((counts.failed, counts.unreadable, counts.unprotected), (1, 2, 0), "two were never ours to read");
    assert!(by_tag(&world, "uploads"));
}

#[tokio::test]
async fn a_value_that_says_nothing_leaves_the_bucket_as_it_is() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    run(&world).await;
    world.buckets.set_tags("uploads", &[(TAG, "standrad")]);
    let counts = run(&world).await;
    assert_eq!((counts.failed, counts.unprotected), (1, 0));
    assert!(by_tag(&world, "uploads"));
}

#[tokio::test]
async fn one_bucket_that_can_not_be_protected_keeps_no_other_from_it() {
    let world = World::new();
    world.buckets.set_notifications("uploads", theirs());
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    world.buckets.set_tags("production", &[(TAG, "two-bucket=staging")]);
    world.buckets.set_tags("staging", &[(TAG, "standard")]);
    let counts = run(&world).await;
    assert_eq!((counts.protected, counts.failed), (1, 2));
    assert!(by_tag(&world, "staging") && !by_tag(&world, "uploads") && !by_tag(&world, "production"));
}

#[tokio::test]
async fn events_that_went_off_are_switched_on_again_with_a_job_of_their_own() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    run(&world).await;
    world.buckets.set_notifications("uploads", lazaret_aws::buckets::Notifications::default());
    let later = now() + jiff::SignedDuration::from_hours(48);
    let counts = reconcile(&world.site(), None, 300, later).await.expect("looked at");
    assert_eq!((counts.protected, counts.jobs), (1, 1));
    assert_eq!(world.executions.list(10).await.expect("listed").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_could_not_be_started_is_started_by_the_next_run() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    world.executions.fail_starts(Some(throttled("StartExecution")));
    let counts = run(&world).await;
    assert_eq!((counts.protected, counts.jobs, counts.failed), (1, 0, 1));
    world.executions.fail_starts(None);
    let counts = run(&world).await;
    assert_eq!((counts.protected, counts.jobs, counts.failed), (0, 1, 0));
}

#[tokio::test]
async fn the_bucket_of_an_event_is_looked_at_alone() {
    let world = World::new();
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    world.buckets.set_tags("staging", &[(TAG, "standard")]);
    let counts = reconcile(&world.site(), Some("uploads"), 300, now()).await.expect("looked at");
    assert_eq!((counts.buckets, counts.protected), (1, 1));
    assert!(!by_tag(&world, "staging"));
    for other in ["no-such", world::RESULTS] {
        let counts = reconcile(&world.site(), Some(other), 300, now()).await.expect("looked at");
        assert_eq!((counts.protected, counts.failed), (0, 0), "{other}");
    }
}

#[tokio::test]
async fn buckets_of_other_regions_are_others_matter() {
    let world = World::new();
    world.buckets.set_region("uploads", "us-west-2");
    world.buckets.set_tags("uploads", &[(TAG, "standard")]);
    assert_eq!(run(&world).await, Counts { buckets: 2, ..Counts::default() });
}
