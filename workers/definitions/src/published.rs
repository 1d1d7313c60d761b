//! What is in the bucket: the version in force, all others, and another one put in its place.

use std::time::Duration;

use bytes::Bytes;
use lazaret_aws::Backoff;
use lazaret_aws::objects::{ObjectStore, PutCondition, StoreError};
use lazaret_model::{DefinitionsManifest, DefinitionsPointer, DefinitionsVersion, ObjectRef, layout};

use crate::digest::sha256;
use crate::error::DefinitionsError;

/// Calls to S3, within each of which the SDK has tried five times already: half a minute in all, for a throttled prefix.
pub(crate) const STORE: Backoff =
    Backoff { attempts: 8, first: Duration::from_millis(200), cap: Duration::from_secs(10) };

/// Two who publish at once meet once; more often only where something is wrong.
const POINTER_ATTEMPTS: u32 = 5;

/// The version in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    pub pointer: DefinitionsPointer,
    pub manifest: DefinitionsManifest,
}

/// A version that can be put in force: its manifest, read back, and the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub manifest: DefinitionsManifest,
    pub manifest_sha256: String,
}

/// All versions, and what could not be read among them.
#[derive(Debug, Default)]
pub struct Listing {
    /// Built last comes first.
    pub versions: Vec<DefinitionsManifest>,
    pub unreadable: Vec<DefinitionsError>,
}

/// How a pointer is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Never to a set that was built before the one in force.
    Forward,
    /// Wherever it is told to.
    Anywhere,
}

/// The version in force; `None` if nothing was ever published.
///
/// # Errors
/// If it can't be read, or is not what was published.
pub async fn current(store: &dyn ObjectStore, bucket: &str) -> Result<Option<Current>, DefinitionsError> {
    let Some(pointer) = pointer(store, bucket).await? else { return Ok(None) };
    let manifest = manifest_of(store, bucket, &pointer).await?;
    Ok(Some(Current { pointer, manifest }))
}

/// Which version is in force, and nothing about it: one small GET, for whoever asks often.
///
/// # Errors
/// As [`current`].
pub async fn pointer(store: &dyn ObjectStore, bucket: &str) -> Result<Option<DefinitionsPointer>, DefinitionsError> {
    read_pointer(store, bucket).await?.map(|stored| stored.pointer).transpose()
}

/// The manifest that a pointer means, to the byte.
///
/// # Errors
/// If it is not there, or another one.
pub async fn manifest_of(
    store: &dyn ObjectStore,
    bucket: &str,
    pointer: &DefinitionsPointer,
) -> Result<DefinitionsManifest, DefinitionsError> {
    let key = layout::definitions_manifest_key(&pointer.version);
    let Some(known) = find(store, bucket, &pointer.version).await? else {
        return Err(DefinitionsError::damaged(bucket, &key, "it is in force and not there"));
    };
    if known.manifest_sha256 != pointer.manifest_sha256 {
        return Err(DefinitionsError::damaged(bucket, &key, "it is not the one that was put in force"));
    }
    Ok(known.manifest)
}

/// The manifest of any version.
///
/// # Errors
/// If there is no such version, or its manifest can't be read.
pub async fn read_manifest(
    store: &dyn ObjectStore,
    bucket: &str,
    version: &DefinitionsVersion,
) -> Result<DefinitionsManifest, DefinitionsError> {
    let found = find(store, bucket, version).await?;
    found.map(|known| known.manifest).ok_or_else(|| DefinitionsError::NoVersion(version.clone()))
}

/// All versions whose manifest was written.
///
/// # Errors
/// If the bucket can't be listed.
pub async fn list(store: &dyn ObjectStore, bucket: &str) -> Result<Listing, DefinitionsError> {
    let mut listing = Listing::default();
    for object in objects(store, bucket, layout::DEFINITIONS_VERSIONS_PREFIX).await? {
        let Some(version) = layout::version_of_manifest(&object.key) else { continue };
        match read_manifest(store, bucket, &version).await {
            Ok(manifest) => listing.versions.push(manifest),
            Err(error) => listing.unreadable.push(error),
        }
    }
    listing.versions.sort_by(|one, other| (other.built_at, &other.version).cmp(&(one.built_at, &one.version)));
    Ok(listing)
}

/// Puts a version in force that was published before, older ones too. Returns the one that was in force until now.
///
/// # Errors
/// If there is no such version, or a file of it is missing.
pub async fn switch_to(
    store: &dyn ObjectStore,
    bucket: &str,
    version: &DefinitionsVersion,
) -> Result<Option<DefinitionsVersion>, DefinitionsError> {
    let known = find(store, bucket, version).await?.ok_or_else(|| DefinitionsError::NoVersion(version.clone()))?;
    check_files(store, bucket, &known.manifest).await?;
    move_pointer(store, bucket, &known, Move::Anywhere).await
}

