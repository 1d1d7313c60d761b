//! One packet, from its message to its part: what each kind of object becomes.

mod common;

use common::*;
use lazaret_aws::fake::{FailingQueue, FakeObject, FakeQueue};
use lazaret_aws::objects::StoreError;
use lazaret_model::policy::{InfectedAction, Policy, Tagging};
use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason};
use lazaret_model::{ActionKind, ActionOutcome, ObjectRef, Policies, ResultRow, Verdict, layout};

fn outcome(row: &ResultRow) -> Option<ActionOutcome> {
    row.action.as_ref().map(|action| action.outcome.clone())
}

fn throttled() -> StoreError {
    StoreError::Transient("SlowDown".into())
}

#[tokio::test(start_paused = true)]
async fn a_packet_becomes_a_part_in_its_order_and_its_message_is_deleted() {
    for bucket in [BUCKET, VERSIONED] {
        let objects = [
            ("a", "plain"),
            ("b", "a virus"),
            ("c", "encrypted"),
            ("d", "crash"),
            ("empty", ""),
            ("f/ü +%😀", "plain"),
        ];
        let world = World::with_objects(bucket, &objects).await;
        world.run().await.expect("ends idle");
        let rows = world.rows();
        let verdicts: Vec<_> = rows.iter().map(|row| (row.object.key.as_str(), row.verdict.name())).collect();
        let expected = [
            ("a", "Clean"),
            ("b", "Infected"),
            ("c", "Unscannable"),
            ("d", "Error"),
            ("empty", "Clean"),
            ("f/ü +%😀", "Clean"),
        ];
        assert_eq!(verdicts, expected);
        assert!(rows.iter().all(|row| outcome(row) == Some(ActionOutcome::Done)), "{rows:?}");
        assert!(rows.iter().all(|row| row.object.version_id.is_some() == (bucket == VERSIONED)));
        assert_eq!(world.messages(), 0);
        assert_eq!(world.tag(bucket, "a", "scan-result").as_deref(), Some("Clean"));
        assert_eq!(world.tag(bucket, "c", "message").as_deref(), Some("encrypted: a.txt"));
        assert_eq!(world.tag(bucket, "d", "scan-result").as_deref(), Some("Error"));
        assert!(!world.s3.exists(bucket, "b") && world.in_quarantine(&world.packets[0].objects[1]));
        assert_eq!(world.s3.version_count(bucket, "b"), 0, "the version itself is gone");
        let copy = &world.quarantined()[0];
        assert_eq!(world.tag(QUARANTINE, copy, "virus-name").as_deref(), Some(THREAT));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_object_is_scanned_by_a_job() {
    let mut world = World::empty();
    let class = lazaret_model::StorageClass::named("DEEP_ARCHIVE", true);
    let restored = world.s3.insert_object(BUCKET, "restored", FakeObject::new("a virus").class(&class.0));
    // its restored copy is gone again before an agent has it in hand
    let object = FakeObject::new("a virus").class("DEEP_ARCHIVE");
    let expired = ObjectRef { storage_class: class, ..world.s3.insert_object(BUCKET, "expired", object) };
    world.pack(vec![restored, expired]).await;
    world.run().await.expect("ends idle");
    assert!(matches!(world.row("restored").verdict, Verdict::Infected { .. }));
    assert_eq!(world.row("expired").verdict, Verdict::Skipped { reason: SkippedReason::Archived });
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_says_so_and_is_never_clean() {
    let mut world = World::empty();
    let denied = world.s3.insert(BUCKET, "denied", "x");
    let overwritten = world.s3.insert(BUCKET, "overwritten", "x");
    let deleted = world.s3.insert(BUCKET, "deleted", "x");
    let archived = world.s3.insert_object(BUCKET, "archived", FakeObject::new("x").class("GLACIER"));
    let listed_otherwise = ObjectRef { storage_class: lazaret_model::StorageClass::standard(), ..archived.clone() };
    let truncated = world.s3.insert_object(BUCKET, "truncated", FakeObject::new("x").claiming(100));
    let resized = ObjectRef { size: 2, ..world.s3.insert(BUCKET, "resized", "x") };
    world.s3.deny_object(BUCKET, "denied");
    world.s3.overwrite(BUCKET, "overwritten", "other");
    world.s3.remove(BUCKET, "deleted");
    world.pack(vec![denied, overwritten, deleted, listed_otherwise, truncated, resized]).await;
    world.run().await.expect("ends idle");
    let error = |reason| matches!(reason, ErrorReason::FetchFailed);
    assert!(matches!(world.row("denied").verdict, Verdict::Error { reason: ErrorReason::AccessDenied, .. }));
    assert!(matches!(outcome(&world.row("denied")), Some(ActionOutcome::Failed(_))), "nor can it be tagged");
    assert_eq!(world.row("overwritten").verdict, Verdict::Gone { reason: GoneReason::Overwritten });
    assert_eq!(world.row("deleted").verdict, Verdict::Gone { reason: GoneReason::Deleted });
    assert_eq!(world.row("archived").verdict, Verdict::Skipped { reason: SkippedReason::Archived });
    assert!(matches!(world.row("truncated").verdict, Verdict::Error { reason, .. } if error(reason)));
    assert!(matches!(world.row("resized").verdict, Verdict::Error { reason, .. } if error(reason)));
    assert!(world.s3.tags_of(BUCKET, "overwritten").is_empty(), "another version is not touched");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_and_an_outage_is_a_failed_fetch() {
    let world = World::with_objects(BUCKET, &[("a", "plain"), ("b", "plain")]).await;
    for call in 1..=4 {
        world.store.faults.fail("fetch", call, throttled());
        world.store.faults.fail("put", call, throttled());
        world.store.faults.fail("put_tags", call, throttled());
    }
    world.run().await.expect("ends idle");
    assert_eq!(world.store.faults.outstanding(), 0);
    assert!(world.rows().iter().all(|row| row.verdict == Verdict::Clean && outcome(row) == Some(ActionOutcome::Done)));

    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.store.faults.fail_always("fetch", throttled());
    world.run().await.expect("ends idle");
    assert!(matches!(world.row("a").verdict, Verdict::Error { reason: ErrorReason::FetchFailed, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_full_scratch_disk_is_an_error_of_the_object_alone() {
    let mut world = World::empty();
    world.settings.scratch_dir = "/nonexistent/scratch".into();
    let large = vec![0; lazaret_agent::spool::MEMORY_BYTES as usize + 1];
    let objects = vec![world.s3.insert(BUCKET, "large", large), world.s3.insert(BUCKET, "small", "plain")];
    world.pack(objects).await;
    world.run().await.expect("ends idle");
    assert!(matches!(&world.row("large").verdict, Verdict::Error { reason: ErrorReason::FetchFailed, detail }
        if detail.contains("no place")));
    assert_eq!(world.row("small").verdict, Verdict::Clean);
}

#[tokio::test(start_paused = true)]
async fn a_large_object_passes_over_the_disk() {
    let mut world = World::empty();
    let mut large = vec![b' '; lazaret_agent::spool::MEMORY_BYTES as usize + 1];
    large.extend_from_slice(b"virus");
    let object = world.s3.insert(BUCKET, "large", large);
    world.pack(vec![object]).await;
    world.run().await.expect("ends idle");
    assert_eq!(world.row("large").verdict.name(), "Infected");
}

#[tokio::test(start_paused = true)]
async fn policies_decide_what_is_fetched_tagged_and_done() {
    let mut world = World::empty();
    let mut policies = Policies::default();
    let of_bucket = Policy {
        tagging: Tagging::Findings,
        infected: InfectedAction::Delete,
        skip: vec!["*.log".into()],
        max_bytes: 100,
        allow: vec![],
        ..Policy::default()
    };
    policies.buckets.insert(BUCKET.into(), of_bucket);
    policies.buckets.insert(VERSIONED.into(), Policy { allow: vec![THREAT.into()], ..Policy::default() });
    world.write_policies(&policies).await;
    let objects = vec![
        world.s3.insert(BUCKET, "clean", "plain"),
        world.s3.insert(BUCKET, "bad", "virus"),
        world.s3.insert(BUCKET, "bad.log", "virus"),
        world.s3.insert(BUCKET, "large", "x".repeat(101)),
    ];
    world.pack(objects).await;
    let allowed = world.s3.insert(VERSIONED, "allowed", "virus");
    world.pack(vec![allowed]).await;
    world.run().await.expect("ends idle");
    let actions: Vec<_> = world.rows().into_iter().map(|row| row.action.map(|action| action.kind)).collect();
    assert_eq!(actions, [None, Some(ActionKind::Delete), None, Some(ActionKind::Tag)]);
    assert!(world.s3.tags_of(BUCKET, "clean").is_empty() && !world.s3.exists(BUCKET, "bad"));
    assert_eq!(world.row("bad.log").verdict, Verdict::Skipped { reason: SkippedReason::SkipList });
    assert_eq!(world.row("large").verdict.name(), "Unscannable");
    assert_eq!(world.part(1).expect("a part")[0].verdict.name(), "InfectedAllowed");
    assert!(world.s3.exists(VERSIONED, "allowed") && world.quarantined().is_empty());
    assert_eq!(world.s3.calls("fetch"), 3, "what is skipped or too large is not fetched");
}

#[tokio::test(start_paused = true)]
async fn the_owners_tags_stay_and_ten_of_them_are_a_failed_action() {
    let mut world = World::empty();
    let mut full = FakeObject::new("plain");
    let mut full_bad = FakeObject::new("virus");
    for n in 0..10 {
        full = full.tag(&format!("t{n}"), "v");
        full_bad = full_bad.tag(&format!("t{n}"), "v");
    }
    let objects = vec![
        world.s3.insert_object(BUCKET, "full", full),
        world.s3.insert_object(BUCKET, "full-bad", full_bad),
        world.s3.insert_object(BUCKET, "own", FakeObject::new("plain").tag("team", "red")),
    ];
    world.pack(objects).await;
    world.run().await.expect("ends idle");
    assert!(matches!(outcome(&world.row("full")), Some(ActionOutcome::Failed(why)) if why.contains("10 tags")));
    assert_eq!(world.s3.tags_of(BUCKET, "full").len(), 10);
    assert_eq!(world.tag(BUCKET, "own", "team").as_deref(), Some("red"));
    assert_eq!(outcome(&world.row("full-bad")), Some(ActionOutcome::Done), "an infection moves all the same");
    let copy = &world.quarantined()[0];
    assert_eq!(world.tag(QUARANTINE, copy, "scan-result").as_deref(), Some("Infected"));
    assert_eq!(world.s3.tags_of(QUARANTINE, copy).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_changes_between_scan_and_action_is_not_touched() {
    for (bucket, versioned) in [(BUCKET, false), (VERSIONED, true)] {
        let world = World::with_objects(bucket, &[("bad", "virus"), ("ok", "plain")]).await;
        let s3 = world.s3.clone();
        // the first write is the part, right before the actions
        world.store.faults.meanwhile("put", 1, move || {
            let later = "2026-01-02T00:00:00Z".parse().expect("a time");
            s3.insert_object(bucket, "bad", FakeObject::new("harmless").modified(later));
            s3.overwrite(bucket, "ok", "another");
        });
        world.run().await.expect("ends idle");
        assert_eq!(world.s3.bytes(bucket, "bad").as_deref(), Some(b"harmless".as_slice()), "{bucket}");
        assert!(world.s3.tags_of(bucket, "ok").is_empty() && world.s3.tags_of(bucket, "bad").is_empty());
        assert_eq!(world.row("bad").verdict.name(), "Infected");
        // a version that is no longer current is still there to be moved
        let expected = if versioned { ActionOutcome::Done } else { ActionOutcome::Gone };
        assert_eq!(outcome(&world.row("bad")), Some(expected.clone()));
        assert_eq!(outcome(&world.row("ok")), Some(expected));
        assert_eq!(world.quarantined().len(), usize::from(versioned));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_between_scan_and_action_is_gone() {
    let world = World::with_objects(BUCKET, &[("bad", "virus"), ("ok", "plain")]).await;
    let s3 = world.s3.clone();
    world.store.faults.meanwhile("put", 1, move || {
        s3.remove(BUCKET, "bad");
        s3.remove(BUCKET, "ok");
    });
    world.run().await.expect("ends idle");
    assert_eq!(outcome(&world.row("bad")), Some(ActionOutcome::Gone));
    assert_eq!(outcome(&world.row("ok")), Some(ActionOutcome::Gone));
    assert!(world.quarantined().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_action_that_fails_for_good_is_a_failure_with_its_reason_and_no_older_clean_stays() {
    for infected in [InfectedAction::Move, InfectedAction::Delete] {
        let mut world = World::empty();
        world
            .write_policies(&Policies { default: Policy { infected, ..Policy::default() }, ..Policies::default() })
            .await;
        let old = FakeObject::new("virus").tag("scan-result", "Clean").tag("team", "red");
        let objects = vec![world.s3.insert_object(BUCKET, "bad", old), world.s3.insert(BUCKET, "ok", "plain")];
        world.pack(objects).await;
        for operation in ["copy", "delete"] {
            world.store.faults.fail_always(operation, StoreError::AccessDenied("not you".into()));
        }
        world.run().await.expect("ends idle");
        let Some(ActionOutcome::Failed(why)) = outcome(&world.row("bad")) else { panic!("{:?}", world.row("bad")) };
        assert!(why.contains("not you") && why.contains("tagged instead"), "{why}");
        assert_eq!(world.tag(BUCKET, "bad", "scan-result").as_deref(), Some("Infected"));
        assert_eq!(world.tag(BUCKET, "bad", "team").as_deref(), Some("red"));
        assert_eq!(outcome(&world.row("ok")), Some(ActionOutcome::Done));
        assert!(world.s3.exists(BUCKET, "bad"));
        assert_eq!(world.messages(), 0);
    }
}

/// Calls that one call to S3 makes before it is taken for failed.
const TRIES: u64 = lazaret_agent::retry::STORE.attempts as u64;

#[tokio::test(start_paused = true)]
async fn an_action_that_fails_for_now_waits_for_the_next_delivery_and_the_others_do_not() {
    for operation in ["tags", "copy", "delete"] {
        let mut world = World::with_objects(BUCKET, &[("bad", "virus")]).await;
        world.job.idle *= 4; // longer than the pause of a packet that is given back
        for call in 1..=TRIES {
            world.store.faults.fail(operation, call, throttled());
        }
        world.run().await.expect("ends idle");
        assert_eq!(world.store.faults.outstanding(), 0);
        assert_eq!(outcome(&world.row("bad")), Some(ActionOutcome::Done), "{operation}");
        assert_eq!((world.quarantined().len(), world.s3.exists(BUCKET, "bad")), (1, false), "{operation}");
        assert_eq!((world.s3.calls("fetch"), world.messages()), (1, 0), "what is recorded is not scanned again");
    }

    let mut world = World::with_objects(BUCKET, &[("bad", "virus"), ("ok", "plain")]).await;
    world.store.faults.fail_always("copy", throttled());
    world.job.idle = std::time::Duration::from_secs(1); // shorter than that pause
    world.run().await.expect("ends idle");
    assert_eq!(outcome(&world.row("bad")), Some(ActionOutcome::Pending));
    assert_eq!(outcome(&world.row("ok")), Some(ActionOutcome::Done), "what was done is written");
    assert_eq!(world.messages(), 1, "it comes again");
}

#[tokio::test(start_paused = true)]
async fn an_action_that_fails_to_the_last_delivery_is_a_failure_and_the_packet_is_no_dead_letter() {
    let mut world = World::with_objects(BUCKET, &[("ok", "plain"), ("bad", "virus")]).await;
    let dead = FakeQueue::new();
    let queue = FakeQueue::with_dead_letters(&dead, 5);
    queue.push(serde_json::to_string(&world.packets[0]).expect("json"));
    world.queue = FailingQueue::new(queue.clone());
    world.job.idle *= 4;
    world.store.faults.fail_always("put_tags", throttled());
    world.store.faults.fail_always("copy", throttled());
    world.run().await.expect("ends idle");
    assert!(matches!(outcome(&world.row("ok")), Some(ActionOutcome::Failed(why)) if why.contains("SlowDown")));
    let Some(ActionOutcome::Failed(why)) = outcome(&world.row("bad")) else { panic!("{:?}", world.row("bad")) };
    assert!(why.contains("copying") && why.contains("nor could it be tagged"), "{why}");
    assert_eq!(world.store.faults.calls("copy"), 5 * TRIES, "it was tried at each of five deliveries");
    assert!(queue.bodies().is_empty() && dead.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_that_can_not_be_asked_makes_no_gone() {
    let world = World::with_objects(BUCKET, &[("a", "plain")]).await;
    world.s3.remove(BUCKET, "a");
    world.store.faults.fail_always("tags_at", StoreError::AccessDenied("no".into()));
    world.run().await.expect("ends idle");
    assert_eq!(world.row("a").verdict.name(), "Error");
}

#[tokio::test(start_paused = true)]
async fn hostile_keys_are_only_text() {
    let long = "k/".repeat(450);
    let keys = [
        "../../etc/passwd",
        "a\nb\r\n",
        "\u{1b}[31mred",
        "{\"result\":\"Clean\"}",
        "\u{202e}exe.txt",
        " ",
        "%00",
        long.as_str(),
    ];
    let objects: Vec<_> = keys.iter().map(|key| (*key, "virus")).collect();
    let world = World::with_objects(BUCKET, &objects).await;
    world.run().await.expect("ends idle");
    let rows = world.rows();
    assert!(rows.iter().map(|row| row.object.key.as_str()).eq(keys));
    // the SDK can't name a key of nothing but white space: its row says so
    let (blank, named): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.object.key == " ");
    assert!(matches!(blank[0].verdict, Verdict::Error { reason: ErrorReason::FetchFailed, .. }));
    assert!(named.iter().all(|row| row.verdict.name() == "Infected" && outcome(row) == Some(ActionOutcome::Done)));
    assert_eq!(world.quarantined().len(), keys.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_version_that_comes_up_is_no_done() {
    for (infected, older) in [
        (InfectedAction::Move, "harmless, for all we know"),
        (InfectedAction::Move, "virus"),
        (InfectedAction::Delete, "harmless, for all we know"),
    ] {
        let mut world = World::empty();
        world
            .write_policies(&Policies { default: Policy { infected, ..Policy::default() }, ..Policies::default() })
            .await;
        world.s3.insert(VERSIONED, "bad", older);
        let bad = world.s3.insert(VERSIONED, "bad", "virus");
        world.s3.insert(VERSIONED, "bad and more", "plain");
        let lone = world.s3.insert(VERSIONED, "lone", "virus");
        world.pack(vec![bad, lone]).await;
        world.run().await.expect("ends idle");
        let came_up =
            |row: &ResultRow| matches!(outcome(row), Some(ActionOutcome::Failed(why)) if why.contains("older version"));
        assert!(came_up(&world.row("bad")), "{:?}", world.row("bad"));
        assert_eq!(outcome(&world.row("lone")), Some(ActionOutcome::Done));
        assert_eq!(world.s3.bytes(VERSIONED, "bad").as_deref(), Some(older.as_bytes()), "it is not touched");
        assert!(world.s3.tags_of(VERSIONED, "bad").is_empty());
        let quarantined = world.quarantined();

        // confirmed is confirmed, whoever gets the packet again
        let (rows, copies) = (world.rows(), world.s3.calls("copy"));
        world.send(&world.packets[0]);
        world.run().await.expect("ends idle");
        assert_eq!((world.rows(), world.s3.calls("copy"), world.quarantined()), (rows, copies, quarantined));

        // and where it died between its action and its confirmation, the next one comes to the same
        let part = world.rows().into_iter().map(|mut row| {
            row.action.as_mut().expect("an action").outcome = ActionOutcome::Pending;
            row
        });
        let lines = lazaret_model::result::part_to_json_lines(&part.collect::<Vec<_>>()).expect("json");
        world.put(&layout::part_key(&job_id(), &world.packets[0].packet_id), lines).await;
        world.send(&world.packets[0]);
        world.run().await.expect("ends idle");
        assert!(came_up(&world.row("bad")), "{:?}", world.row("bad"));
        assert_eq!(world.s3.calls("copy"), copies);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_to_an_object_that_was_moved_sees_the_older_version_too() {
    let mut world = World::empty();
    world.s3.insert(VERSIONED, "bad", "harmless, for all we know");
    let bad = world.s3.insert(VERSIONED, "bad", "virus");
    world.pack(vec![bad]).await;
    world.run().await.expect("ends idle");
    let first = outcome(&world.row("bad"));
    assert!(matches!(first, Some(ActionOutcome::Failed(_))), "{first:?}");
    // its part is lost, and the packet comes again
    world.s3.remove(RESULTS, &layout::part_key(&job_id(), &world.packets[0].packet_id));
    world.send(&world.packets[0]);
    world.run().await.expect("ends idle");
    assert_eq!((world.row("bad").verdict.name(), outcome(&world.row("bad"))), ("Infected", first));
    assert_eq!(world.quarantined().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tags_that_an_agent_left_on_another_object_when_it_died_are_taken_off() {
    let world = World::with_objects(BUCKET, &[("ok", "plain")]).await;
    let s3 = world.s3.clone();
    world.s3.while_tagging(move || drop(s3.overwrite(BUCKET, "ok", "not scanned")));
    world.run().await.expect("ends idle");
    assert_eq!(outcome(&world.row("ok")), Some(ActionOutcome::Gone));
    assert!(world.s3.tags_of(BUCKET, "ok").is_empty());

    // the first agent died right after it wrote them
    let mut row = world.row("ok");
    let keys = lazaret_model::tags::TagKeys::default();
    let ours = lazaret_model::tags::verdict_tags(&keys, &row.verdict, row.scanned_at);
    let left = ours.iter().fold(FakeObject::new("not scanned"), |object, tag| object.tag(&tag.key, &tag.value));
    world.s3.insert_object(BUCKET, "ok", left);
    row.action.as_mut().expect("an action").outcome = ActionOutcome::Pending;
    let lines = lazaret_model::result::part_to_json_lines(&[row]).expect("json");
    world.put(&layout::part_key(&job_id(), &world.packets[0].packet_id), lines).await;
    world.send(&world.packets[0]);
    world.run().await.expect("ends idle");
    assert_eq!(outcome(&world.row("ok")), Some(ActionOutcome::Gone));
    assert!(world.s3.tags_of(BUCKET, "ok").is_empty());
}
