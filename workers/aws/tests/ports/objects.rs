//! S3: everything is pinned to the version that was listed or fetched.

use std::sync::Arc;

use bytes::Bytes;
use lazaret_aws::fake::{FakeObject, FakeStore};
use lazaret_aws::objects::{CopyTarget, PutCondition};
use lazaret_aws::sdk::Sdk;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::ObjectRef;
use lazaret_model::tags::Tag;

use crate::world::{World, worlds};

pub async fn read(store: &dyn ObjectStore, object: &ObjectRef) -> Result<(String, Option<String>), StoreError> {
    let mut fetched = store.fetch(object).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = fetched.body.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(fetched.size, bytes.len() as u64);
    Ok((String::from_utf8(bytes).expect("text"), fetched.version_id))
}

/// The object as an agent knows it after a fetch: with its version, if it has one.
pub async fn pinned(world: &dyn World, bucket: &str, key: &str) -> ObjectRef {
    let listed = world.listed(bucket, key).await;
    let (_, version_id) = read(world.store().as_ref(), &listed).await.expect("a body");
    ObjectRef { version_id, ..listed }
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

pub fn to<'a>(bucket: &'a str, key: &'a str, tags: &'a [Tag]) -> CopyTarget<'a> {
    CopyTarget { bucket, key, tags, headers: None, condition: PutCondition::Always }
}

#[tokio::test]
async fn a_get_reads_the_listed_version_or_none() {
    for world in worlds().await {
        let store = world.store();
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            world.put(&bucket, "key", "old").await;
            let listed = world.listed(&bucket, "key").await;
            assert_eq!((listed.size, listed.storage_class.0.as_str()), (3, "STANDARD"));
            let old = pinned(world.as_ref(), &bucket, "key").await;
            assert_eq!(old.version_id.is_some(), versioned);

            world.put(&bucket, "key", "newer").await;
            assert_eq!(read(store.as_ref(), &listed).await, Err(StoreError::PreconditionFailed));
            let now = read(store.as_ref(), &old).await;
            if versioned {
                assert_eq!(now, Ok(("old".into(), old.version_id.clone())));
            } else {
                assert_eq!(now, Err(StoreError::PreconditionFailed));
            }

            world.remove(&bucket, "key").await;
            assert_eq!(read(store.as_ref(), &listed).await, Err(StoreError::NotFound));
            assert_eq!(read(store.as_ref(), &old).await.is_ok(), versioned, "a version outlives a delete marker");
        }
    }
}

#[tokio::test]
async fn a_delete_takes_the_pinned_version_and_no_other() {
    for world in worlds().await {
        let store = world.store();
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            world.put(&bucket, "key", "old").await;
            let old = pinned(world.as_ref(), &bucket, "key").await;
            world.put(&bucket, "key", "newer").await;
            let deleted = store.delete(&old).await;
            assert_eq!(deleted, if versioned { Ok(()) } else { Err(StoreError::PreconditionFailed) });
            let newer = pinned(world.as_ref(), &bucket, "key").await;
            assert_eq!(read(store.as_ref(), &newer).await.expect("still there").0, "newer");

            store.delete(&newer).await.expect("deleted");
            assert_eq!(read(store.as_ref(), &newer).await, Err(StoreError::NotFound));
            assert_eq!(store.get(&bucket, "key").await, Ok(None), "no older version came up");
            if !versioned {
                let again = store.delete(&newer).await.expect_err("nothing is left");
                assert!(matches!(again, StoreError::NotFound | StoreError::PreconditionFailed), "{again}");
            }
        }
    }
}

