//! Promotion over a fake S3: what arrives, what leaves, and what becomes of it where others are at it too.

use jiff::Timestamp;
use lazaret_actions::promote::{HeldReason, Place, Promoted, promote, promoted_copy};
use lazaret_actions::{PromoteError, retry};
use lazaret_aws::fake::{ANY, FailingStore, FakeObject, FakeStore};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::promotion::{Destination, SOURCE_METADATA};
use lazaret_model::tags::{Tag, TagKeys};
use lazaret_model::{Evidence, ObjectRef, ResultRow, Verdict};

const KEY: &str = "in/a";
const SECOND: i64 = 1_767_225_600;

fn store() -> FakeStore {
    FakeStore::new().with_versioned_bucket("staging").with_versioned_bucket("production")
}

fn to() -> Destination {
    Destination { bucket: "production".into(), prefix: "p/".into() }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(SECOND * 1000 + milliseconds).expect("a time")
}

fn row(object: ObjectRef) -> ResultRow {
    ResultRow {
        object,
        verdict: Verdict::Clean,
        action: None,
        scanned_at: Timestamp::UNIX_EPOCH,
        evidence: Evidence::default(),
    }
}

/// The row of a version that is stored at that moment, with the date that an event tells; S3 tells the second.
fn stored(store: &FakeStore, bytes: &'static str, milliseconds: i64) -> ResultRow {
    let second = at(milliseconds).as_second();
    let second = Timestamp::from_second(second).expect("a time");
    store.insert_object("staging", KEY, FakeObject::new(bytes).modified(second));
    row(ObjectRef { last_modified: at(milliseconds), ..store.pinned_ref("staging", KEY) })
}

async fn promoted(store: &dyn ObjectStore, row: &ResultRow) -> Result<Promoted, PromoteError> {
    promote(store, &TagKeys::default(), row, &to()).await
}

