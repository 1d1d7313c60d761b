//! Protect and unprotect: what is refused changes nothing, what fails is put back, and what is others' stays.

mod world;

use std::sync::Arc;

use lazaret_aws::StoreError;
use lazaret_aws::buckets::Notifications;
use lazaret_aws::fake::FailingStore;
use lazaret_model::policy::{InfectedAction, ProtectedBy, Tagging, Via};
use lazaret_model::{Policies, Policy, layout};
use lazaret_protection::error::RolledBack;
use lazaret_protection::status::{self, Drift};
use lazaret_protection::{Flow, ProtectError, Site, Wish, protect, unprotect};
use world::{QUARANTINE, RESULTS, World, now, theirs, topic, two_bucket, wish};

async fn refused(world: &World, wish: &Wish) -> String {
    let (policies, notifications) = (world.policies(), world.buckets.notifications_of(&wish.bucket));
    let error = protect(&world.site(), wish, now()).await.expect_err("refused").to_string();
    assert_eq!(world.policies(), policies, "nothing was entered: {error}");
    assert_eq!(world.buckets.notifications_of(&wish.bucket), notifications, "nothing was switched: {error}");
    error
}

fn standing(bucket: &str) -> Wish {
    Wish { flow: two_bucket("production"), ..wish(bucket) }
}

#[tokio::test]
async fn a_protected_bucket_has_its_policy_and_our_rule_beside_the_others() {
    let world = World::new();
    world.buckets.set_notifications("uploads", theirs());
    let wish = Wish {
        include: Some(vec!["in/*".into(), String::new()]),
        skip: Some(vec!["*.log".into()]),
        infected: Some(InfectedAction::Keep),
        ..wish("uploads")
    };
    let protected = protect(&world.site(), &wish, now()).await.expect("protected");
    assert!(protected.activated);
    assert_eq!(protected.keys, ["keys `in/*`"]);
    let policy = &world.policies().buckets["uploads"];
    assert_eq!((&policy.include, &policy.skip), (&vec!["in/*".to_owned()], &vec!["*.log".to_owned()]));
    assert_eq!(policy.infected, InfectedAction::Keep);
    assert_eq!(policy.protection.as_ref().map(|p| (p.since, p.by)), Some((now(), ProtectedBy::Command)));
    let configured = world.buckets.notifications_of("uploads");
    assert_eq!(configured.topics[..1], theirs().topics);
    assert_eq!((configured.topics.len(), configured.topics[1].prefix()), (2, "in/"));
    assert_eq!(configured.topics[1].destination, topic().as_str());

    unprotect(&world.site(), "uploads", ProtectedBy::Command).await.expect("unprotected");
    assert_eq!(world.buckets.notifications_of("uploads"), theirs());
    let policy = &world.policies().buckets["uploads"];
    assert_eq!((policy.protection.is_none(), policy.infected), (true, InfectedAction::Keep), "its settings stay");
}

#[tokio::test]
async fn protecting_again_changes_the_settings_in_place() {
    let world = World::new();
    let site = world.site();
    protect(&site, &wish("uploads"), now()).await.expect("protected");
    let later = now() + jiff::SignedDuration::from_hours(1);
    let again = Wish { infected: Some(InfectedAction::Delete), ..wish("uploads") };
    let again = protect(&site, &again, later).await.expect("protected");
    assert_eq!((again.protection.since, again.policy.infected), (now(), InfectedAction::Delete));
    assert!(!again.activated);
    assert_eq!(world.buckets.calls("put_notifications"), 1, "nothing was to be switched");
    let kept = protect(&site, &wish("uploads"), later).await.expect("protected");
    assert_eq!(kept.policy.infected, InfectedAction::Delete, "what is not said stays");

    let narrower = Wish { include: Some(vec!["a/*".into()]), ..wish("uploads") };
    assert!(!protect(&site, &narrower, later).await.expect("protected").activated);
    let wider = Wish { include: Some(vec!["*".into()]), ..wish("uploads") };
    let wider = protect(&site, &wider, later).await.expect("protected");
    assert!(wider.activated, "of these keys no events came");
    assert_eq!((wider.policy.include.len(), world.buckets.notifications_of("uploads").topics.len()), (0, 1));
}

#[tokio::test]
async fn a_protection_whose_events_were_off_begins_anew() {
    let world = World::new();
    let site = world.site();
    protect(&site, &wish("uploads"), now()).await.expect("protected");
    world.buckets.set_notifications("uploads", Notifications::default());
    let later = now() + jiff::SignedDuration::from_hours(1);
    let again = protect(&site, &wish("uploads"), later).await.expect("protected");
    assert_eq!((again.activated, again.protection.since), (true, later));
}

