//! The state of the fake S3, and what a test does to it. The port itself is in `store_port`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_model::headers::ObjectHeaders;
use lazaret_model::object::{ETag, ObjectRef, StorageClass};
use lazaret_model::tags::Tag;
use sha2::{Digest, Sha256};

use super::{Calls, locked};
use crate::StoreError;
use crate::buckets::Versioning;
use crate::null_version::NULL_VERSION;

/// Keys on a page of ListObjectsV2.
const PAGE_KEYS: usize = 1_000;

/// An object to be put into a [`FakeStore`].
#[derive(Debug, Clone)]
pub struct FakeObject {
    pub(super) bytes: Bytes,
    pub(super) size: u64,
    pub(super) last_modified: Timestamp,
    pub(super) storage_class: StorageClass,
    pub(super) tags: Vec<Tag>,
    pub(super) headers: ObjectHeaders,
    pub(super) in_parts: bool,
}

impl FakeObject {
    /// Modified at the start of 2026, standard storage class, no tags.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            size: bytes.len() as u64,
            bytes,
            last_modified: Timestamp::from_second(1_767_225_600).expect("2026-01-01T00:00:00Z is a timestamp"),
            storage_class: StorageClass::standard(),
            tags: Vec::new(),
            headers: ObjectHeaders { content_type: Some("binary/octet-stream".into()), ..ObjectHeaders::default() },
            in_parts: false,
        }
    }

    /// Claims a size without having the bytes: for listings. A fetch of it breaks off early, as a broken connection does.
    #[must_use]
    pub fn claiming(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    #[must_use]
    pub fn modified(mut self, at: Timestamp) -> Self {
        self.last_modified = at;
        self
    }

    /// `GLACIER`, `DEEP_ARCHIVE`, …
    #[must_use]
    pub fn class(mut self, storage_class: &str) -> Self {
        self.storage_class = StorageClass(storage_class.to_owned());
        self
    }

    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
        self
    }

    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.headers.content_type = Some(content_type.to_owned());
        self
    }

    /// Uploaded in parts, which its ETag shows.
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    pub(super) fn cut(mut self) -> Self {
        self.size -= 1;
        self.bytes = self.bytes.slice(..self.bytes.len() - 1);
        self
    }

    /// All of them, metadata included.
    #[must_use]
    pub fn headers(mut self, headers: ObjectHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// `x-amz-meta-<name>`.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.headers.metadata.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// S3 in memory.
#[derive(Debug, Clone, Default)]
pub struct FakeStore {
    state: Arc<Mutex<State>>,
    pub(super) calls: Arc<Calls>,
    pub(super) while_tagging: Happens,
    pub(super) while_deleting: Happens,
}

type Happening = Box<dyn FnOnce() + Send>;

/// What somebody else does, once, in the middle of a call.
#[derive(Clone, Default)]
pub(super) struct Happens(Arc<Mutex<Option<Happening>>>);

impl Happens {
    pub(super) fn take(&self) -> Option<Happening> {
        locked(&self.0).take()
    }
}

impl std::fmt::Debug for Happens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if locked(&self.0).is_some() { "Happens(..)" } else { "Happens" })
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    versions: u64,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// It has versions, or had them.
    pub(super) versioned: bool,
    pub(super) suspended: bool,
    pub(super) locked: bool,
    pub(super) cuts_copies: bool,
    pub(super) keyed: bool,
    pub(super) denied: bool,
    pub(super) denied_keys: BTreeSet<String>,
    /// The versions of each key, the current one last.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    pub(super) page_keys: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) etag: ETag,
    /// `None` is a delete marker.
    pub(super) object: Option<FakeObject>,
}

