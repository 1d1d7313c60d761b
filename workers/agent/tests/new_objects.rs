//! New objects of protected buckets: what each event comes to, and what it does not.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::events::*;
use common::*;
use lazaret_agent::{AgentError, serve};
use lazaret_aws::fake::{FakeObject, refused, throttled};
use lazaret_aws::objects::StoreError;
use lazaret_model::allowed::AllowedContent;
use lazaret_model::policy::{Announce, InfectedAction, Policy, Tagging};
use lazaret_model::verdict::ErrorReason;
use lazaret_model::{ActionOutcome, ObjectRef, layout};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn results(told: &[lazaret_model::announcement::ScanResult]) -> Vec<(&str, &str)> {
    let mut results: Vec<_> = told.iter().map(|result| (result.key.as_str(), result.result.as_str())).collect();
    results.sort_unstable();
    results
}

#[tokio::test(start_paused = true)]
async fn every_record_of_a_message_gets_its_verdict_its_action_and_its_announcements() {
    for bucket in [BUCKET, VERSIONED] {
        let world = EventWorld::new().await;
        let owner = world.owner();
        let contents = [
            ("a b+c%2Fd/ü😀.txt", "plain"),
            ("bad", "a virus"),
            ("crash", "crash"),
            ("empty", ""),
            ("folder/", ""),
            ("locked", "encrypted"),
        ];
        let stored: Vec<_> = contents.iter().map(|(key, text)| owner.store(bucket, key, text)).collect();
        world.send(&stored.iter().map(|(_, record)| record.clone()).collect::<Vec<_>>());
        world.settle().await;
        for (key, expected) in [
            ("a b+c%2Fd/ü😀.txt", Some("Clean")),
            ("bad", None),
            ("crash", Some("Error")),
            ("empty", Some("Clean")),
            ("folder/", Some("Clean")),
            ("locked", Some("Unscannable")),
        ] {
            assert_eq!(world.tag(bucket, key).as_deref(), expected, "{key}");
        }
        assert!(world.in_quarantine(&stored[1].0) && !world.s3.exists(bucket, "bad"));
        assert_eq!(results(&world.told()), results(&world.published()));
        assert_eq!(world.told().len(), contents.len());
        let bad = world.told().into_iter().find(|result| result.key == "bad").expect("told");
        assert_eq!((bad.result.as_str(), bad.action_outcome), ("Infected", Some(ActionOutcome::Done)));
        assert_eq!(bad.findings[0].threat, THREAT);
        assert_eq!(bad.version_id.is_some(), bucket == VERSIONED);
        assert!(bad.moved_to.is_some() && bad.sequencer.is_some());
        let published = world.topic.published().into_iter().find(|one| one.message.contains("\"bad\"")).expect("told");
        let attributes: Vec<_> =
            published.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected =
            [("notificationType", "scanResult"), ("scanResult", "Infected"), ("bucket", bucket), ("account", ACCOUNT)];
        assert_eq!(attributes, expected);
        let event = &world.bus.events()[0];
        assert_eq!(
            (event.detail_type.as_str(), event.resources[0].clone()),
            ("Object Scan Result", format!("arn:aws:s3:::{bucket}"))
        );
        let counts = world.tally.take();
        assert_eq!((counts.verdicts["Clean"], counts.verdicts["Infected"], counts.latencies.len()), (3, 1, 6));
        assert!(world.dead.bodies().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn each_form_of_a_body_is_read() {
    let world = EventWorld::new().await;
    let (_, record) = world.owner().store(BUCKET, "sns", "plain");
    world.sqs.push(json!({"Type": "Notification", "Message": body_of(&[record])}).to_string());
    let (object, _) = world.owner().store(VERSIONED, "a+b%20c", "plain");
    let detail = json!({"bucket": {"name": VERSIONED}, "requester": ACCOUNT, "object": {"key": "a+b%20c",
        "size": object.size, "etag": object.etag.as_str(), "version-id": object.version_id, "sequencer": "00"}});
    let event = json!({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-22T10:00:00Z",
        "detail": detail});
    world.sqs.push(event.to_string());
    world.sqs.push(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}).to_string());
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "sns").as_deref(), Some("Clean"));
    assert_eq!(world.tag(VERSIONED, "a+b%20c").as_deref(), Some("Clean"));
    assert_eq!((world.scans(), world.dead.bodies().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_goes_to_the_dead_letters_at_once_and_other_events_are_ignored() {
    let world = EventWorld::new().await;
    let (_, mut removed) = world.owner().store(BUCKET, "k", "plain");
    removed["eventName"] = json!("ObjectRemoved:Delete");
    let (_, created) = world.owner().store(BUCKET, "l", "plain");
    world.send(&[removed, created.clone()]);
    let mut nameless = created;
    nameless["s3"]["object"]["key"] = json!(null);
    world.send(&[nameless]);
    world.sqs.push("no json");
    let (_, took) = timed(world.settle()).await;
    assert!(took < SECOND * 2, "{took:?}");
    assert_eq!(world.dead.bodies().len(), 2);
    assert_eq!((world.tag(BUCKET, "k"), world.tag(BUCKET, "l").as_deref()), (None, Some("Clean")));
}

#[tokio::test(start_paused = true)]
async fn what_we_stored_ourselves_is_not_scanned_and_what_looks_like_it_is() {
    let world = EventWorld::new().await;
    let principals = [
        ("own", format!("AWS:{OWN_ROLE}:session")),
        ("bare", format!("AWS:{OWN_ROLE}")),
        ("longer", format!("AWS:{OWN_ROLE}X:session")),
        ("inside", format!("AWS:AROAOTHER:AWS:{OWN_ROLE}:session")),
    ];
    for (key, principal) in &principals {
        let (_, mut record) = world.owner().store(BUCKET, key, "plain");
        record["userIdentity"]["principalId"] = json!(principal);
        world.send(&[record]);
    }
    // whatever a policy says of them
    for bucket in [RESULTS, QUARANTINE] {
        world.put(bucket, "k", "plain");
    }
    world.settle().await;
    let tagged = principals.iter().filter(|(key, _)| world.tag(BUCKET, key).is_some()).map(|(key, _)| *key);
    assert_eq!(tagged.collect::<Vec<_>>(), ["longer", "inside"]);
    assert_eq!(world.scans(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_was_protected_a_moment_ago_is_scanned_and_others_cost_one_look_a_second() {
    let world = EventWorld::new().await;
    world.put(FOREIGN, "before", "plain");
    let protect = async {
        world.settled().await;
        assert_eq!(world.tag(FOREIGN, "before"), None);
        let mut policies = policies(|_| {});
        policies.buckets.insert(FOREIGN.into(), Policy { protection: protection(None), ..Policy::default() });
        world.write_policies(&policies).await;
        world.put(FOREIGN, "after", "plain");
        world.settled().await;
    };
    world.run_until(protect).await.expect("ends as it is told");
    assert_eq!(world.tag(FOREIGN, "after").as_deref(), Some("Clean"));

    let world = EventWorld::new().await;
    for n in 0..200 {
        world.put(FOREIGN, &n.to_string(), "plain");
    }
    let began = Instant::now();
    world.settle().await;
    assert!(world.s3.calls("get") <= 3 + began.elapsed().as_secs(), "{} looks", world.s3.calls("get"));
    assert_eq!((world.scans(), world.dead.bodies().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_old_events_of_others_buckets_costs_no_look_and_no_time() {
    let world = EventWorld::new().await;
    for n in 0..1000 {
        let (_, mut record) = world.owner().store(FOREIGN, &n.to_string(), "plain");
        // what an event says of its time is anybody's word
        record["eventTime"] = json!("2099-01-01T00:00:00Z");
        world.send(&[record]);
    }
    world.put(BUCKET, "k", "plain");
    sleep(SECOND * 3).await;
    let (_, took) = timed(world.settle()).await;
    assert!(took < SECOND * 2, "{took:?}"); // the last polls take one
    assert_eq!((world.scans(), world.tag(BUCKET, "k").as_deref()), (1, Some("Clean")));
    assert_eq!(world.s3.calls("get"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_new_events_of_others_buckets_keeps_nobody_waiting() {
    let world = EventWorld::new().await;
    let flood = async {
        sleep(SECOND * 5).await;
        for n in 0..1500 {
            world.put(FOREIGN, &n.to_string(), "plain");
        }
        world.put(BUCKET, "k", "plain");
        let tagged = async {
            while world.tag(BUCKET, "k").is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let (_, took) = timed(tagged).await;
        assert!(took < SECOND * 2, "{took:?}");
        world.settled().await;
    };
    world.run_until(flood).await.expect("ends as it is told");
    assert!(world.s3.calls("get") < 6, "{} looks", world.s3.calls("get"));
    assert!(world.dead.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_missing_where_there_were_some_switch_no_protection_off() {
    let world = EventWorld::new().await;
    let trouble = async {
        world.s3.remove(RESULTS, layout::POLICIES_KEY);
        sleep(world.settings.policies * 2).await;
        world.put(BUCKET, "k", "plain");
        world.put(FOREIGN, "k", "plain");
        sleep(SECOND * 5).await;
        assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
        assert_eq!(world.sqs.bodies().len(), 1, "nobody can say that the other bucket is not protected");
        world.write_policies(&policies(|_| {})).await;
        world.settled().await;
    };
    world.run_until(trouble).await.expect("ends as it is told");
    assert_eq!((world.scans(), world.dead.bodies().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn without_any_settings_no_event_is_dropped() {
    let world = EventWorld::new().await;
    world.s3.remove(RESULTS, layout::POLICIES_KEY);
    world.put(BUCKET, "k", "plain");
    world.put(RESULTS, "of our own", "plain");
    sleep(SECOND * 3).await; // known at the start already
    world.settle().await;
    assert_eq!((world.tag(BUCKET, "k"), world.dead.bodies().len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn what_we_stored_in_a_staging_bucket_goes_its_way_though_it_became_one_a_moment_ago() {
    let world = EventWorld::new().await;
    let by_us = |bucket: &str, key: &str| {
        let (_, mut record) = world.owner().store(bucket, key, "plain");
        record["userIdentity"]["principalId"] = json!(format!("AWS:{OWN_ROLE}:session"));
        world.send(&[record]);
    };
    let chain = async {
        by_us(STAGING, "from another one");
        by_us(VERSIONED, "before");
        world.settled().await;
        assert_eq!(world.promotions().await, 1);
        let mut policies = policies(|_| {});
        let second = Policy { protection: protection(Some("production")), ..Policy::default() };
        policies.buckets.insert(VERSIONED.into(), second);
        world.write_policies(&policies).await;
        by_us(VERSIONED, "after");
        world.settled().await;
    };
    world.run_until(chain).await.expect("ends as it is told");
    assert_eq!((world.scans(), world.promotions().await), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_not_ignored_while_nobody_can_say_whose_it_is() {
    let world = EventWorld::new().await;
    let mut protected = policies(|_| {});
    protected.buckets.insert(FOREIGN.into(), Policy { protection: protection(None), ..Policy::default() });
    let trouble = async {
        world.put_result(layout::POLICIES_KEY, b"no json".to_vec()).await;
        world.put(FOREIGN, "k", "plain");
        sleep(SECOND * 5).await;
        assert_eq!(world.sqs.bodies().len(), 1, "it waits");
        world.write_policies(&protected).await;
        world.settled().await;
    };
    world.run_until(trouble).await.expect("ends as it is told");
    assert_eq!(world.tag(FOREIGN, "k").as_deref(), Some("Clean"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_policy_reaches_a_running_agent_within_its_interval() {
    let world = EventWorld::new().await;
    let change = async {
        world.put(BUCKET, "before", "virus");
        world.settled().await;
        world.write_policies(&policies(|policy| policy.infected = InfectedAction::Keep)).await;
        sleep(world.settings.policies + SECOND).await;
        world.put(BUCKET, "after", "virus");
        world.settled().await;
    };
    world.run_until(change).await.expect("ends as it is told");
    assert!(!world.s3.exists(BUCKET, "before"));
    assert_eq!(world.tag(BUCKET, "after").as_deref(), Some("Infected"));
}

#[tokio::test(start_paused = true)]
async fn the_policy_says_what_is_announced() {
    for (announce, expected) in [
        (Announce::All, vec![("clean", "Clean"), ("locked", "Unscannable")]),
        (Announce::Findings, vec![("locked", "Unscannable")]),
        (Announce::None, vec![]),
    ] {
        let world = EventWorld::with_policies(&policies(|policy| policy.announce = announce)).await;
        world.put(BUCKET, "clean", "plain");
        world.put(BUCKET, "locked", "encrypted");
        world.settle().await;
        assert_eq!(results(&world.told()), expected);
        assert_eq!(results(&world.published()), expected);
        assert_eq!(world.tag(BUCKET, "clean").as_deref(), Some("Clean"), "announced or not");
    }
}

#[tokio::test(start_paused = true)]
async fn archived_objects_are_announced_and_those_on_the_skip_list_are_not_and_neither_is_tagged() {
    let world = EventWorld::with_policies(&policies(|policy| policy.skip = vec!["*.log".into()])).await;
    let archived = world.s3.insert_object(VERSIONED, "archived", FakeObject::new("x").class("DEEP_ARCHIVE"));
    let archived = ObjectRef { version_id: world.s3.pinned_ref(VERSIONED, "archived").version_id, ..archived };
    world.send(&[record_of(&archived, "00")]);
    world.put(BUCKET, "a.log", "virus");
    world.settle().await;
    assert_eq!(results(&world.told()), [("archived", "Skipped")]);
    assert_eq!(world.told()[0].reason.as_deref(), Some("archived"));
    assert!(world.tag(VERSIONED, "archived").is_none() && world.tag(BUCKET, "a.log").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_same_event_is_scanned_once_and_the_same_bytes_stored_again_are_scanned_again() {
    let world = EventWorld::new().await;
    let (_, record) = world.owner().store(BUCKET, "k", "plain");
    let twice = async {
        world.send(&[record.clone(), record.clone()]);
        world.send(std::slice::from_ref(&record));
        world.settled().await;
        world.send(std::slice::from_ref(&record));
        world.settled().await;
        assert_eq!((world.scans(), world.told().len()), (1, 1));
        world.put(BUCKET, "k", "plain");
        world.settled().await;
        assert_eq!((world.scans(), world.told().len()), (2, 2), "what was stored anew has no tags");
    };
    world.run_until(twice).await.expect("ends as it is told");
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_sequencer_is_never_taken_for_another() {
    let world = EventWorld::new().await;
    let without = |text: &str| {
        let (_, mut record) = world.owner().store(BUCKET, "k", text);
        record["s3"]["object"]["sequencer"] = json!(null);
        world.send(&[record]);
    };
    let twice = async {
        without("plain");
        world.settled().await;
        without("plain");
        world.settled().await;
    };
    world.run_until(twice).await.expect("ends as it is told");
    assert_eq!((world.scans(), world.tag(BUCKET, "k").as_deref()), (2, Some("Clean")));
}

#[tokio::test(start_paused = true)]
async fn of_an_unversioned_key_the_last_object_counts_and_of_a_versioned_one_each() {
    for bucket in [BUCKET, VERSIONED] {
        let world = EventWorld::new().await;
        let stored: Vec<_> =
            ["plain", "virus", "plain"].iter().map(|text| world.owner().store(bucket, "k", text)).collect();
        let late_ones = async {
            world.send(&[stored[2].1.clone()]);
            world.settled().await;
            world.send(&[stored[1].1.clone()]);
            world.send(&[stored[0].1.clone()]); // the same bytes as the last: only the sequencer tells
            world.settled().await;
        };
        world.run_until(late_ones).await.expect("ends as it is told");
        assert_eq!(world.scans(), 3, "{bucket}");
        assert_eq!(world.tag(bucket, "k").as_deref(), Some("Clean"));
        assert_eq!(world.in_quarantine(&stored[1].0), bucket == VERSIONED);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_version_id_is_asked_for_where_versions_came_later() {
    let world = EventWorld::new().await;
    let (first, first_record) = world.owner().store(BUCKET, "k", "virus");
    world.s3.enable_versions(BUCKET);
    let (_, second_record) = world.owner().store(BUCKET, "k", "plain");
    let out_of_order = async {
        world.send(&[second_record]);
        world.settled().await;
        world.send(&[first_record]);
        world.settled().await;
    };
    world.run_until(out_of_order).await.expect("ends as it is told");
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
    assert!(!world.in_quarantine(&first), "another version is not touched");
    assert_eq!(world.s3.calls("fetch"), 3, "it was asked for, and what came in its place again");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_no_news_unless_it_stands_in_quarantine() {
    let world = EventWorld::new().await;
    let (_, deleted) = world.owner().store(BUCKET, "deleted", "plain");
    world.s3.remove(BUCKET, "deleted");
    let (_, overwritten) = world.owner().store(BUCKET, "overwritten", "plain");
    world.owner().store(BUCKET, "overwritten", "other");
    let (moved, bad) = world.owner().store(BUCKET, "bad", "virus");
    world.send(&[deleted, overwritten, bad.clone()]);
    world.settle().await;
    let once = [("bad", "Infected"), ("overwritten", "Clean")];
    assert_eq!(results(&world.told()), once, "what came in its place has its verdict");
    // an agent that knows nothing of it
    world.send(&[bad]);
    world.settle().await;
    let bad: Vec<_> = world.told().into_iter().filter(|result| result.key == "bad").collect();
    assert_eq!((bad.len(), world.told().len()), (2, 3));
    assert_eq!(bad[0].id, bad[1].id);
    assert_eq!(bad[1].findings[0].threat, THREAT);
    assert!(world.in_quarantine(&moved));
    assert_eq!(world.quarantined().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_is_tried_by_later_deliveries_and_final_on_the_last() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    for call in 1..=u64::from(lazaret_agent::retry::STORE.attempts) {
        world.store.faults.fail("fetch", call, StoreError::Transient("InternalError".into()));
    }
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
    assert_eq!(results(&world.told()), [("k", "Clean")], "nothing was said before");

    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    world.store.faults.fail_always("fetch", StoreError::Transient("InternalError".into()));
    let (_, took) = timed(world.settle()).await;
    assert!(took > SECOND * 150, "it was given time: {took:?}");
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Error"));
    assert_eq!((results(&world.told()), world.dead.bodies().len()), (vec![("k", "Error")], 0));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_fails_is_taken_up_again_and_final_on_the_last_delivery() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "virus");
    for call in 1..=u64::from(lazaret_agent::retry::STORE.attempts) {
        world.store.faults.fail("copy", call, StoreError::Transient("InternalError".into()));
    }
    world.settle().await;
    assert_eq!((world.quarantined().len(), world.told().len()), (1, 1));

    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "virus");
    world.store.faults.fail_always("copy", StoreError::Transient("InternalError".into()));
    world.settle().await;
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Infected"));
    assert!(matches!(&world.told()[0].action_outcome, Some(ActionOutcome::Failed(why)) if why.contains("tagged")));
    assert_eq!((world.told().len(), world.dead.bodies().len()), (1, 1), "somebody may send it again");
    let world = world.without_faults();
    world.redrive().await;
    world.settle().await;
    assert_eq!((world.quarantined().len(), world.told().len()), (1, 2));

    // what S3 refuses it refuses again
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "virus");
    world.store.faults.fail_always("copy", StoreError::AccessDenied("AccessDenied".into()));
    world.settle().await;
    assert_eq!((world.tag(BUCKET, "k").as_deref(), world.scans()), (Some("Infected"), 1));
    assert!(matches!(&world.told()[0].action_outcome, Some(ActionOutcome::Failed(why)) if why.contains("tagged")));
    assert!(world.dead.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_cannot_be_started_is_never_forgotten() {
    for known in [false, true] {
        let world = EventWorld::new().await;
        let mut deps = world.deps();
        if known {
            world.executions.fail_starts(Some(refused("StartExecution", "StateMachineDoesNotExist")));
        } else {
            deps.agent.promotions = None;
        }
        world.put(STAGING, "k", "plain");
        serve(world.settings.clone(), world.events.clone(), deps, world.settled()).await.expect("ends as it is told");
        assert_eq!((world.dead.bodies().len(), results(&world.told())), (1, vec![("k", "Clean")]));
        assert!(matches!(&world.told()[0].action_outcome, Some(ActionOutcome::Failed(_))));
        assert!(world.s3.exists(STAGING, "k"));
        world.executions.fail_starts(None);
        world.redrive().await;
        world.settle().await;
        assert_eq!(world.promotions().await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn step_functions_without_room_costs_no_delivery_and_keeps_no_other_bucket_waiting() {
    let world = EventWorld::new().await;
    world.executions.fail_starts(Some(throttled("StartExecution")));
    let most = lazaret_agent::events::receive::messages_in_hand(world.settings.scan_workers);
    for n in 0..most * 2 {
        world.put(STAGING, &n.to_string(), "plain");
    }
    let owner = world.owner();
    let throttling = async {
        sleep(SECOND * 60).await;
        owner.put(BUCKET, "k", "plain");
        sleep(SECOND * 40).await;
        assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
        assert_eq!(world.promotions().await, 0);
        world.executions.fail_starts(None);
        world.settled().await;
    };
    world.run_until(throttling).await.expect("ends as it is told");
    assert_eq!(world.promotions().await, most * 2);
    assert_eq!((world.scans(), world.dead.bodies().len()), (most as u64 * 2 + 1, 0), "none came a second time");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_may_pass_is_final_after_some_deliveries_only() {
    for (reason, least) in
        [(ErrorReason::StaleDefinitions, 240), (ErrorReason::EngineCrashed, 30), (ErrorReason::EngineTimeout, 10)]
    {
        for bucket in [BUCKET, STAGING] {
            let world = EventWorld::new().await;
            *world.scanner.trouble.lock().expect("trouble") = Some(reason);
            world.put(bucket, "k", "plain");
            let passes = async {
                sleep(SECOND * 5).await;
                assert!(world.tag(bucket, "k").is_none() && world.told().is_empty());
                *world.scanner.trouble.lock().expect("trouble") = None;
                world.settled().await;
            };
            world.run_until(passes).await.expect("ends as it is told");
            assert_eq!(results(&world.told()), [("k", "Clean")], "{reason}");

            let world = EventWorld::new().await;
            *world.scanner.trouble.lock().expect("trouble") = Some(reason);
            world.put(bucket, "k", "plain");
            let (_, took) = timed(world.settle()).await;
            assert!(took >= SECOND * least && took < SECOND * (least + 60), "{reason}: {took:?}");
            assert_eq!((results(&world.told()), world.dead.bodies().len()), (vec![("k", "Error")], 0));
            assert_eq!(world.tag(bucket, "k").as_deref(), (bucket == BUCKET).then_some("Error"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_takes_no_other_with_it() {
    for bucket in [BUCKET, VERSIONED] {
        let world = EventWorld::new().await;
        let mut stored: Vec<_> = (0..3).map(|n| world.owner().store(bucket, &n.to_string(), "plain").1).collect();
        stored[1]["s3"]["object"]["key"] = json!(null);
        world.send(&stored);
        let (_, took) = timed(world.settle()).await;
        let tags: Vec<_> = (0..3).map(|n| world.tag(bucket, &n.to_string())).collect();
        assert_eq!(tags, [Some("Clean".into()), None, Some("Clean".into())]);
        assert_eq!((world.dead.bodies().len(), world.told().len(), world.scans()), (1, 2, 2));
        assert!(took < SECOND * 2, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_came_with_an_archived_object_does_not_stay_and_what_is_restored_is_scanned() {
    for bucket in [BUCKET, VERSIONED] {
        let world = EventWorld::new().await;
        for (key, result) in [("forged", Some("Clean")), ("warning", Some("Infected")), ("none", None)] {
            let mut object = FakeObject::new("a virus").class("GLACIER").tag("mine", "1");
            if let Some(result) = result {
                object = object.tag("scan-result", result);
            }
            world.s3.insert_object(bucket, key, object);
            world.send(&[record_of(&world.s3.pinned_ref(bucket, key), "00")]);
        }
        world.settle().await;
        let tags = ["forged", "warning", "none"].map(|key| world.tag(bucket, key));
        assert_eq!(tags, [Some("Unscannable".into()), Some("Infected".into()), None]);
        let reasons: BTreeSet<_> = world.told().into_iter().map(|told| told.reason).collect();
        assert_eq!(reasons, BTreeSet::from([Some("archived".to_owned())]));

        // by now it can be read
        let restored = world.s3.pinned_ref(bucket, "none");
        world.s3.thaw(bucket, "none");
        let mut record = record_of(&restored, "");
        record["eventName"] = json!("ObjectRestore:Completed");
        record["s3"]["object"]["sequencer"] = json!(null);
        world.send(&[record]);
        world.settle().await;
        assert!(world.in_quarantine(&restored));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_with_ten_tags_is_announced_with_an_action_that_failed() {
    let world = EventWorld::new().await;
    let full = (0..10).fold(FakeObject::new("plain"), |object, n| object.tag(&format!("t{n}"), "v"));
    world.s3.insert_object(BUCKET, "k", full);
    world.send(&[record_of(&world.s3.object_ref(BUCKET, "k"), "00")]);
    world.settle().await;
    assert_eq!(world.s3.tags_of(BUCKET, "k").len(), 10);
    assert_eq!(results(&world.told()), [("k", "Clean")]);
    assert!(matches!(&world.told()[0].action_outcome, Some(ActionOutcome::Failed(why)) if why.contains("no room")));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_only_once_its_result_is_announced() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    for call in 1..=u64::from(lazaret_agent::retry::ANNOUNCE.attempts) {
        world.topic.faults.fail("publish", call, throttled("Publish"));
    }
    world.bus.faults.fail("put", 1, throttled("PutEvents"));
    let (_, took) = timed(world.settle()).await;
    assert!(took > SECOND * 10, "the message came again: {took:?}");
    assert_eq!(world.published().len(), 1);
    let told = world.told();
    assert!(told.iter().all(|result| result.id == told[0].id) && !told.is_empty());

    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    world.topic.faults.fail_always("publish", refused("Publish", "AuthorizationError"));
    world.settle().await;
    assert_eq!((world.published().len(), world.dead.bodies().len()), (0, 1), "somebody must look");
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
}

#[tokio::test(start_paused = true)]
async fn one_record_that_fails_brings_the_message_again_and_the_others_are_not_scanned_again() {
    let world = EventWorld::new().await;
    let stored: Vec<_> = (0..5).map(|n| world.owner().store(BUCKET, &n.to_string(), "plain").1).collect();
    world.send(&stored);
    // two are tagged, and three fail as often as they are tried
    for call in 3..3 + 3 * u64::from(lazaret_agent::retry::STORE.attempts) {
        world.store.faults.fail("put_tags", call, StoreError::Transient("InternalError".into()));
    }
    world.settle().await;
    assert!((0..5).all(|n| world.tag(BUCKET, &n.to_string()).as_deref() == Some("Clean")));
    assert_eq!((world.scans(), world.told().len()), (8, 5));
}

#[tokio::test(start_paused = true)]
async fn a_content_that_its_owner_allowed_stays_where_it_is() {
    let sha256 = Sha256::digest("a virus").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let allowed = |threat: &str, sha256: &str| AllowedContent {
        sha256: sha256.to_owned(),
        threats: vec![threat.to_owned()],
        at: jiff::Timestamp::UNIX_EPOCH,
        by: String::new(),
    };
    for (record, expected) in [
        (serde_json::to_vec(&allowed(THREAT, &sha256)).expect("json"), "InfectedAllowed"),
        (serde_json::to_vec(&allowed("Another", &sha256)).expect("json"), "Infected"),
        (serde_json::to_vec(&allowed(THREAT, "ab")).expect("json"), "Infected"),
        (b"no json".to_vec(), "Infected"),
    ] {
        let world = EventWorld::with_policies(&policies(|policy| policy.infected = InfectedAction::Keep)).await;
        world.put_result(&layout::allowed_key(&sha256), record).await;
        world.put(BUCKET, "k", "a virus");
        world.settle().await;
        assert_eq!(world.tag(BUCKET, "k").as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn while_nobody_can_say_whether_a_content_is_allowed_it_is_not() {
    let world = EventWorld::new().await;
    let object = world.put(BUCKET, "k", "a virus");
    // the first get is the policies
    for call in 2..50 {
        world.store.faults.fail("get", call, StoreError::Transient("SlowDown".into()));
    }
    world.settle().await;
    assert!(world.in_quarantine(&object));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_in_a_staging_bucket_is_written_down_and_handed_over_once() {
    let world = EventWorld::new().await;
    let (clean, record) = world.owner().store(STAGING, "k", "plain");
    world.send(std::slice::from_ref(&record));
    world.put(STAGING, "bad", "virus");
    world.settle().await;
    assert_eq!(world.promotions().await, 2);
    // another agent, another scan
    world.send(&[record]);
    world.settle().await;
    assert_eq!((world.promotions().await, world.scans()), (2, 3));
    let name = lazaret_model::promotion::record_name(&clean, &lazaret_model::Verdict::Clean);
    let written = world.s3.bytes(RESULTS, &layout::verdict_key(&name)).expect("written down");
    let row: lazaret_model::ResultRow = serde_json::from_slice(&written).expect("a row");
    assert_eq!((row.object.version_id, row.verdict.name()), (clean.version_id, "Clean"));
    assert_eq!(results(&world.told())[0], ("bad", "Infected"));
    assert!(world.told().iter().all(|result| result.action.as_deref() == Some("Promote")));
    assert!(world.tag(STAGING, "k").is_none() && world.s3.exists(STAGING, "bad"), "that is the state machine's");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_wants_no_tags_gets_none_and_is_announced_all_the_same() {
    let world = EventWorld::with_policies(&policies(|policy| policy.tagging = Tagging::None)).await;
    world.put(BUCKET, "k", "plain");
    world.settle().await;
    assert!(world.s3.tags_of(BUCKET, "k").is_empty());
    assert_eq!((results(&world.told()), world.told()[0].action.as_deref()), (vec![("k", "Clean")], None));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_finishes_what_it_can_and_gives_back_the_rest() {
    let mut world = EventWorld::new().await;
    world.scanner.scan_time = SECOND * 8;
    for n in 0..20 {
        world.put(BUCKET, &format!("{n:02}"), &format!("plain {n}"));
    }
    let (result, took) = timed(world.run_until(sleep(SECOND * 5))).await;
    result.expect("ends by itself");
    assert!(took <= SECOND * 31, "{took:?}");
    let tagged = (0..20).filter(|n| world.tag(BUCKET, &format!("{n:02}")).is_some()).count();
    // two workers, eight seconds each, for five seconds and the grace
    assert_eq!(tagged, 6);
    let depth = lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
    assert_eq!((depth.visible, depth.in_flight), (14, 0));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_gone_ends_the_agent_and_its_events_are_given_back() {
    let mut world = EventWorld::new().await;
    world.scanner.gone_from = Some(1);
    for n in 0..3 {
        world.put(BUCKET, &n.to_string(), "plain");
    }
    let result = world.run_until(std::future::pending()).await;
    assert!(matches!(result, Err(AgentError::Engine(_))));
    let left = world.sqs.bodies().len() as u64;
    let depth = async || lazaret_aws::Queue::depth(&world.sqs).await.expect("depth");
    assert!(left >= 2);
    assert_eq!((depth().await.visible, depth().await.in_flight), (0, left), "not to the next agent at once");
    sleep(SECOND * 10).await;
    assert_eq!((depth().await.visible, depth().await.in_flight), (left, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_to_finish_is_as_long_as_it_is_set() {
    let mut world = EventWorld::new().await;
    world.scanner.scan_time = SECOND * 50;
    world.settings.grace = SECOND * 60;
    world.put(BUCKET, "k", "plain");
    world.run_until(sleep(SECOND)).await.expect("ends by itself");
    assert_eq!(world.tag(BUCKET, "k").as_deref(), Some("Clean"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_ends_the_agent_with_an_error_and_one_that_is_throttled_does_not() {
    let world = EventWorld::new().await;
    world.put(BUCKET, "k", "plain");
    for call in 1..=5 {
        world.queue.faults.fail("receive", call, throttled("ReceiveMessage"));
    }
    world.settle().await;
    assert_eq!(world.told().len(), 1);
    world.sqs.vanish();
    assert!(matches!(world.run_until(std::future::pending()).await, Err(AgentError::Receive(_))));
}

#[tokio::test(start_paused = true)]
async fn messages_in_hand_are_bounded_and_kept_for_as_long_as_it_takes() {
    let mut world = EventWorld::new().await;
    world.scanner.scan_time = SECOND * 10;
    let most = lazaret_agent::events::receive::messages_in_hand(world.settings.scan_workers);
    for n in 0..300 {
        world.put(BUCKET, &n.to_string(), &format!("plain {n}"));
    }
    let watch = async {
        let mut in_flight = 0;
        while !world.sqs.bodies().is_empty() {
            in_flight = in_flight.max(lazaret_aws::Queue::depth(&world.sqs).await.expect("depth").in_flight as usize);
            sleep(SECOND).await;
        }
        assert!(in_flight <= most && in_flight > most / 2, "{in_flight} of {most}");
    };
    world.run_until(watch).await.expect("ends as it is told");
    assert_eq!(world.scans(), 300, "none came a second time");
    assert_eq!(world.scanner.counts.at_once.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_agent_polls_and_does_nothing_else() {
    let world = EventWorld::new().await;
    world.run_until(sleep(SECOND * 600)).await.expect("ends as it is told");
    let receives = world.sqs.calls("receive");
    assert!((60..=62).contains(&receives), "{receives} receives in ten minutes");
    assert!(world.s3.calls("get") <= 41, "{} looks at the policies", world.s3.calls("get"));
}