fn in_production(store: &FakeStore) -> String {
    let bytes = store.bytes("production", "p/in/a").unwrap_or_default();
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

#[tokio::test]
async fn a_clean_version_goes_to_production_with_all_that_is_its_owners() {
    let store = store();
    let object = FakeObject::new("bytes").content_type("text/plain").metadata("mine", "1").class("ONEZONE_IA");
    // a verdict that somebody else wrote does not come along
    store.insert_object("staging", KEY, object.tag("team", "a").tag("scan-result", "Infected"));
    let row = row(store.pinned_ref("staging", KEY));
    let place = Place { bucket: "production".into(), key: "p/in/a".into(), version_id: Some("v000002".into()) };
    for _ in 0..3 {
        assert_eq!(promoted(&store, &row).await.expect("promoted"), Promoted::Done(place.clone()));
        assert_eq!(store.version_count("staging", KEY), 0);
        assert_eq!(store.version_count("production", "p/in/a"), 1);
    }
    let copy = store.head("production", "p/in/a", None).await.expect("asked").expect("there");
    assert_eq!(copy.headers.content_type.as_deref(), Some("text/plain"));
    assert_eq!(copy.headers.metadata["mine"], "1");
    assert_eq!(copy.headers.metadata[SOURCE_METADATA], "staging v000001 2026-01-01T00:00:00Z");
    assert_eq!(copy.object.storage_class.0, "ONEZONE_IA");
    let tags = store.tags_of("production", "p/in/a");
    assert_eq!(tags[..2], [tag("team", "a"), tag("scan-result", "Clean")]);
    assert_eq!(promoted_copy(&store, &row, &to()).await.expect("asked"), Some(place));
}

#[tokio::test]
async fn ten_tags_of_the_owners_leave_no_room_for_the_verdict() {
    let store = store();
    let object = (0..10).fold(FakeObject::new("x"), |object, n| object.tag(&format!("t{n}"), "v"));
    store.insert_object("staging", KEY, object);
    promoted(&store, &row(store.pinned_ref("staging", KEY))).await.expect("promoted");
    let tags = store.tags_of("production", "p/in/a");
    assert_eq!(tags.len(), 10);
    assert!(tags.iter().all(|tag| tag.key.starts_with('t')));
}

#[tokio::test]
async fn any_name_and_any_size_goes_as_it_is() {
    let store = store();
    let long = "ä".repeat(511);
    for (key, bytes) in
        [("folder/", ""), ("empty", ""), ("a b+c%20&=", "x"), ("\u{1}\n\t\u{7f}", "x"), ("../../x", "x"), (&long, "x")]
    {
        store.insert("staging", key, bytes);
        let done = promoted(&store, &row(store.pinned_ref("staging", key))).await.expect("promoted");
        let Promoted::Done(place) = done else { panic!("{key:?}: {done:?}") };
        assert_eq!(place.key, format!("p/{key}"));
        assert_eq!(store.bytes("production", &place.key).expect("there"), bytes);
        assert!(!store.exists("staging", key));
    }
    // the SDK names no such key
    store.insert("staging", " \n", "x");
    let refused = promoted(&store, &row(store.pinned_ref("staging", " \n"))).await.expect_err("no name");
    assert!(!refused.retryable() && store.exists("staging", " \n"));
}

#[tokio::test]
async fn a_copy_under_a_kms_key_has_another_etag_and_is_whole() {
    let store = store();
    store.encrypt_with_key("production");
    let row = stored(&store, "x", 0);
    for _ in 0..2 {
        assert!(matches!(promoted(&store, &row).await, Ok(Promoted::Done(_))));
        assert_eq!((in_production(&store).as_str(), store.version_count("production", "p/in/a")), ("x", 1));
        assert_ne!(store.pinned_ref("production", "p/in/a").etag, row.object.etag);
    }
    let failing = FailingStore::new(store.clone());
    failing.faults.fail("copy", 1, StoreError::Permanent("KMS.DisabledException: the key is disabled".into()));
    let row = stored(&store, "y", 5000);
    let error = promoted(&failing, &row).await.expect_err("no key").to_string();
    assert!(error.contains("KMS.DisabledException") && error.contains("`production`"), "{error}");
    assert!(store.exists("staging", KEY));
}

#[tokio::test]
async fn what_no_version_id_pins_is_never_promoted() {
    let unversioned = FakeStore::new().with_bucket("staging").with_versioned_bucket("production");
    let suspended = store();
    suspended.suspend_versions("staging");
    for store in [unversioned, suspended] {
        store.insert("staging", KEY, "x");
        let held = promoted(&store, &row(store.pinned_ref("staging", KEY))).await.expect("held");
        assert_eq!(held, Promoted::Held(HeldReason::NotVersioned));
        assert_eq!(in_production(&store), "");
        assert!(store.exists("staging", KEY));
    }
}

#[tokio::test]
async fn a_version_keeps_its_id_where_versions_are_suspended_later() {
    let store = store();
    let scanned = stored(&store, "scanned", 0);
    store.suspend_versions("staging");
    store.overwrite("staging", KEY, "not scanned");
    assert!(matches!(promoted(&store, &scanned).await, Ok(Promoted::Done(_))));
    assert_eq!(in_production(&store), "scanned");
    assert_eq!(store.bytes("staging", KEY).expect("untouched"), "not scanned");
}

#[tokio::test]
async fn what_can_have_no_place_in_production_stays() {
    let store = store();
    let long = "k".repeat(1023);
    store.insert("staging", &long, "x");
    store.insert_object("staging", "cold", FakeObject::new("x").class("GLACIER"));
    store.insert("staging", KEY, "x");
    let itself = Destination { bucket: "staging".into(), prefix: "p/".into() };
    for (key, to, why) in [
        (long.as_str(), to(), HeldReason::KeyTooLong),
        ("cold", to(), HeldReason::Archived),
        (KEY, itself, HeldReason::IntoItself),
    ] {
        let row = row(store.pinned_ref("staging", key));
        let held = promote(&store, &TagKeys::default(), &row, &to).await;
        assert_eq!(held.expect("held"), Promoted::Held(why));
        assert!(store.exists("staging", key));
    }
    assert!(store.keys("production", "").is_empty());
}

#[tokio::test]
async fn only_the_version_that_was_scanned_goes() {
    let store = store();
    let scanned = stored(&store, "scanned", 0);
    let newer = stored(&store, "not scanned", 5000);
    assert!(matches!(promoted(&store, &scanned).await, Ok(Promoted::Done(_))));
    assert_eq!(in_production(&store), "scanned");
    assert_eq!(store.bytes("staging", KEY).expect("still there"), "not scanned");
    store.delete(&newer.object).await.expect("deleted by its owner");
    assert_eq!(promoted(&store, &newer).await.expect("looked"), Promoted::Gone);
    // a delete marker hides a version and does not delete it
    let hidden = stored(&store, "hidden", 9000);
    store.remove("staging", KEY);
    assert!(matches!(promoted(&store, &hidden).await, Ok(Promoted::Done(_))));
    assert_eq!(in_production(&store), "hidden");
}

/// The later version is the one that stands in the end, whichever is promoted first.
#[tokio::test]
async fn an_older_version_never_replaces_a_later_one() {
    for (older, later) in [(0, 1000), (0, 61_000), (100, 900), (100, 101)] {
        for in_order in [true, false] {
            let store = store();
            let (first, second) = (stored(&store, "old", older), stored(&store, "new", later));
            let (one, other) = if in_order { (&first, &second) } else { (&second, &first) };
            assert!(matches!(promoted(&store, one).await, Ok(Promoted::Done(_))));
            for _ in 0..2 {
                match promoted(&store, other).await.expect("done") {
                    Promoted::Done(_) => assert!(in_order),
                    Promoted::Superseded(_) => assert!(!in_order, "{older} {later}"),
                    held => panic!("{held:?}"),
                }
            }
            assert_eq!(in_production(&store), "new");
            assert_eq!(store.version_count("staging", KEY), 0);
        }
    }
}

#[tokio::test]
async fn where_the_order_is_unknown_nothing_is_lost() {
    // both of one second, of which no event tells more
    let store_of_one_second = store();
    let (first, second) = (stored(&store_of_one_second, "one", 0), stored(&store_of_one_second, "other", 0));
    assert!(matches!(promoted(&store_of_one_second, &first).await, Ok(Promoted::Done(_))));
    let held = promoted(&store_of_one_second, &second).await.expect("held");
    assert_eq!(held, Promoted::Held(HeldReason::OrderUnclear));
    assert!(store_of_one_second.exists("staging", KEY));
    // but the same bytes stand there already
    let same = stored(&store_of_one_second, "one", 0);
    assert!(matches!(promoted(&store_of_one_second, &same).await, Ok(Promoted::Superseded(_))));
}

/// An upload in parts has the date of its begin, and it was complete when it was scanned: what was stored in between may be older or
/// newer, whichever of them is promoted first.
#[tokio::test]
async fn what_was_stored_while_parts_arrived_is_held_and_nothing_else() {
    for parts_first in [true, false] {
        // begun at 5 s, scanned at 9 s
        for (other_ms, other_is_later) in [(2000, Some(false)), (5000, None), (7000, None), (12_000, Some(true))] {
            let store = store();
            store.insert_object("staging", KEY, FakeObject::new("in parts").modified(at(5000)).in_parts());
            let in_parts = ResultRow { scanned_at: at(9000), ..row(store.pinned_ref("staging", KEY)) };
            // an event tells the time of its end
            let in_parts =
                ResultRow { object: ObjectRef { last_modified: at(8300), ..in_parts.object.clone() }, ..in_parts };
            let other = stored(&store, "another", other_ms);
            let (first, second) = if parts_first { (&in_parts, &other) } else { (&other, &in_parts) };
            assert!(matches!(promoted(&store, first).await, Ok(Promoted::Done(_))));
            let second_is_later = other_is_later.map(|other_is_later| other_is_later == parts_first);
            for _ in 0..2 {
                match (promoted(&store, second).await.expect("an answer"), second_is_later) {
                    (Promoted::Held(HeldReason::OrderUnclear), None) => {
                        assert_eq!(store.version_count("staging", KEY), 1);
                    }
                    (Promoted::Done(_), Some(true)) | (Promoted::Superseded(_), Some(false)) => {}
                    (odd, _) => panic!("parts first: {parts_first}, the other at {other_ms} ms: {odd:?}"),
                }
            }
        }
    }
}

/// Whoever takes what comes to production may take it before it was looked at there.
#[tokio::test]
async fn a_copy_that_was_taken_at_once_is_delivered_once() {
    for versioned in [false, true] {
        let store = FakeStore::new().with_versioned_bucket("staging");
        store.create_bucket("production", versioned);
        let row = stored(&store, "x", 0);
        let failing = FailingStore::new(store.clone());
        let consumer = store.clone();
        // the looks: at staging, at production, at the copy
        failing.faults.meanwhile("head", 3, move || {
            for (object, _) in consumer.contents("production") {
                let consumer = consumer.clone();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                    runtime.block_on(consumer.delete(&object)).expect("taken");
                })
                .join()
                .expect("done");
            }
        });
        assert!(matches!(promoted(&failing, &row).await, Ok(Promoted::Done(_))));
        assert_eq!((failing.faults.calls("copy"), store.version_count("staging", KEY)), (1, 0));
        assert_eq!(in_production(&store), "");
    }
}

