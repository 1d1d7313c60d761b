//! Fetch: a version onto a disk, whole and as it was published, or not at all.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lazaret_aws::objects::{ObjectStore, StoreError};
use lazaret_model::{DefinitionsFile, DefinitionsManifest, DefinitionsPointer, ObjectRef};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::digest::hex;
use crate::error::DefinitionsError;
use crate::published::{self, STORE};
use crate::set::check_bounds;

/// Fetches what `pointer` means into `directory`, which must not be there yet; its parent must. Files come into a directory
/// beside it, which gets that name once every digest is right. Takes no more of the disk than the manifest says.
///
/// # Errors
/// If anything is missing, damaged or too large, or the disk is full. Nothing is left then.
pub async fn fetch(
    store: &dyn ObjectStore,
    bucket: &str,
    pointer: &DefinitionsPointer,
    directory: &Path,
) -> Result<DefinitionsManifest, DefinitionsError> {
    let manifest = published::manifest_of(store, bucket, pointer).await?;
    check_bounds(&manifest.files)?;
    let objects = published::check_files(store, bucket, &manifest).await?;
    let parent = directory.parent().unwrap_or(Path::new("."));
    let place = tempfile::Builder::new().prefix(".fetching-").tempdir_in(parent);
    let place = place.map_err(DefinitionsError::file(parent))?;
    for (file, object) in manifest.files.iter().zip(&objects) {
        // the name is one that `DefinitionsFileName` lets pass: it leads nowhere else
        let path = place.path().join(file.name.as_str());
        STORE.run(DefinitionsError::retryable, || download(store, object, file, Some(&path))).await?;
    }
    // no secret, and an engine may have given up being its owner
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(), readable).map_err(DefinitionsError::file(place.path()))?;
    std::fs::rename(place.path(), directory).map_err(DefinitionsError::file(directory))?;
    let _ = place.keep(); // it has another name now
    Ok(manifest)
}

/// That the object at `key` is this file.
pub(crate) async fn verify(
    store: &dyn ObjectStore,
    bucket: &str,
    key: &str,
    file: &DefinitionsFile,
) -> Result<(), DefinitionsError> {
    let page = STORE.run(StoreError::retryable, || store.list_page(bucket, key, None)).await;
    let page = page.map_err(DefinitionsError::store(bucket, key))?;
    let Some(object) = page.objects.into_iter().find(|object| object.key == key) else {
        return Err(DefinitionsError::Contended { bucket: bucket.to_owned(), key: key.to_owned() });
    };
    STORE.run(DefinitionsError::retryable, || download(store, &object, file, None)).await
}

