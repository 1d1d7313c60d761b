//! Buckets with versions, without, with suspended ones, and with Object Lock.

use bytes::Bytes;
use lazaret_aws::StoreError;
use lazaret_aws::objects::{PutCondition, Versioning};
use lazaret_aws::{ObjectStore, fake::FakeStore};
use lazaret_model::ObjectRef;

use crate::objects::{pinned, read, tag, to};
use crate::world::worlds;

#[tokio::test]
async fn a_bucket_says_whether_it_has_versions() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(false).await;
        assert_eq!(store.versioning(&bucket).await, Ok(Versioning::Never));
        world.enable_versions(&bucket).await;
        assert_eq!(store.versioning(&bucket).await, Ok(Versioning::Enabled));
        world.suspend_versions(&bucket).await;
        assert_eq!(store.versioning(&bucket).await, Ok(Versioning::Suspended));
        let missing = store.versioning("lazaret-no-such-bucket").await;
        assert_eq!(missing, Err(StoreError::NoSuchBucket("lazaret-no-such-bucket".into())));
    }
}

/// What is stored while versions are suspended has the version `null`, which the next PUT or DELETE replaces.
#[tokio::test]
async fn a_suspended_bucket_keeps_its_versions_and_one_more_that_is_overwritten() {
    for world in worlds().await {
        let store = world.store();
        let (bucket, target) = (world.bucket(true).await, world.bucket(false).await);
        world.put(&bucket, "key", "version").await;
        let version = pinned(world.as_ref(), &bucket, "key").await;
        world.suspend_versions(&bucket).await;
        world.put(&bucket, "key", "first").await;
        let first = pinned(world.as_ref(), &bucket, "key").await;
        assert_eq!(first.version_id.as_deref(), Some("null"));
        world.put(&bucket, "key", "second").await;
        let second = pinned(world.as_ref(), &bucket, "key").await;

        // the first is gone, and nothing that was meant for it reaches the second
        assert_eq!(read(store.as_ref(), &first).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.copy(&first, to(&target, "x", &[])).await.map(drop), Err(StoreError::PreconditionFailed));
        assert_eq!(store.put_tags(&first, &[tag("a", "1")]).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.delete(&first).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.tags(&second).await, Ok(Vec::new()));
        assert_eq!(read(store.as_ref(), &version).await.expect("still there").0, "version");

        world.remove(&bucket, "key").await;
        assert_eq!(store.get(&bucket, "key").await, Ok(None));
        assert_eq!(read(store.as_ref(), &second).await, Err(StoreError::NotFound), "its marker has its id");
        assert_eq!(store.delete(&second).await, Err(StoreError::NotFound));
        assert_eq!(read(store.as_ref(), &version).await.expect("still there").0, "version");
        world.put(&bucket, "key", "third").await;
        let third = pinned(world.as_ref(), &bucket, "key").await;
        store.delete(&third).await.expect("deleted");
        assert_eq!(store.get(&bucket, "key").await.expect("an answer").expect("came up").bytes, "version");
    }
}

/// Where `null` is not the current version, the condition that keeps a newer one is held against another than is deleted.
#[tokio::test]
async fn a_null_version_below_another_one_is_deleted_alone() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.bucket(true).await;
        world.suspend_versions(&bucket).await;
        world.put(&bucket, "key", "null").await;
        let null = pinned(world.as_ref(), &bucket, "key").await;
        world.enable_versions(&bucket).await;
        world.put(&bucket, "key", "current").await;
        let current = pinned(world.as_ref(), &bucket, "key").await;
        store.delete(&null).await.expect("deleted");
        assert_eq!(read(store.as_ref(), &null).await, Err(StoreError::NotFound));
        assert_eq!(read(store.as_ref(), &current).await.expect("untouched").0, "current");

        // below a delete marker there is nothing for a condition to hold against
        world.suspend_versions(&bucket).await;
        world.put(&bucket, "other", "null").await;
        let null = pinned(world.as_ref(), &bucket, "other").await;
        world.enable_versions(&bucket).await;
        world.remove(&bucket, "other").await;
        store.delete(&null).await.expect("deleted");
        assert_eq!(read(store.as_ref(), &null).await, Err(StoreError::NotFound));
    }
}

/// The window between the look at a version `null` and its end, in the fake alone: nobody else can be made to write in it.
#[tokio::test]
async fn a_newer_null_version_outlives_the_deletion_of_the_one_before() {
    for below_another in [false, true] {
        let store = FakeStore::new().with_versioned_bucket("bucket");
        store.suspend_versions("bucket");
        store.insert("bucket", "key", "infected");
        let infected = store.pinned_ref("bucket", "key");
        if below_another {
            store.enable_versions("bucket");
            store.insert("bucket", "key", "another");
            store.suspend_versions("bucket");
        }
        let s3 = store.clone();
        store.while_deleting(move || drop(s3.overwrite("bucket", "key", "newer and clean")));
        assert_eq!(store.delete(&infected).await, Err(StoreError::PreconditionFailed));
        assert_eq!(store.bytes("bucket", "key").expect("not deleted"), "newer and clean");
    }
    // what comes above it, and does not replace it, keeps nothing from being deleted
    for marker in [false, true] {
        let store = FakeStore::new().with_bucket("bucket");
        store.insert("bucket", "key", "infected");
        store.enable_versions("bucket");
        let infected = store.pinned_ref("bucket", "key");
        let s3 = store.clone();
        store.while_deleting(move || {
            if marker { s3.remove("bucket", "key") } else { drop(s3.overwrite("bucket", "key", "newer")) }
        });
        store.delete(&infected).await.expect("deleted");
        assert_eq!(read(&store, &infected).await, Err(StoreError::NotFound));
        assert_eq!(store.version_count("bucket", "key"), 1);
    }
}

#[tokio::test]
async fn under_object_lock_a_put_is_taken_and_a_version_is_not_deleted() {
    for world in worlds().await {
        let store = world.store();
        let bucket = world.locked_bucket().await;
        store
            .put(&bucket, "key", Bytes::from("x"), "text/plain", PutCondition::Absent)
            .await
            .expect("with its checksum");
        let object = pinned(world.as_ref(), &bucket, "key").await;
        let deleted = store.delete(&object).await;
        assert!(matches!(deleted, Err(StoreError::AccessDenied(_))), "{deleted:?}");
        assert_eq!(read(store.as_ref(), &object).await.expect("still there").0, "x");
        store.copy(&object, to(&bucket, "copy", &[])).await.expect("a copy needs no checksum");
        let gone = ObjectRef { key: "never there".into(), ..object };
        assert_eq!(store.copy(&gone, to(&bucket, "x", &[])).await.map(drop), Err(StoreError::NotFound));
    }
}