/// Two executions for two versions of one key: the later one is through between the earlier one's look and its copy.
#[tokio::test]
async fn a_copy_is_made_only_over_what_was_seen() {
    for versioned in [true, false] {
        let store = FakeStore::new().with_versioned_bucket("staging");
        store.create_bucket("production", versioned);
        let (older, later) = (stored(&store, "old", 100), stored(&store, "new", 3000));
        let failing = FailingStore::new(store.clone());
        let quick = store.clone();
        failing.faults.meanwhile("copy", 1, move || {
            let (store, row) = (quick.clone(), later.clone());
            let done = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
                runtime.block_on(async { promoted(&store, &row).await.expect("promoted") })
            });
            assert!(matches!(done.join().expect("no panic"), Promoted::Done(_)));
        });
        assert!(matches!(promoted(&failing, &older).await, Ok(Promoted::Superseded(_))));
        assert_eq!(in_production(&store), "new");
        let versions = store.version_count("production", "p/in/a");
        assert_eq!(versions, 1, "the older one was never there");
    }
}

#[tokio::test]
async fn a_stamp_is_ours_alone_to_write() {
    let store = store();
    let forged = FakeObject::new("x").metadata(SOURCE_METADATA, "staging v999999 2099-01-01T00:00:00Z");
    store.insert_object("staging", KEY, forged.clone());
    promoted(&store, &row(store.pinned_ref("staging", KEY))).await.expect("promoted");
    let stamp = async || {
        let there = store.head("production", "p/in/a", None).await.expect("asked").expect("there");
        there.headers.metadata.get(SOURCE_METADATA).cloned()
    };
    assert_eq!(stamp().await.as_deref(), Some("staging v000001 2026-01-01T00:00:00Z"));

    // no room: what was brought along is taken out all the same
    let full = FakeObject::new("y").metadata(SOURCE_METADATA, "staging v9 2099-01-01T00:00:00Z");
    store.insert_object("staging", KEY, full.metadata("m", &"x".repeat(2000)).modified(at(9000)));
    let row_of_full = row(store.pinned_ref("staging", KEY));
    promoted(&store, &row_of_full).await.expect("promoted");
    assert_eq!((in_production(&store).as_str(), stamp().await), ("y", None));
    // without a stamp the bytes say that it was done
    assert!(matches!(promoted(&store, &row_of_full).await, Ok(Promoted::Done(_))));
}

