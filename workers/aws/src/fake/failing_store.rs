//! A store some of whose calls fail.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lazaret_model::object::ObjectRef;
use lazaret_model::tags::Tag;

use super::Faults;
use crate::objects::{
    Copied, CopyTarget, Fetched, ListPage, ObjectHead, ObjectStore, PutCondition, StoreError, Stored, Versioning,
};

/// Passes every call on to `inner`, but for those planned in `faults`.
#[derive(Clone)]
pub struct FailingStore {
    inner: Arc<dyn ObjectStore>,
    pub faults: Faults<StoreError>,
}

impl FailingStore {
    pub fn new(inner: impl ObjectStore + 'static) -> Self {
        Self { inner: Arc::new(inner), faults: Faults::default() }
    }
}

#[async_trait]
impl ObjectStore for FailingStore {
    async fn check_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        self.faults.around("check_bucket", self.inner.check_bucket(bucket)).await
    }

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError> {
        self.faults.around("versioning", self.inner.versioning(bucket)).await
    }

    async fn list_page(&self, bucket: &str, prefix: &str, next: Option<&str>) -> Result<ListPage, StoreError> {
        self.faults.around("list_page", self.inner.list_page(bucket, prefix, next)).await
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Fetched, StoreError> {
        self.faults.around("fetch", self.inner.fetch(object)).await
    }

    async fn tags(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError> {
        self.faults.around("tags", self.inner.tags(object)).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
        self.faults.around("put_tags", self.inner.put_tags(object, tags)).await
    }

    async fn copy(&self, object: &ObjectRef, to: CopyTarget<'_>) -> Result<Copied, StoreError> {
        self.faults.around("copy", self.inner.copy(object, to)).await
    }

    async fn head(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectHead>, StoreError> {
        self.faults.around("head", self.inner.head(bucket, key, version_id)).await
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), StoreError> {
        self.faults.around("delete", self.inner.delete(object)).await
    }

    async fn tags_at(&self, bucket: &str, key: &str) -> Result<Option<Vec<Tag>>, StoreError> {
        self.faults.around("tags_at", self.inner.tags_at(bucket, key)).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Stored>, StoreError> {
        self.faults.around("get", self.inner.get(bucket, key)).await
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        condition: PutCondition<'_>,
    ) -> Result<String, StoreError> {
        self.faults.around("put", self.inner.put(bucket, key, bytes, content_type, condition)).await
    }

    async fn delete_keys(&self, bucket: &str, keys: &[String]) -> Result<(), StoreError> {
        self.faults.around("delete_keys", self.inner.delete_keys(bucket, keys)).await
    }
}