#[tokio::test]
async fn a_copy_takes_the_pinned_version_with_new_tags() {
    for world in worlds().await {
        let store = world.store();
        let target = world.bucket(false).await;
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            world.put(&bucket, "key", "old").await;
            let old = pinned(world.as_ref(), &bucket, "key").await;
            store.put_tags(&old, &[tag("team", "a")]).await.expect("tagged");
            let tags = [tag("scan-result", "Infected"), tag("message", "a b+c=/@")];
            store.copy(&old, to(&target, "to here", &tags)).await.expect("copied");
            let copied = store.get(&target, "to here").await.expect("an answer").expect("a copy");
            assert_eq!(copied.bytes, "old");
            let mut found = store.tags_at(&target, "to here").await.expect("an answer").expect("tags");
            found.sort_by(|a, b| b.key.cmp(&a.key));
            assert_eq!(found, tags);

            world.put(&bucket, "key", "newer").await;
            let copied = store.copy(&old, to(&target, "again", &[])).await;
            assert_eq!(copied.map(drop), if versioned { Ok(()) } else { Err(StoreError::PreconditionFailed) });
            let again = store.get(&target, "again").await.expect("an answer").map(|stored| stored.bytes);
            assert_eq!(again, versioned.then(|| Bytes::from("old")));
            store.delete_keys(&target, &["again".into()]).await.expect("deleted");

            let gone = ObjectRef { key: "never there".into(), version_id: None, ..old };
            assert_eq!(store.copy(&gone, to(&target, "x", &[])).await, Err(StoreError::NotFound));
        }
    }
}

#[tokio::test]
async fn tags_go_to_the_pinned_version_or_nowhere() {
    for world in worlds().await {
        let store = world.store();
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            world.put(&bucket, "key", "old").await;
            let old = pinned(world.as_ref(), &bucket, "key").await;
            assert_eq!(store.tags(&old).await, Ok(Vec::new()));
            store.put_tags(&old, &[tag("a", "1")]).await.expect("tagged");
            store.put_tags(&old, &[tag("b", "ü @")]).await.expect("tagged again");
            assert_eq!(store.tags(&old).await, Ok(vec![tag("b", "ü @")]));

            world.put(&bucket, "key", "newer").await;
            let put = store.put_tags(&old, &[tag("c", "3")]).await;
            assert_eq!(put, if versioned { Ok(()) } else { Err(StoreError::PreconditionFailed) });
            let newer = store.tags_at(&bucket, "key").await.expect("an answer").expect("tags");
            assert!(!newer.contains(&tag("c", "3")), "the newer version was not meant: {newer:?}");
            if versioned {
                assert_eq!(store.tags(&old).await, Ok(vec![tag("c", "3")]));
            }
            world.remove(&bucket, "key").await;
            let unpinned = ObjectRef { version_id: None, ..old };
            assert_eq!(store.put_tags(&unpinned, &[]).await, Err(StoreError::NotFound));
            assert_eq!(store.tags(&unpinned).await, Err(StoreError::NotFound));
            assert_eq!(store.tags_at(&bucket, "key").await, Ok(None));
        }
    }
}

/// Objects from before their bucket had versions have the version `null`.
#[tokio::test]
async fn an_object_that_is_older_than_its_buckets_versions_is_pinned_and_wholly_deleted() {
    for world in worlds().await {
        let store = world.store();
        let (bucket, target) = (world.bucket(false).await, world.bucket(false).await);
        world.put(&bucket, "key", "old").await;
        world.enable_versions(&bucket).await;
        let old = pinned(world.as_ref(), &bucket, "key").await;
        store.put_tags(&old, &[tag("a", "1")]).await.expect("tagged");
        assert_eq!(store.tags(&old).await, Ok(vec![tag("a", "1")]));
        store.copy(&old, to(&target, "key", &[])).await.expect("copied");
        store.delete(&old).await.expect("deleted");
        assert_eq!(read(store.as_ref(), &old).await, Err(StoreError::NotFound));
        assert_eq!(store.get(&bucket, "key").await, Ok(None));
    }
}

#[tokio::test]
async fn a_put_holds_to_its_condition() {
    for world in worlds().await {
        let store = world.store();
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            let put = async |text: &'static str, condition: PutCondition<'_>| {
                store.put(&bucket, "key", Bytes::from(text), "text/plain", condition).await
            };
            assert_eq!(put("x", PutCondition::Over("\"abc\"")).await, Err(StoreError::PreconditionFailed));
            let first = put("1", PutCondition::Absent).await.expect("nothing was there");
            assert_eq!(put("2", PutCondition::Absent).await, Err(StoreError::PreconditionFailed));
            let second = put("2", PutCondition::Over(&first)).await.expect("the first was there");
            assert_eq!(put("3", PutCondition::Over(&first)).await, Err(StoreError::PreconditionFailed));
            let stored = store.get(&bucket, "key").await.expect("an answer").expect("an object");
            assert_eq!((stored.bytes, &stored.etag), (Bytes::from("2"), &second));
            put("4", PutCondition::Always).await.expect("no condition");
            store.delete_keys(&bucket, &["key".into(), "never there".into()]).await.expect("deleted");
            assert_eq!(store.get(&bucket, "key").await, Ok(None));
            put("5", PutCondition::Absent).await.expect("nothing is there any more");
        }
    }
}