#[tokio::test]
async fn metadata_that_leaves_no_room_stays_as_it_is() {
    let store = store();
    store.insert_object("staging", KEY, FakeObject::new("x").metadata("m", &"v".repeat(2047)));
    promoted(&store, &row(store.pinned_ref("staging", KEY))).await.expect("promoted");
    let there = store.head("production", "p/in/a", None).await.expect("asked").expect("there");
    assert_eq!((there.headers.metadata.len(), there.headers.metadata["m"].len()), (1, 2047));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_anywhere_costs_nothing() {
    for kind in ["fails", "is lost"] {
        for call in 1..=6 {
            let store = store();
            let failing = FailingStore::new(store.clone());
            let passing = StoreError::Transient("503".into());
            match kind {
                "fails" => failing.faults.fail(ANY, call, passing),
                _ => failing.faults.lose_answer(ANY, call, passing),
            }
            let row = stored(&store, "x", 0);
            assert!(matches!(promoted(&failing, &row).await, Ok(Promoted::Done(_))), "call {call} {kind}");
            assert_eq!(failing.faults.outstanding(), 0, "call {call} was never made");
            assert_eq!((in_production(&store).as_str(), store.version_count("production", "p/in/a")), ("x", 1));
            assert_eq!(store.version_count("staging", KEY), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_bucket_and_what_to_grant_and_leaves_staging_as_it_is() {
    let text = async |failing: &FailingStore, row: &ResultRow| {
        let error = promoted(failing, row).await.expect_err("refused");
        (error.retryable(), error.to_string())
    };
    let denied = || StoreError::AccessDenied("AccessDenied".into());
    for (operation, call, words) in [
        ("head", 1, ["`staging`", "s3:GetObjectVersion"]),
        ("head", 2, ["`production`", "s3:ListBucket"]),
        ("tags", 1, ["`staging`", "s3:GetObjectVersionTagging"]),
        ("copy", 1, ["bucket `staging` to bucket `production`", "kms:GenerateDataKey"]),
        ("delete", 1, ["it stands in production", "s3:DeleteObjectVersion"]),
    ] {
        let store = store();
        let row = stored(&store, "x", 0);
        let failing = FailingStore::new(store.clone());
        failing.faults.fail(operation, call, denied());
        let (retryable, text) = text(&failing, &row).await;
        assert!(!retryable && words.iter().all(|word| text.contains(word)), "{operation}: {text}");
        assert!(store.exists("staging", KEY));
        assert_eq!(store.exists("production", "p/in/a"), operation == "delete");
    }
    let store = FakeStore::new().with_versioned_bucket("staging");
    let row = stored(&store, "x", 0);
    let error = promoted(&store, &row).await.expect_err("no production bucket");
    assert!(error.to_string().contains("`production` does not exist"), "{error}");
    let failing = FailingStore::new(store);
    failing.faults.fail_always("head", StoreError::Transient("SlowDown".into()));
    assert!(text(&failing, &row).await.0);
    assert_eq!(failing.faults.calls("head"), u64::from(retry::STORE.attempts));
}

#[tokio::test]
async fn a_version_under_object_lock_is_promoted_and_stays_in_staging() {
    let store = store();
    let row = stored(&store, "x", 0);
    store.lock_versions("staging");
    for _ in 0..2 {
        let error = promoted(&store, &row).await.expect_err("locked").to_string();
        assert!(error.contains("it stands in production"), "{error}");
        assert_eq!(store.version_count("production", "p/in/a"), 1);
    }
}

#[tokio::test]
async fn nothing_is_deleted_for_a_copy_that_is_not_whole() {
    let store = store();
    let row = stored(&store, "whole", 0);
    store.cut_copies("production");
    let failing = FailingStore::new(store.clone());
    let error = promoted(&failing, &row).await.expect_err("a byte is missing");
    // the fake's ETag is of what is there, as S3's
    assert!(matches!(error, PromoteError::NotWhole { expected: 5, found: 4, .. }), "{error}");
    assert!(store.exists("staging", KEY) && !error.retryable());
    // nor does its stamp count
    let again = promoted(&store, &row).await.expect_err("a byte is missing");
    assert!(matches!(again, PromoteError::NotWhole { .. }), "{again}");
}

#[tokio::test]
async fn what_keeps_changing_is_left_for_later() {
    let store = FakeStore::new().with_versioned_bucket("staging").with_bucket("production");
    let row = stored(&store, "x", 0);
    let failing = FailingStore::new(store.clone());
    for call in 1..=5 {
        let owner = store.clone();
        failing.faults.meanwhile("copy", call, move || drop(owner.insert("production", "p/in/a", format!("{call}"))));
    }
    let error = promoted(&failing, &row).await.expect_err("unsettled");
    assert!(matches!(error, PromoteError::Unsettled { .. }) && error.retryable(), "{error}");
    assert!(store.exists("staging", KEY));
}
