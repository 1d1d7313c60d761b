//! S3, pinned to exact versions.

use async_trait::async_trait;
use bytes::Bytes;
use lazaret_model::headers::ObjectHeaders;
use lazaret_model::object::{ETag, ObjectRef};
use lazaret_model::tags::Tag;

/// The largest object that one CopyObject copies, in bytes (S3 API reference).
pub const COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// What a caller of S3 can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// No such key or version.
    #[error("not found")]
    NotFound,
    /// The version that was asked for is no longer the one that is there (412).
    #[error("another version is there now")]
    PreconditionFailed,
    #[error("access denied: {0}")]
    AccessDenied(String),
    /// The storage class needs a restore first (`InvalidObjectState`).
    #[error("archived")]
    Archived,
    /// Throttling, time-outs, 5xx, connections that broke: another attempt may do.
    #[error("{0}")]
    Transient(String),
    #[error("{0}")]
    Permanent(String),
}

impl StoreError {
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

/// One page of a listing, in the order of the keys' UTF-8 bytes.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Current versions only. `version_id` is never set: ListObjectsV2 does not tell it.
    pub objects: Vec<ObjectRef>,
    /// Pass it to get the next page; `None` on the last.
    pub next: Option<String>,
}

/// The body of an object, chunk by chunk.
#[async_trait]
pub trait ObjectBody: Send {
    /// The next bytes; `None` at the end. A body that ends early is an error, never an end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError>;
}

/// An object as a GET returned it.
pub struct Fetched {
    /// The version that the bytes are of, where the bucket has versions.
    pub version_id: Option<String>,
    /// In bytes.
    pub size: u64,
    pub body: Box<dyn ObjectBody>,
}

/// An object without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// With its version id where the bucket has versions.
    pub object: ObjectRef,
    pub headers: ObjectHeaders,
}

/// Where a copy goes, and what it carries.
#[derive(Debug, Clone, Copy)]
pub struct CopyTarget<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    /// In place of the source's own.
    pub tags: &'a [Tag],
    /// In place of the source's own; `None` keeps those.
    pub headers: Option<&'a ObjectHeaders>,
    /// What must stand there for the copy to be made.
    pub condition: PutCondition<'a>,
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Where the target has versions.
    pub version_id: Option<String>,
    pub etag: ETag,
}

/// A small object of Lazaret's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub bytes: Bytes,
    pub etag: String,
}

/// Whether a bucket keeps what is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    Never,
    Enabled,
    /// New objects have the version id `null`, over whatever has that; older versions stay.
    Suspended,
}

/// When a PUT or a copy may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutCondition<'a> {
    Always,
    /// Only if nothing is there (`If-None-Match: *`).
    Absent,
    /// Only over this ETag (`If-Match`).
    Over(&'a str),
}

/// S3.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Fails with `NoSuchBucket` or `AccessDenied` if the bucket can't be listed.
    async fn check_bucket(&self, bucket: &str) -> Result<(), StoreError>;

    /// Whether the bucket has versions.
    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError>;

    /// One page (up to 1,000 keys) of ListObjectsV2 below `prefix`.
    async fn list_page(&self, bucket: &str, prefix: &str, next: Option<&str>) -> Result<ListPage, StoreError>;

    /// Fetches exactly this version: by version id, else by `If-Match`.
    /// `NotFound` if it is deleted, `PreconditionFailed` if it was overwritten.
    async fn fetch(&self, object: &ObjectRef) -> Result<Fetched, StoreError>;

    /// The tags of exactly this version. On a bucket without versions: of whatever is there.
    async fn tags(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError>;

    /// Replaces the tags of this version. S3 has no condition here, so on a bucket without versions the adapter checks the
    /// ETag right before and after; `PreconditionFailed` if it is another one, from which these very tags are taken off again.
    async fn put_tags(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError>;

    /// Copies exactly this version, by version id, else by `x-amz-copy-source-if-match`; above [`COPY_BYTES_MAX`] in parts, each
    /// with the same pin. The target bucket's default encryption applies. `PreconditionFailed` if the source was overwritten, or the
    /// target's condition does not hold; where the target was to be written over and is not there, S3 may also say `NotFound`.
    async fn copy(&self, object: &ObjectRef, to: CopyTarget<'_>) -> Result<Copied, StoreError>;

    /// Any object by its key, without its bytes: the version that is named, else the current one. `None` if it is not there.
    async fn head(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectHead>, StoreError>;

    /// Deletes exactly this version: by version id, else with `If-Match`.
    async fn delete(&self, object: &ObjectRef) -> Result<(), StoreError>;

    /// The tags of any object by its key, the current version; `None` if there is no such object.
    async fn tags_at(&self, bucket: &str, key: &str) -> Result<Option<Vec<Tag>>, StoreError>;

    /// A small object of our own; `None` if it is not there.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Stored>, StoreError>;

    /// Writes a small object of our own; `PreconditionFailed` if `condition` does not hold. Returns its ETag.
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        condition: PutCondition<'_>,
    ) -> Result<String, StoreError>;

    /// Deletes up to 1,000 objects of our own, whatever version they have. Missing ones are no error.
    async fn delete_keys(&self, bucket: &str, keys: &[String]) -> Result<(), StoreError>;
}