#[tokio::test]
async fn hostile_keys_go_all_the_way() {
    let long = "ä".repeat(450);
    let keys = [
        "a b  c",
        " a ",
        "+",
        "a+b",
        "100%",
        "%41",
        "%2F",
        "#?&=;:@,$!*'()",
        "<script>\"&amp;",
        "//",
        "/leading",
        "trailing/",
        "../up",
        "a/../b",
        "a/./b",
        "./c",
        "🦀/日本語",
        "e\u{301}",
        "\u{e9}",
        "\u{202e}gpj.exe",
        "\\back\\slash",
        long.as_str(),
        "tab\tnew\nline\r",
        "\u{1}\u{1f}",
        "\u{7f}",
        "C:\\x|y",
        "~-_.",
    ];
    for world in worlds().await {
        let store = world.store();
        let (bucket, target) = (world.bucket(true).await, world.bucket(false).await);
        for key in keys {
            world.put(&bucket, key, "bytes").await;
        }
        let page = store.list_page(&bucket, "", None).await.expect("a page");
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        let listed: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(listed, sorted);
        for listed in page.objects {
            let object = pinned(world.as_ref(), &bucket, &listed.key).await;
            store.put_tags(&object, &[tag("k", "v")]).await.expect("tagged");
            assert_eq!(store.tags(&object).await.expect("tags").len(), 1, "{:?}", object.key);
            store
                .copy(&object, to(&target, &object.key, &[]))
                .await
                .unwrap_or_else(|e| panic!("{:?}: {e}", object.key));
            assert_eq!(store.get(&target, &object.key).await.expect("an answer").expect("a copy").bytes, "bytes");
            store.delete(&object).await.expect("deleted");
            assert_eq!(read(store.as_ref(), &object).await, Err(StoreError::NotFound));
        }
        assert!(store.list_page(&bucket, "", None).await.expect("a page").objects.is_empty());
    }
}

/// The SDK takes a key of nothing but white space for a missing one, before it asks anybody: so its half needs no endpoint.
/// Then nothing may be said of the object but that.
#[tokio::test]
async fn a_key_of_white_space_is_an_error_and_no_panic() {
    let fake = FakeStore::new().with_bucket("bucket");
    let object = fake.insert("bucket", "key", "bytes");
    let nobody: Arc<dyn ObjectStore> = Arc::new(Sdk::at_endpoint("http://127.0.0.1:1").await.store());
    let mut stores = vec![nobody, Arc::new(fake)];
    stores.extend(worlds().await.iter().map(|world| world.store()));
    for (n, store) in stores.iter().enumerate() {
        for key in [" ", " \n"] {
            let blank = ObjectRef { key: key.into(), ..object.clone() };
            let said = [
                read(store.as_ref(), &blank).await.map(drop),
                store.put_tags(&blank, &[]).await,
                store.delete(&blank).await,
                store.get("bucket", key).await.map(drop),
            ];
            let all = said.iter().all(|said| matches!(said, Err(StoreError::Permanent(_))));
            assert!(all, "store {n}, {key:?}: {said:?}");
        }
    }
}

/// The window that PutObjectTagging leaves open, in the fake alone: nobody else can be made to write in it.
#[tokio::test]
async fn tags_that_landed_on_another_object_are_taken_off_again() {
    let ours = [tag("scan-result", "Clean"), tag("team", "a")];
    for null_version in [false, true] {
        let store = FakeStore::new().with_bucket("bucket");
        let listed = store.insert("bucket", "key", "scanned");
        let object = ObjectRef { version_id: null_version.then(|| "null".into()), ..listed };
        let s3 = store.clone();
        store.while_tagging(move || drop(s3.overwrite("bucket", "key", "not scanned")));
        assert_eq!(store.put_tags(&object, &ours).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.tags_of("bucket", "key"), []);

        // an attempt that broke off between its write and its second look
        let left = ours.iter().fold(FakeObject::new("not scanned"), |object, tag| object.tag(&tag.key, &tag.value));
        store.insert_object("bucket", "key", left);
        assert_eq!(store.put_tags(&object, &ours).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.tags_of("bucket", "key"), []);

        // another scan's, or the owner's, are not ours to take
        let theirs = FakeObject::new("not scanned").tag("scan-result", "Clean");
        store.insert_object("bucket", "key", theirs);
        assert_eq!(store.put_tags(&object, &ours).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.tags_of("bucket", "key"), [tag("scan-result", "Clean")]);
    }
}