#[tokio::test]
async fn what_can_not_be_protected_is_named_with_what_to_do() {
    let world = World::new();
    world.buckets.set_region("production", "us-west-2");
    world.store.create_bucket("far", false);
    world.buckets.set_region("far", "us-west-2");
    for (wish, words) in [
        (wish("no-such"), &["bucket `no-such` does not exist"][..]),
        (wish("far"), &["`far` lies in us-west-2", "eu-test-1"]),
        (wish(RESULTS), &["Lazaret's own"]),
        (wish(QUARANTINE), &["Lazaret's own"]),
        (standing("uploads"), &["versioning is off", "aws s3api put-bucket-versioning --bucket uploads"]),
        (standing("staging"), &["`production` lies in us-west-2"]),
        (Wish { flow: two_bucket("no-such"), ..wish("staging") }, &["destination bucket `no-such` does not exist"]),
        (Wish { flow: two_bucket("staging"), ..wish("staging") }, &["can't promote to itself"]),
        (Wish { flow: two_bucket(RESULTS), ..wish("staging") }, &["Lazaret's own"]),
    ] {
        let why = refused(&world, &wish).await;
        assert!(words.iter().all(|word| why.contains(word)), "{why}");
    }
    world.store.suspend_versions("staging");
    assert!(refused(&world, &standing("staging")).await.contains("versioning is suspended"));
    world.store.deny("uploads");
    let why = refused(&world, &wish("uploads")).await;
    assert!(why.contains("looking where bucket `uploads` lies") && why.contains("docs/protect.md"), "{why}");
}

#[tokio::test]
async fn a_circle_of_staging_buckets_is_refused() {
    let world = World::new();
    world.store.create_bucket("second", true);
    protect(&world.site(), &Wish { flow: two_bucket("second"), ..wish("staging") }, now()).await.expect("protected");
    let why = refused(&world, &Wish { flow: two_bucket("staging"), ..wish("second") }).await;
    assert!(why.contains("`second` → `staging` → `second`"), "{why}");
}