/// One file: every byte counted and digested, and written to `path` if there is one.
async fn download(
    store: &dyn ObjectStore,
    object: &ObjectRef,
    file: &DefinitionsFile,
    path: Option<&Path>,
) -> Result<(), DefinitionsError> {
    let (bucket, key) = (object.bucket.as_str(), object.key.as_str());
    let mut target = match path {
        Some(path) => Some((path, File::create(path).await.map_err(DefinitionsError::file(path))?)),
        None => None,
    };
    let mut body = store.fetch(object).await.map_err(DefinitionsError::store(bucket, key))?.body;
    let mut digest = Sha256::new();
    let mut received = 0;
    while let Some(chunk) = body.chunk().await.map_err(DefinitionsError::store(bucket, key))? {
        received += chunk.len() as u64;
        if received > file.bytes {
            break;
        }
        digest.update(&chunk);
        if let Some((path, target)) = &mut target {
            target.write_all(&chunk).await.map_err(DefinitionsError::file(path))?;
        }
    }
    if let Some((path, target)) = &mut target {
        target.flush().await.map_err(DefinitionsError::file(path))?;
    }
    if received != file.bytes || hex(&digest.finalize()) != file.sha256 {
        return Err(DefinitionsError::damaged(bucket, key, "its bytes are not those that were published"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lazaret_aws::fake::{FailingStore, FakeStore};
    use lazaret_model::layout;

    use super::*;
    use crate::published::Move;
    use crate::set::DefinitionsSet;
    use crate::testing::{BUCKET, daily, tried};

    async fn published() -> (FakeStore, DefinitionsSet, DefinitionsPointer) {
        let store = FakeStore::new().with_bucket(BUCKET);
        let directory = daily(7, 1_000);
        let set = DefinitionsSet::read(directory.path()).expect("a set");
        crate::publish(&store, BUCKET, &set, &tried(), Move::Forward).await.expect("published");
        let pointer = published::pointer(&store, BUCKET).await.expect("readable").expect("a pointer");
        (store, set, pointer)
    }

    fn files_in(directory: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(directory).expect("readable");
        let named = entries.map(|entry| entry.expect("an entry").path());
        named
            .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(path)))
            .map(|(name, content)| (name, content.expect("readable")))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_published_comes_back_to_the_byte_after_broken_connections_too() {
        let (store, set, pointer) = published().await;
        let failing = FailingStore::new(store);
        failing.faults.fail("fetch", 1, StoreError::Transient("reset".into()));
        failing.faults.fail("list_page", 1, StoreError::Transient("SlowDown".into()));
        let scratch = tempfile::tempdir().expect("a directory");
        let into = scratch.path().join("set");
        let manifest = fetch(&failing, BUCKET, &pointer, &into).await.expect("fetched");
        assert_eq!(manifest.files, set.files);
        let again = DefinitionsSet::read(&into).expect("a set");
        assert_eq!((again.version, again.files), (set.version, set.files));
        assert_eq!(std::fs::read_dir(scratch.path()).expect("readable").count(), 1, "nothing beside it");
    }

    #[tokio::test]
    async fn a_set_with_anything_wrong_is_not_there_at_all() {
        let daily: lazaret_model::DefinitionsFileName = "daily.cvd".parse().expect("a name");
        type Spoil = fn(&FakeStore, &str, &str);
        let spoils: [(&str, Spoil); 5] = [
            ("other bytes", |store, file, _| {
                let length = store.bytes(BUCKET, file).expect("a file").len();
                store.overwrite(BUCKET, file, vec![b'x'; length]);
            }),
            ("a longer file", |store, file, _| {
                let bytes = [&store.bytes(BUCKET, file).expect("a file")[..], b"x"].concat();
                store.overwrite(BUCKET, file, bytes);
            }),
            ("a missing file", |store, file, _| store.remove(BUCKET, file)),
            ("another manifest", |store, _, manifest| {
                let bytes = [&store.bytes(BUCKET, manifest).expect("a manifest")[..], b" "].concat();
                store.overwrite(BUCKET, manifest, bytes);
            }),
            ("no manifest", |store, _, manifest| store.remove(BUCKET, manifest)),
        ];
        for (what, spoil) in spoils {
            let (store, set, pointer) = published().await;
            let file = layout::definitions_file_key(&set.version, &daily);
            spoil(&store, &file, &layout::definitions_manifest_key(&set.version));
            let scratch = tempfile::tempdir().expect("a directory");
            let fetched = fetch(&store, BUCKET, &pointer, &scratch.path().join("set")).await;
            assert!(matches!(fetched, Err(DefinitionsError::Damaged { .. })), "{what}: {fetched:?}");
            assert!(files_in(scratch.path()).is_empty(), "{what}: nothing is left");
        }
    }

    #[tokio::test]
    async fn hostile_manifests_write_nowhere() {
        let (store, set, _) = published().await;
        let key = layout::definitions_manifest_key(&set.version);
        let honest = String::from_utf8(store.bytes(BUCKET, &key).expect("a manifest").to_vec()).expect("text");
        let scratch = tempfile::tempdir().expect("a directory");
        for name in ["../daily.cvd", "/tmp/daily.cvd", "a/b.ndb", "..", ".hidden.ndb", ""] {
            let manifest = honest.replace("daily.cvd", name);
            store.overwrite(BUCKET, &key, manifest.clone());
            let pointer = DefinitionsPointer {
                version: set.version.clone(),
                manifest_sha256: crate::digest::sha256(manifest.as_bytes()),
            };
            let fetched = fetch(&store, BUCKET, &pointer, &scratch.path().join("set")).await;
            assert!(matches!(fetched, Err(DefinitionsError::Damaged { .. })), "{name}: {fetched:?}");
            assert_eq!(std::fs::read_dir(scratch.path()).expect("readable").count(), 0);
        }
        let large = honest.replace("\"bytes\": ", "\"bytes\": 99999999999");
        store.overwrite(BUCKET, &key, large.clone());
        let pointer =
            DefinitionsPointer { version: set.version, manifest_sha256: crate::digest::sha256(large.as_bytes()) };
        let fetched = fetch(&store, BUCKET, &pointer, &scratch.path().join("set")).await;
        assert!(matches!(fetched, Err(DefinitionsError::TooLarge { .. })), "{fetched:?}");
    }
}
