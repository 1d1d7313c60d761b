//! Copies: what they carry, over what they are made, and how the large ones are.

use bytes::Bytes;
use lazaret_aws::objects::{CopyTarget, ObjectHead, PutCondition};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::ObjectRef;
use lazaret_model::headers::{ObjectHeaders, USER_METADATA_BYTES};

use crate::objects::{pinned, tag, to};
use crate::world::worlds;

/// What takes three parts of the smallest size that S3 knows.
const LARGE_BYTES: usize = 11 << 20;

fn dressed() -> ObjectHeaders {
    ObjectHeaders {
        content_type: Some("text/html; charset=utf-8".into()),
        content_encoding: Some("identity".into()),
        content_disposition: Some("attachment; filename=\"a b.txt\"".into()),
        content_language: Some("de".into()),
        cache_control: Some("max-age=60".into()),
        expires: Some("Thu, 01 Dec 2033 16:00:00 GMT".into()),
        website_redirect_location: None,
        metadata: [("mine".into(), "1".into()), ("other".into(), "x y".into())].into(),
    }
}

async fn head(store: &dyn ObjectStore, bucket: &str, key: &str) -> ObjectHead {
    store.head(bucket, key, None).await.expect("an answer").expect("an object")
}

/// No two of its parts are alike.
fn large() -> Bytes {
    (0..LARGE_BYTES).map(|at| (at / 1021) as u8 ^ at as u8).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn a_copy_carries_what_its_source_has_or_what_it_is_told() {
    for world in worlds().await {
        let (store, in_parts) = (world.store(), world.store_in_parts());
        let (bucket, target) = (world.bucket(true).await, world.bucket(true).await);
        for (key, bytes) in [("small", Bytes::from("bytes")), ("large", large())] {
            let store = if key == "small" { &store } else { &in_parts };
            world.put_dressed(&bucket, key, bytes.clone(), &dressed(), "ONEZONE_IA").await;
            let object = pinned_unread(store.as_ref(), &bucket, key).await;
            let copied = store.copy(&object, to(&target, "kept", &[tag("a b", "1+2")])).await.expect("copied");
            let kept = head(store.as_ref(), &target, "kept").await;
            assert_eq!(kept.headers, dressed(), "{key}");
            assert_eq!(kept.object.storage_class.0, "ONEZONE_IA");
            assert_eq!((&kept.object.version_id, &kept.object.etag), (&copied.version_id, &copied.etag));
            assert_eq!(store.tags_at(&target, "kept").await, Ok(Some(vec![tag("a b", "1+2")])));
            assert!(store.get(&target, "kept").await.expect("an answer").expect("a copy").bytes == bytes, "{key}");

            let mut told = dressed();
            told.content_language = None;
            assert!(told.add_metadata("lazaret-source", "b v 2026-01-01T00:00:00Z"));
            let target = CopyTarget { headers: Some(&told), ..to(&target, "told", &[]) };
            store.copy(&object, target).await.expect("copied");
            assert_eq!(head(store.as_ref(), target.bucket, "told").await.headers, told, "{key}");
        }
    }
}

/// Without a GET, which the large ones are too many bytes for.
async fn pinned_unread(store: &dyn ObjectStore, bucket: &str, key: &str) -> ObjectRef {
    head(store, bucket, key).await.object
}

#[tokio::test]
async fn a_copy_is_made_under_its_condition_or_not_at_all() {
    for world in worlds().await {
        let (store, in_parts) = (world.store(), world.store_in_parts());
        let (bucket, target) = (world.bucket(true).await, world.bucket(false).await);
        for (key, bytes) in [("small", Bytes::from("bytes")), ("large", large())] {
            let store = if key == "small" { &store } else { &in_parts };
            world.put_dressed(&bucket, key, bytes.clone(), &dressed(), "STANDARD").await;
            let object = pinned_unread(store.as_ref(), &bucket, key).await;
            let copy = async |condition: PutCondition<'_>| {
                store.copy(&object, CopyTarget { condition, ..to(&target, "to", &[]) }).await
            };
            let refused = copy(PutCondition::Over("\"abc\"")).await.expect_err("nothing is there");
            assert!(matches!(refused, StoreError::PreconditionFailed | StoreError::NotFound), "{refused}");
            let first = copy(PutCondition::Absent).await.expect("nothing was there");
            assert_eq!(copy(PutCondition::Absent).await, Err(StoreError::PreconditionFailed), "{key}");
            assert_eq!(copy(PutCondition::Over("\"abc\"")).await, Err(StoreError::PreconditionFailed), "{key}");
            copy(PutCondition::Over(first.etag.as_str())).await.expect("the first is there");
            store.delete_keys(&target, &["to".into()]).await.expect("deleted");
        }
    }
}

#[tokio::test]
async fn every_part_of_a_copy_is_pinned() {
    for world in worlds().await {
        let store = world.store_in_parts();
        let target = world.bucket(false).await;
        for versioned in [false, true] {
            let bucket = world.bucket(versioned).await;
            world.put_dressed(&bucket, "key", large(), &dressed(), "STANDARD").await;
            let old = pinned_unread(store.as_ref(), &bucket, "key").await;
            assert_eq!(old.version_id.is_some(), versioned);
            world.put(&bucket, "key", "newer").await;
            // with its headers, and without, which it reads first
            for headers in [Some(dressed()), None] {
                let to = CopyTarget { headers: headers.as_ref(), ..to(&target, "key", &[]) };
                let copied = store.copy(&old, to).await;
                assert_eq!(copied.map(drop), if versioned { Ok(()) } else { Err(StoreError::PreconditionFailed) });
            }
            let there = store.get(&target, "key").await.expect("an answer").map(|stored| stored.bytes);
            assert!(there == versioned.then(large), "the old one or nothing");
            store.delete_keys(&target, &["key".into()]).await.expect("deleted");
        }
    }
}

#[tokio::test]
async fn more_metadata_than_s3_keeps_is_refused() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(false).await;
        world.put(&bucket, "key", "x").await;
        let object = pinned(world.as_ref(), &bucket, "key").await;
        for (bytes, taken) in [(USER_METADATA_BYTES, true), (USER_METADATA_BYTES + 1, false)] {
            let mut headers = ObjectHeaders::default();
            headers.metadata.insert("m".into(), "x".repeat(bytes - 1));
            let target = CopyTarget { headers: Some(&headers), ..to(&bucket, "copy", &[]) };
            let copied = store.copy(&object, target).await;
            assert!(if taken { copied.is_ok() } else { matches!(copied, Err(StoreError::Permanent(_))) }, "{copied:?}");
        }
    }
}

#[tokio::test]
async fn a_head_tells_of_the_version_that_is_named() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(true).await;
        assert_eq!(store.head(&bucket, "key", None).await, Ok(None));
        world.put_dressed(&bucket, "key", Bytes::from("old"), &dressed(), "STANDARD").await;
        let old = head(store.as_ref(), &bucket, "key").await;
        assert_eq!((old.object.size, &old.headers), (3, &dressed()));
        world.put(&bucket, "key", "newer").await;
        let version = old.object.version_id.clone();
        assert_eq!(store.head(&bucket, "key", version.as_deref()).await, Ok(Some(old)));
        assert_eq!(head(store.as_ref(), &bucket, "key").await.object.size, 5);
        world.remove(&bucket, "key").await;
        assert_eq!(store.head(&bucket, "key", None).await, Ok(None), "a delete marker is no object");
        assert!(store.head(&bucket, "key", version.as_deref()).await.expect("an answer").is_some());
    }
}