/// Two objects with one ETag can be made, and tags that were meant for the one must not stand on the other.
#[tokio::test]
async fn a_twin_of_the_same_etag_gets_no_tags_that_were_meant_for_another() {
    let ours = [tag("scan-result", "Clean")];
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(false).await;
        world.put(&bucket, "key", "x").await;
        let object = pinned(world.as_ref(), &bucket, "key").await;
        let seconds = jiff::SignedDuration::from_secs;
        let larger = ObjectRef { size: 2, ..object.clone() };
        let older = ObjectRef { last_modified: object.last_modified - seconds(2), ..object.clone() };
        for other in [larger, older] {
            assert_eq!(store.put_tags(&other, &ours).await, Err(StoreError::PreconditionFailed));
            assert_eq!(store.tags(&object).await, Ok(Vec::new()));
        }
        // an event tells the time of the end of an upload, in milliseconds
        for later in [seconds(0), seconds(3600), jiff::SignedDuration::from_millis(-300)] {
            let told = ObjectRef { last_modified: object.last_modified + later, ..object.clone() };
            store.put_tags(&told, &ours).await.expect("tagged");
        }
    }
    // stored between the write and the look after it
    let store = FakeStore::new().with_bucket("bucket");
    let object = store.insert("bucket", "key", "twins");
    let (s3, later) = (store.clone(), object.last_modified + jiff::SignedDuration::from_secs(2));
    store.while_tagging(move || drop(s3.insert_object("bucket", "key", FakeObject::new("twins").modified(later))));
    assert_eq!(store.put_tags(&object, &ours).await, Err(StoreError::PreconditionFailed));
    assert_eq!(store.tags_of("bucket", "key"), []);
}

#[tokio::test]
async fn a_listing_goes_on_past_a_thousand_keys_below_its_prefix() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(false).await;
        let expected: Vec<String> = (0..2_005).map(|n| format!("in side+/{n:05}")).collect();
        for key in expected.iter().map(String::as_str).chain(["in side", "in side0", "other"]) {
            world.put(&bucket, key, "x").await;
        }
        let (mut keys, mut next, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = store.list_page(&bucket, "in side+/", next.as_deref()).await.expect("a page");
            keys.extend(page.objects.into_iter().map(|object| object.key));
            pages += 1;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((pages, keys), (3, expected));
    }
}

#[tokio::test]
async fn an_archived_object_is_listed_as_such() {
    for world in worlds().await {
        let bucket = world.bucket(false).await;
        world.put_archived(&bucket, "cold").await;
        assert!(world.listed(&bucket, "cold").await.storage_class.is_archived());
    }
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_object() {
    for world in worlds().await {
        let store = world.store();
        let (bucket, missing) = (world.bucket(false).await, "lazaret-no-such-bucket");
        let no_bucket = StoreError::NoSuchBucket(missing.into());
        assert_eq!(store.check_bucket(&bucket).await, Ok(()));
        assert_eq!(store.check_bucket(missing).await, Err(no_bucket.clone()));
        assert_eq!(store.list_page(missing, "", None).await.map(drop), Err(no_bucket.clone()));
        assert_eq!(store.get(missing, "key").await, Err(no_bucket.clone()));
        let put = store.put(missing, "key", Bytes::new(), "text/plain", PutCondition::Always).await;
        assert_eq!(put, Err(no_bucket.clone()));
        assert_eq!(store.get(&bucket, "key").await, Ok(None));
        assert_eq!(store.tags_at(&bucket, "key").await, Ok(None));

        world.put(&bucket, "key", "x").await;
        let object = world.listed(&bucket, "key").await;
        assert_eq!(store.copy(&object, to(missing, "key", &[])).await, Err(no_bucket));
    }
}