impl FakeStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a bucket without versions.
    #[must_use]
    pub fn with_bucket(self, bucket: &str) -> Self {
        self.create_bucket(bucket, false);
        self
    }

    /// Creates a bucket with versions.
    #[must_use]
    pub fn with_versioned_bucket(self, bucket: &str) -> Self {
        self.create_bucket(bucket, true);
        self
    }

    pub fn create_bucket(&self, bucket: &str, versioned: bool) {
        let new = Bucket { versioned, page_keys: PAGE_KEYS, ..Bucket::default() };
        self.state().buckets.insert(bucket.to_owned(), new);
    }

    /// Deletes a bucket with everything in it.
    pub fn remove_bucket(&self, bucket: &str) {
        self.state().buckets.remove(bucket);
    }

    /// From now on the bucket has versions; what is in it already has the version id `null`.
    pub fn enable_versions(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.versioned = true);
        self.bucket(bucket, |bucket| bucket.suspended = false);
    }

    /// From now on what is written has the version id `null`, over whatever has that; older versions stay.
    pub fn suspend_versions(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.suspended = true);
    }

    /// From now on no version of this bucket can be deleted by its id, as under Object Lock.
    pub fn lock_versions(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.locked = true);
    }

    /// From now on copies into this bucket lack their last byte, as no S3 would have it.
    pub fn cut_copies(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.cuts_copies = true);
    }

    /// From now on what is written is encrypted with a KMS key: its ETag is no digest of its bytes.
    pub fn encrypt_with_key(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.keyed = true);
    }

    /// From now on everything in this bucket is forbidden.
    pub fn deny(&self, bucket: &str) {
        self.bucket(bucket, |bucket| bucket.denied = true);
    }

    /// In the next `put_tags`, right before the tags are written and after the ETag was looked at, something else happens.
    pub fn while_tagging(&self, happens: impl FnOnce() + Send + 'static) {
        *locked(&self.while_tagging.0) = Some(Box::new(happens));
    }

    /// In the next `delete` of a version `null`, right before it is deleted and after it was looked at, something else happens.
    pub fn while_deleting(&self, happens: impl FnOnce() + Send + 'static) {
        *locked(&self.while_deleting.0) = Some(Box::new(happens));
    }

    /// From now on this one object can't be read, tagged, copied or deleted; it is still listed.
    pub fn deny_object(&self, bucket: &str, key: &str) {
        self.bucket(bucket, |bucket| bucket.denied_keys.insert(key.to_owned()));
    }

    /// Makes the pages of a listing shorter than S3's 1,000 keys.
    pub fn set_page_keys(&self, bucket: &str, keys: usize) {
        self.bucket(bucket, |bucket| bucket.page_keys = keys);
    }

    /// Puts an object; over an older version if there is one. Returns it as a listing shows it.
    ///
    /// # Panics
    /// If there is no such bucket.
    pub fn insert(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> ObjectRef {
        self.insert_object(bucket, key, FakeObject::new(bytes))
    }

    /// The same with everything a [`FakeObject`] can say.
    pub fn insert_object(&self, bucket: &str, key: &str, object: FakeObject) -> ObjectRef {
        self.state().write(bucket, key, object);
        self.object_ref(bucket, key)
    }

    /// Puts a newer version over an object that is there.
    ///
    /// # Panics
    /// If it isn't.
    pub fn overwrite(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> ObjectRef {
        assert!(self.exists(bucket, key), "nothing to overwrite at {bucket}/{key}");
        self.insert(bucket, key, bytes)
    }

    /// Deletes an object as its owner would: a delete marker where the bucket has versions.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.state().hide(bucket, key);
    }

    /// The current version can be read from now on, whatever its class was.
    pub fn thaw(&self, bucket: &str, key: &str) {
        self.bucket(bucket, |bucket| {
            let current = bucket.keys.get_mut(key).and_then(|versions| versions.last_mut());
            if let Some(object) = current.and_then(|version| version.object.as_mut()) {
                object.storage_class = StorageClass::standard();
            }
        });
    }

    /// The current version as a listing shows it: without a version id.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn object_ref(&self, bucket: &str, key: &str) -> ObjectRef {
        ObjectRef { version_id: None, ..self.pinned_ref(bucket, key) }
    }

    /// The current version, with its version id where the bucket has versions.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn pinned_ref(&self, bucket: &str, key: &str) -> ObjectRef {
        let state = self.state();
        let place = state.buckets.get(bucket).unwrap_or_else(|| panic!("no bucket {bucket}"));
        place.current_ref(bucket, key).unwrap_or_else(|| panic!("nothing at {bucket}/{key}"))
    }

    pub fn exists(&self, bucket: &str, key: &str) -> bool {
        self.bytes(bucket, key).is_some()
    }

    /// The bytes of the current version.
    pub fn bytes(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.current(bucket, key).map(|object| object.bytes)
    }

    /// The tags of the current version; none if there is no such object.
    pub fn tags_of(&self, bucket: &str, key: &str) -> Vec<Tag> {
        self.current(bucket, key).map(|object| object.tags).unwrap_or_default()
    }

    /// The content type of the current version.
    pub fn content_type_of(&self, bucket: &str, key: &str) -> Option<String> {
        self.current(bucket, key).and_then(|object| object.headers.content_type)
    }

    /// The keys of all current versions below a prefix, in order.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        self.bucket(bucket, |bucket| {
            let current = bucket.keys.iter().filter(|(key, _)| key.starts_with(prefix));
            current.filter(|(key, _)| bucket.current(key).is_some()).map(|(key, _)| key.clone()).collect()
        })
    }

    /// Every version of every key that is no delete marker, with its bytes: the current one of a key is its last.
    pub fn contents(&self, bucket: &str) -> Vec<(ObjectRef, Bytes)> {
        self.bucket(bucket, |place| {
            let versions = place.keys.iter().flat_map(|(key, versions)| versions.iter().map(move |one| (key, one)));
            let found = versions.filter_map(|(key, version)| {
                Some((place.reference(bucket, key, version)?, version.object.as_ref()?.bytes.clone()))
            });
            found.collect()
        })
    }

    /// How many versions of a key there are, delete markers included.
    pub fn version_count(&self, bucket: &str, key: &str) -> usize {
        self.bucket(bucket, |bucket| bucket.keys.get(key).map_or(0, Vec::len))
    }

    /// How often an operation of the port was called: `"fetch"`, `"list_page"`, …
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.of(operation)
    }

    /// The names of all buckets, in order.
    pub fn bucket_names(&self) -> Vec<String> {
        self.state().buckets.keys().cloned().collect()
    }

    /// Fails as any call for this bucket does.
    pub(super) fn open_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        self.state().open(bucket).map(drop)
    }

    /// Whether Object Lock keeps this bucket's versions.
    pub(super) fn is_locked(&self, bucket: &str) -> bool {
        self.bucket(bucket, |bucket| bucket.locked)
    }

    pub(super) fn versioning_of(&self, bucket: &str) -> Versioning {
        self.bucket(bucket, |bucket| match bucket {
            Bucket { suspended: true, .. } => Versioning::Suspended,
            Bucket { versioned: true, .. } => Versioning::Enabled,
            _ => Versioning::Never,
        })
    }

    fn current(&self, bucket: &str, key: &str) -> Option<FakeObject> {
        self.state().buckets.get(bucket)?.current(key)?.object.clone()
    }

    fn bucket<T>(&self, name: &str, look: impl FnOnce(&mut Bucket) -> T) -> T {
        look(self.state().buckets.get_mut(name).unwrap_or_else(|| panic!("no bucket {name}")))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    pub(super) fn write(&mut self, bucket: &str, key: &str, object: FakeObject) -> ETag {
        let mut etag = etag_of(&object);
        if self.buckets.get(bucket).is_some_and(|place| place.keyed) {
            etag = ETag::from(format!("{:032x}", u128::from(self.versions) << 64));
        }
        self.push(bucket, key, Version { id: String::new(), etag: etag.clone(), object: Some(object) });
        etag
    }

    /// What DELETE without a version id does.
    pub(super) fn hide(&mut self, bucket: &str, key: &str) {
        let place = self.buckets.get_mut(bucket).unwrap_or_else(|| panic!("no bucket {bucket}"));
        if place.versioned {
            self.push(bucket, key, Version { id: String::new(), etag: ETag::from(""), object: None });
        } else {
            place.keys.remove(key);
        }
    }

    fn push(&mut self, bucket: &str, key: &str, version: Version) {
        self.versions += 1;
        let number = self.versions;
        let place = self.buckets.get_mut(bucket).unwrap_or_else(|| panic!("no bucket {bucket}"));
        let kept = place.versioned && !place.suspended;
        let id = if kept { format!("v{number:06}") } else { NULL_VERSION.to_owned() };
        let versions = place.keys.entry(key.to_owned()).or_default();
        // of those without versions there is one at a time
        versions.retain(|version| kept || version.id != NULL_VERSION);
        versions.push(Version { id, ..version });
    }
}

impl Bucket {
    /// The newest version, unless it is a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last().filter(|version| version.object.is_some())
    }

    pub(super) fn version_id(&self, version: &Version) -> Option<String> {
        self.versioned.then(|| version.id.clone())
    }

    pub(super) fn current_ref(&self, bucket: &str, key: &str) -> Option<ObjectRef> {
        self.reference(bucket, key, self.current(key)?)
    }

    /// None for a delete marker.
    pub(super) fn reference(&self, bucket: &str, key: &str, version: &Version) -> Option<ObjectRef> {
        let object = version.object.as_ref()?;
        Some(ObjectRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: self.version_id(version),
            etag: version.etag.clone(),
            size: object.size,
            last_modified: object.last_modified,
            storage_class: object.storage_class.clone(),
        })
    }
}

/// The same content has the same ETag, as in S3: an overwrite by equal bytes can't be told from none.
fn etag_of(object: &FakeObject) -> ETag {
    let mut hash = Sha256::new();
    hash.update(object.size.to_be_bytes());
    hash.update(&object.bytes);
    let digits: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    ETag::from(if object.in_parts { format!("{digits}-2") } else { digits })
}