#[tokio::test]
async fn a_rule_in_the_way_is_named_and_event_bridge_is_the_way_around() {
    let world = World::new();
    world.buckets.set_notifications("uploads", theirs());
    let why = refused(&world, &wish("uploads")).await;
    for word in ["`uploads`", "`q`", "arn:aws:sqs:eu-test-1:0:q", "thumbs/*.x", "--include", "--via eventbridge"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    let around = Wish { via: Some(Via::EventBridge), ..wish("uploads") };
    let protected = protect(&world.site(), &around, now()).await.expect("protected");
    assert!(protected.protection.event_bridge_switched_on && protected.keys.is_empty() && protected.activated);
    let configured = world.buckets.notifications_of("uploads");
    assert_eq!(configured, Notifications { event_bridge: true, ..theirs() });
    protect(&world.site(), &around, now()).await.expect("again");
    unprotect(&world.site(), "uploads", ProtectedBy::Command).await.expect("unprotected");
    assert_eq!(world.buckets.notifications_of("uploads"), theirs());
    assert_eq!(world.policies(), Policies::default(), "nothing in it was its own");
}

#[tokio::test]
async fn events_that_can_not_be_switched_on_leave_the_policy_as_it_was() {
    let world = World::new();
    let own = Policy { tagging: Tagging::Findings, ..Policy::default() };
    world.put_policies(&Policies { buckets: [("uploads".into(), own.clone())].into(), ..Policies::default() });
    world.buckets.set_unreachable(topic().as_str());
    let error = protect(&world.site(), &wish("uploads"), now()).await.expect_err("no topic");
    assert!(matches!(&error, ProtectError::Switch { rolled_back: RolledBack::Yes, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("`lazaret-events` is not deployed") && text.contains("again what they were"), "{text}");
    assert_eq!(world.policies().buckets["uploads"], own);
}

#[tokio::test]
async fn a_roll_back_that_fails_is_not_kept_silent() {
    let world = World::new();
    let store = FailingStore::new(world.store.clone());
    store.faults.fail("put", 2, StoreError::AccessDenied("no".into()));
    world.buckets.set_unreachable(topic().as_str());
    let site = Site { store: Arc::new(store), ..world.site() };
    let text = protect(&site, &wish("uploads"), now()).await.expect_err("no topic").to_string();
    assert!(text.contains("could not be put back") && text.contains("run this again"), "{text}");
}

#[tokio::test]
async fn what_others_write_into_the_policies_meanwhile_stays() {
    let world = World::new();
    let store = FailingStore::new(world.store.clone());
    let other = world.store.clone();
    store.faults.meanwhile("put", 1, move || {
        let policies = Policies { buckets: [("other".into(), Policy::default())].into(), ..Policies::default() };
        other.insert(RESULTS, layout::POLICIES_KEY, serde_json::to_vec(&policies).expect("JSON"));
    });
    // and one whose answer was lost
    store.faults.lose_answer("put", 2, StoreError::Transient("a time-out".into()));
    let site = Site { store: Arc::new(store), ..world.site() };
    protect(&site, &wish("uploads"), now()).await.expect("protected");
    let names: Vec<_> = world.policies().buckets.into_keys().collect();
    assert_eq!(names, ["other", "uploads"]);
}

#[tokio::test]
async fn a_rule_that_others_add_meanwhile_stays() {
    let world = World::new();
    let buckets = world.buckets.clone();
    world.buckets.faults.meanwhile("notifications", 2, move || {
        buckets.set_notifications("uploads", Notifications { queues: Vec::new(), ..theirs() })
    });
    protect(&world.site(), &wish("uploads"), now()).await.expect("protected");
    let configured = world.buckets.notifications_of("uploads");
    assert_eq!((configured.topics.len(), configured.functions.len()), (2, 1));
}

#[tokio::test]
async fn policies_that_can_not_be_read_are_not_written_over() {
    let world = World::new();
    world.store.insert(RESULTS, layout::POLICIES_KEY, r#"{"buckets": {"a": {"infectd": "Keep"}}}"#);
    let text = protect(&world.site(), &wish("uploads"), now()).await.expect_err("unreadable").to_string();
    assert!(text.contains("infectd") && text.contains("nothing was changed"), "{text}");
}

#[tokio::test]
async fn a_staging_bucket_that_is_unprotected_names_what_still_waits() {
    let world = World::new();
    protect(&world.site(), &standing("staging"), now()).await.expect("protected");
    for n in 0..12 {
        world.store.insert("staging", &format!("k{n:02}"), "x");
    }
    let unprotected = unprotect(&world.site(), "staging", ProtectedBy::Command).await.expect("unprotected");
    let waiting = unprotected.waiting.expect("counted");
    assert_eq!((waiting.objects, waiting.keys.len(), waiting.more), (12, 10, false));
    assert_eq!(unprotected.rules, 1);
    let again = unprotect(&world.site(), "staging", ProtectedBy::Command).await.expect_err("nothing left").to_string();
    assert!(again.contains("`staging` is not protected"), "{again}");
}

#[tokio::test]
async fn rules_that_are_left_of_a_forgotten_protection_can_be_taken_out() {
    let world = World::new();
    protect(&world.site(), &wish("uploads"), now()).await.expect("protected");
    world.store.remove(RESULTS, layout::POLICIES_KEY);
    let unprotected = unprotect(&world.site(), "uploads", ProtectedBy::Command).await.expect("taken out");
    assert_eq!((unprotected.protection, unprotected.rules), (None, 1));
    assert_eq!(world.buckets.notifications_of("uploads"), Notifications::default());
}

#[tokio::test]
async fn a_staging_bucket_can_become_an_ordinary_one() {
    let world = World::new();
    protect(&world.site(), &standing("staging"), now()).await.expect("protected");
    let kept = protect(&world.site(), &wish("staging"), now()).await.expect("protected");
    assert!(kept.policy.promote_to().is_some(), "what is not said stays");
    let ordinary = Wish { flow: Some(Flow::Standard), ..wish("staging") };
    let ordinary = protect(&world.site(), &ordinary, now()).await.expect("protected");
    assert!(ordinary.policy.promote_to().is_none() && !ordinary.activated);
    let later = now() + jiff::SignedDuration::from_hours(1);
    let again = protect(&world.site(), &standing("staging"), later).await.expect("protected");
    assert!(again.activated && again.protection.since == later, "what is there would wait for ever");
}

#[tokio::test]
async fn drift_is_found_and_said() {
    let world = World::new();
    let site = world.site();
    world.store.create_bucket("gone", false);
    for wish in [wish("uploads"), standing("staging"), wish("gone")] {
        protect(&site, &wish, now()).await.expect("protected");
    }
    let drift = async || {
        let found = status::all(&site).await.expect("policies");
        found.into_iter().map(|status| (status.bucket, status.drift)).collect::<Vec<_>>()
    };
    assert!(drift().await.iter().all(|(_, drift)| drift.is_empty()));
    world.buckets.set_notifications("uploads", theirs());
    world.store.suspend_versions("staging");
    world.store.remove_bucket("production");
    world.store.remove_bucket("gone");
    let production = Drift::NoDestination { bucket: "production".into() };
    assert_eq!(
        drift().await,
        [
            ("gone".into(), vec![Drift::NoBucket]),
            ("staging".into(), vec![Drift::NotVersioned, production]),
            ("uploads".into(), vec![Drift::EventsOff]),
        ]
    );
    assert!(Drift::EventsOff.text("uploads").contains("lazaret bucket protect uploads"));
    let mut policies = world.policies();
    policies.buckets.get_mut("staging").expect("protected").protection.as_mut().expect("protected").promote_to = None;
    world.put_policies(&policies);
    let one = status::one(&site, "staging").await.expect("protected");
    assert_eq!(one.drift, []);
    unprotect(&site, "gone", ProtectedBy::Command).await.expect("forgotten");
    assert!(matches!(status::one(&site, "gone").await, Err(ProtectError::NotProtected(_))));
}

#[tokio::test]
async fn rules_for_fewer_keys_than_the_policy_includes_are_a_drift() {
    let world = World::new();
    let narrow = Wish { include: Some(vec!["a/*".into()]), ..wish("uploads") };
    protect(&world.site(), &narrow, now()).await.expect("protected");
    let mut policies = world.policies();
    policies.buckets.get_mut("uploads").expect("protected").include = vec!["b/*".into()];
    world.put_policies(&policies);
    assert_eq!(status::one(&world.site(), "uploads").await.expect("protected").drift, [Drift::KeysMissing]);
}