/// The files of a version as the bucket has them, in the order of the manifest.
///
/// # Errors
/// If one is missing or has another size.
pub(crate) async fn check_files(
    store: &dyn ObjectStore,
    bucket: &str,
    manifest: &DefinitionsManifest,
) -> Result<Vec<ObjectRef>, DefinitionsError> {
    let mut there = objects(store, bucket, &layout::definitions_prefix(&manifest.version)).await?;
    let mut found = Vec::with_capacity(manifest.files.len());
    for file in &manifest.files {
        let key = layout::definitions_file_key(&manifest.version, &file.name);
        let Some(index) = there.iter().position(|object| object.key == key) else {
            return Err(DefinitionsError::damaged(bucket, &key, "it is missing"));
        };
        let object = there.swap_remove(index);
        if object.size != file.bytes {
            let why = format!("it has {} bytes, {} were published", object.size, file.bytes);
            return Err(DefinitionsError::damaged(bucket, &key, why));
        }
        found.push(object);
    }
    Ok(found)
}

/// A version's manifest; `None` if there is none.
pub(crate) async fn find(
    store: &dyn ObjectStore,
    bucket: &str,
    version: &DefinitionsVersion,
) -> Result<Option<Known>, DefinitionsError> {
    let key = layout::definitions_manifest_key(version);
    let stored = STORE.run(StoreError::retryable, || store.get(bucket, &key)).await;
    let Some(stored) = stored.map_err(DefinitionsError::store(bucket, &key))? else { return Ok(None) };
    let manifest: DefinitionsManifest =
        serde_json::from_slice(&stored.bytes).map_err(|error| DefinitionsError::damaged(bucket, &key, error))?;
    if manifest.version != *version {
        let why = format!("it is the manifest of {}", manifest.version);
        return Err(DefinitionsError::damaged(bucket, &key, why));
    }
    Ok(Some(Known { manifest, manifest_sha256: sha256(&stored.bytes) }))
}

/// That `built` is not older than what is in force.
pub(crate) fn check_order(
    current: &DefinitionsManifest,
    next: &DefinitionsVersion,
    built: jiff::Timestamp,
) -> Result<(), DefinitionsError> {
    if current.version != *next && built < current.built_at {
        return Err(DefinitionsError::Older {
            current: current.version.clone(),
            current_built: current.built_at,
            built,
        });
    }
    Ok(())
}

/// Writes the pointer over the very one that was read. Returns the version that it showed before.
pub(crate) async fn move_pointer(
    store: &dyn ObjectStore,
    bucket: &str,
    to: &Known,
    how: Move,
) -> Result<Option<DefinitionsVersion>, DefinitionsError> {
    let key = layout::DEFINITIONS_POINTER_KEY;
    let wanted =
        DefinitionsPointer { version: to.manifest.version.clone(), manifest_sha256: to.manifest_sha256.clone() };
    let bytes = Bytes::from(serde_json::to_vec(&wanted).expect("two texts are always JSON"));
    for _ in 0..POINTER_ATTEMPTS {
        let stored = read_pointer(store, bucket).await?;
        let (etag, before) = match &stored {
            None => (None, None),
            Some(StoredPointer { etag, pointer }) => (Some(etag), pointer.as_ref().ok()),
        };
        if before == Some(&wanted) {
            return Ok(Some(wanted.version));
        }
        if let (Move::Forward, Some(before)) = (how, before) {
            match find(store, bucket, &before.version).await {
                Ok(Some(current)) => check_order(&current.manifest, &wanted.version, to.manifest.built_at)?,
                // what no agent can load is no reason to keep it
                Ok(None) | Err(DefinitionsError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let condition = etag.map_or(PutCondition::Absent, |etag| PutCondition::Over(etag));
        let put = STORE
            .run(StoreError::retryable, || store.put(bucket, key, bytes.clone(), "application/json", condition))
            .await;
        match put {
            Ok(_) => return Ok(before.map(|before| before.version.clone())),
            Err(StoreError::PreconditionFailed) => {} // another one was faster, or our own answer was lost
            Err(error) => return Err(DefinitionsError::store(bucket, key)(error)),
        }
    }
    Err(DefinitionsError::Contended { bucket: bucket.to_owned(), key: key.to_owned() })
}

struct StoredPointer {
    etag: String,
    /// A damaged one can still be written over.
    pointer: Result<DefinitionsPointer, DefinitionsError>,
}

async fn read_pointer(store: &dyn ObjectStore, bucket: &str) -> Result<Option<StoredPointer>, DefinitionsError> {
    let key = layout::DEFINITIONS_POINTER_KEY;
    let stored = STORE.run(StoreError::retryable, || store.get(bucket, key)).await;
    let stored = stored.map_err(DefinitionsError::store(bucket, key))?;
    Ok(stored.map(|stored| StoredPointer {
        pointer: serde_json::from_slice(&stored.bytes).map_err(|error| DefinitionsError::damaged(bucket, key, error)),
        etag: stored.etag,
    }))
}

async fn objects(store: &dyn ObjectStore, bucket: &str, prefix: &str) -> Result<Vec<ObjectRef>, DefinitionsError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = STORE.run(StoreError::retryable, || store.list_page(bucket, prefix, next.as_deref())).await;
        let page = page.map_err(DefinitionsError::store(bucket, prefix))?;
        all.extend(page.objects);
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
}
