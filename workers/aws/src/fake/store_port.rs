//! The port of the fake S3: pinned exactly as S3 pins.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lazaret_model::headers::USER_METADATA_BYTES;
use lazaret_model::object::{ETag, ObjectRef};
use lazaret_model::tags::{TAGS_PER_OBJECT, Tag};

use super::store::{Bucket, FakeObject, FakeStore, State, Version};
use crate::null_version::{NULL_VERSION, NullSteps, delete_null, is_pinned};
use crate::objects::{
    Copied, CopyTarget, Fetched, ListPage, ObjectBody, ObjectHead, ObjectStore, PutCondition, StoreError, Stored,
    Versioning,
};
use crate::tagging::{TagSteps, put_unpinned, same_object};

/// Bytes of a body that come at once; small, so that tests see several chunks.
const CHUNK_BYTES: usize = 64 * 1024;

#[async_trait]
impl ObjectStore for FakeStore {
    async fn check_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        self.calls.count("check_bucket");
        self.state().open(bucket).map(drop)
    }

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError> {
        self.calls.count("versioning");
        let mut state = self.state();
        let place = state.open(bucket)?;
        Ok(match (place.versioned, place.suspended) {
            (false, _) => Versioning::Never,
            (true, false) => Versioning::Enabled,
            (true, true) => Versioning::Suspended,
        })
    }

    async fn list_page(&self, bucket: &str, prefix: &str, next: Option<&str>) -> Result<ListPage, StoreError> {
        self.calls.count("list_page");
        let mut state = self.state();
        let place = state.open(bucket)?;
        // the token is the first key of the next page
        let from = next.unwrap_or(prefix).to_owned();
        let below = place.keys.range(from..).map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
        let mut keys = below.filter(|key| place.current(key).is_some());
        let page: Vec<&String> = keys.by_ref().take(place.page_keys).collect();
        let next = keys.next().cloned();
        let objects = page.into_iter().filter_map(|key| place.current_ref(bucket, key));
        Ok(ListPage { objects: objects.map(|object| ObjectRef { version_id: None, ..object }).collect(), next })
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Fetched, StoreError> {
        self.calls.count("fetch");
        let mut state = self.state();
        let (version_id, found) = {
            let place = state.open_key(&object.bucket, &object.key)?;
            let version = place.pinned(object, true)?;
            (place.version_id(version), version.object.clone().ok_or(StoreError::NotFound)?)
        };
        if found.storage_class.is_archived() {
            return Err(StoreError::Archived);
        }
        let body = FakeBody { missing: found.size > found.bytes.len() as u64, bytes: found.bytes };
        Ok(Fetched { version_id, size: found.size, body: Box::new(body) })
    }

    async fn tags(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError> {
        self.calls.count("tags");
        self.read(object).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
        self.calls.count("put_tags");
        check_tags(tags)?;
        if is_pinned(object) { self.write(object, tags).await } else { put_unpinned(self, object, tags).await }
    }

    async fn copy(&self, object: &ObjectRef, to: CopyTarget<'_>) -> Result<Copied, StoreError> {
        self.calls.count("copy");
        check_tags(to.tags)?;
        let mut state = self.state();
        let place = state.open_key(&object.bucket, &object.key)?;
        let found = place.pinned(object, true)?.object.clone().ok_or(StoreError::NotFound)?;
        if found.storage_class.is_archived() {
            return Err(StoreError::Archived);
        }
        let headers = to.headers.cloned().unwrap_or_else(|| found.headers.clone());
        if headers.metadata_bytes() > USER_METADATA_BYTES {
            return Err(StoreError::Permanent("MetadataTooLarge".into()));
        }
        let target = state.open_key(to.bucket, to.key)?;
        if !target.allows(to.key, to.condition) {
            return Err(StoreError::PreconditionFailed);
        }
        let found = if target.cuts_copies { found.cut() } else { found };
        let copy =
            FakeObject { tags: to.tags.to_vec(), headers, last_modified: Timestamp::now(), in_parts: false, ..found };
        let etag = state.write(to.bucket, to.key, copy);
        let place = state.open(to.bucket)?;
        let version_id = place.current(to.key).and_then(|version| place.version_id(version));
        Ok(Copied { version_id, etag })
    }

    async fn head(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectHead>, StoreError> {
        self.calls.count("head");
        let mut state = self.state();
        let place = state.open_key(bucket, key)?;
        let version = match version_id {
            None => place.current(key),
            Some(id) => place.keys.get(key).and_then(|versions| versions.iter().find(|version| version.id == id)),
        };
        Ok(version.and_then(|version| {
            let headers = version.object.as_ref()?.headers.clone();
            Some(ObjectHead { object: place.reference(bucket, key, version)?, headers })
        }))
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), StoreError> {
        self.calls.count("delete");
        if object.version_id.as_deref() == Some(NULL_VERSION) {
            return delete_null(self, object).await;
        }
        let mut state = self.state();
        let place = state.open_key(&object.bucket, &object.key)?;
        let Some(id) = &object.version_id else {
            place.pinned(object, true)?;
            state.hide(&object.bucket, &object.key);
            return Ok(());
        };
        place.remove_version(&object.key, id)
    }

    async fn tags_at(&self, bucket: &str, key: &str) -> Result<Option<Vec<Tag>>, StoreError> {
        self.calls.count("tags_at");
        let mut state = self.state();
        let version = state.open_key(bucket, key)?.current(key);
        Ok(version.and_then(|version| version.object.as_ref()).map(|found| found.tags.clone()))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Stored>, StoreError> {
        self.calls.count("get");
        let mut state = self.state();
        let version = state.open_key(bucket, key)?.current(key);
        Ok(version.and_then(|version| {
            let found = version.object.as_ref()?;
            Some(Stored { bytes: found.bytes.clone(), etag: version.etag.quoted() })
        }))
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        condition: PutCondition<'_>,
    ) -> Result<String, StoreError> {
        self.calls.count("put");
        let mut state = self.state();
        if !state.open_key(bucket, key)?.allows(key, condition) {
            return Err(StoreError::PreconditionFailed);
        }
        Ok(state.write(bucket, key, FakeObject::new(bytes).content_type(content_type)).quoted())
    }

    async fn delete_keys(&self, bucket: &str, keys: &[String]) -> Result<(), StoreError> {
        self.calls.count("delete_keys");
        let mut state = self.state();
        state.open(bucket)?;
        if keys.len() > 1_000 {
            return Err(StoreError::Permanent("MalformedXML: more than 1,000 keys".into()));
        }
        for key in keys {
            state.hide(bucket, key);
        }
        Ok(())
    }
}

/// Each for itself, as S3 does them: what a test wants to happen between them is in `while_tagging`.
#[async_trait]
impl TagSteps for FakeStore {
    async fn check(&self, object: &ObjectRef) -> Result<(), StoreError> {
        let mut state = self.state();
        let version = state.open_key(&object.bucket, &object.key)?.pinned(object, true)?;
        let found = version.object.as_ref().ok_or(StoreError::NotFound)?;
        same_object(object, Some(found.size), Some(found.last_modified))
    }

    async fn read(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError> {
        let mut state = self.state();
        let version = state.open_key(&object.bucket, &object.key)?.pinned(object, false)?;
        Ok(version.object.as_ref().map(|found| found.tags.clone()).unwrap_or_default())
    }

    async fn write(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
        let happens = self.while_tagging.take();
        if let Some(happens) = happens {
            happens();
        }
        {
            let mut state = self.state();
            let place = state.open_key(&object.bucket, &object.key)?;
            let id = place.pinned(object, false)?.id.clone();
            for version in place.keys.get_mut(&object.key).into_iter().flatten().filter(|version| version.id == id) {
                if let Some(found) = &mut version.object {
                    found.tags = tags.to_vec();
                }
            }
        }
        // S3 has them; whoever sent them may die before they look again
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn clear(&self, object: &ObjectRef) -> Result<(), StoreError> {
        self.calls.count("clear_tags");
        self.write(object, &[]).await
    }
}

/// Each for itself too: what happens between them is in `while_deleting`.
#[async_trait]
impl NullSteps for FakeStore {
    async fn current(&self, object: &ObjectRef) -> Result<Option<ETag>, StoreError> {
        let mut state = self.state();
        let place = state.open_key(&object.bucket, &object.key)?;
        Ok(place.current(&object.key).map(|version| version.etag.clone()))
    }

    async fn delete_null(&self, object: &ObjectRef, current: Option<&ETag>) -> Result<(), StoreError> {
        let happens = self.while_deleting.take();
        if let Some(happens) = happens {
            happens();
        }
        let mut state = self.state();
        let place = state.open_key(&object.bucket, &object.key)?;
        if let Some(expected) = current {
            let found = place.current(&object.key).ok_or(StoreError::NotFound)?;
            if found.etag != *expected {
                return Err(StoreError::PreconditionFailed);
            }
        }
        place.remove_version(&object.key, NULL_VERSION)
    }
}

impl State {
    pub(super) fn open(&mut self, bucket: &str) -> Result<&mut Bucket, StoreError> {
        let place = self.buckets.get_mut(bucket).ok_or_else(|| StoreError::NoSuchBucket(bucket.to_owned()))?;
        if place.denied {
            return Err(StoreError::AccessDenied("AccessDenied: Access Denied".into()));
        }
        Ok(place)
    }

    fn open_key(&mut self, bucket: &str, key: &str) -> Result<&mut Bucket, StoreError> {
        // as the SDK, which takes such a key for a missing one
        if key.trim().is_empty() {
            return Err(StoreError::Permanent("a key of nothing but white space".into()));
        }
        let place = self.open(bucket)?;
        if place.denied_keys.contains(key) {
            return Err(StoreError::AccessDenied("AccessDenied: Access Denied".into()));
        }
        Ok(place)
    }
}

impl Bucket {
    fn allows(&self, key: &str, condition: PutCondition<'_>) -> bool {
        let current = self.current(key).map(|version| &version.etag);
        match condition {
            PutCondition::Always => true,
            PutCondition::Absent => current.is_none(),
            PutCondition::Over(etag) => current.is_some_and(|current| *current == ETag::from(etag)),
        }
    }

    /// A version that is not there is no error, as in S3.
    fn remove_version(&mut self, key: &str, id: &str) -> Result<(), StoreError> {
        if self.locked {
            return Err(StoreError::AccessDenied("AccessDenied: object protected by object lock".into()));
        }
        if let Some(versions) = self.keys.get_mut(key) {
            versions.retain(|version| version.id != id);
            if versions.is_empty() {
                self.keys.remove(key);
            }
        }
        Ok(())
    }

    /// The version that `object` names: by version id, else the current one, which must have its ETag if `match_etag`.
    fn pinned(&self, object: &ObjectRef, match_etag: bool) -> Result<&Version, StoreError> {
        if let Some(id) = &object.version_id {
            let versions = self.keys.get(&object.key).ok_or(StoreError::NotFound)?;
            let version = versions.iter().find(|version| version.id == *id);
            let version = version.filter(|version| version.object.is_some()).ok_or(StoreError::NotFound)?;
            // the one id that may be overwritten
            if match_etag && id == NULL_VERSION && version.etag != object.etag {
                return Err(StoreError::PreconditionFailed);
            }
            return Ok(version);
        }
        let current = self.current(&object.key).ok_or(StoreError::NotFound)?;
        if match_etag && current.etag != object.etag {
            return Err(StoreError::PreconditionFailed);
        }
        Ok(current)
    }
}

fn check_tags(tags: &[Tag]) -> Result<(), StoreError> {
    if tags.len() > TAGS_PER_OBJECT {
        return Err(StoreError::Permanent("BadRequest: Object tags cannot be greater than 10".into()));
    }
    Ok(())
}

/// A body in chunks.
struct FakeBody {
    bytes: Bytes,
    /// Fewer bytes are here than were promised.
    missing: bool,
}

#[async_trait]
impl ObjectBody for FakeBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.bytes.is_empty() {
            return if self.missing { Err(StoreError::Transient("the body ended early".into())) } else { Ok(None) };
        }
        let length = self.bytes.len().min(CHUNK_BYTES);
        Ok(Some(self.bytes.split_to(length)))
    }
}
