//! Publish: all files, then the manifest, then the pointer. Nothing that was written is ever written again.

use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::objects::{ObjectStore, PutCondition, StoreError};
use lazaret_model::{DefinitionsFile, DefinitionsManifest, DefinitionsVersion, layout};
use tracing::info;

use crate::digest::sha256;
use crate::error::DefinitionsError;
use crate::fetch::verify;
use crate::published::{self, Known, Move, STORE};
use crate::set::{DefinitionsSet, check_bounds};

/// That an engine has loaded a set, and found with it what it must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub signatures: u64,
    /// The engine and its version (`ClamAV 1.4.6`).
    pub engine_version: String,
}

/// What publishing a set came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// As it lies in the bucket: of a version that was there already, the one that was written then.
    pub manifest: DefinitionsManifest,
    /// The version was not there before.
    pub new: bool,
    /// What was in force until now; the version itself if it was already.
    pub before: Option<DefinitionsVersion>,
}

impl Published {
    /// Whether agents will change to it.
    pub fn changed(&self) -> bool {
        self.before.as_ref() != Some(&self.manifest.version)
    }
}

/// Publishes a set that was tried out and puts it in force. The same set again changes nothing.
///
/// # Errors
/// If a newer set is in force (unless `how` allows it), a file changed since it was read, or the bucket can't be written.
pub async fn publish(
    store: &dyn ObjectStore,
    bucket: &str,
    set: &DefinitionsSet,
    tried: &Tried,
    how: Move,
) -> Result<Published, DefinitionsError> {
    check_bounds(&set.files)?;
    if how == Move::Forward {
        check_newer(store, bucket, set).await?;
    }
    let (known, new) = match published::find(store, bucket, &set.version).await? {
        Some(known) => {
            same_files(bucket, &known, set)?;
            published::check_files(store, bucket, &known.manifest).await?;
            (known, false)
        }
        None => {
            for file in &set.files {
                put_file(store, bucket, set, file).await?;
            }
            (put_manifest(store, bucket, set, tried).await?, true)
        }
    };
    let before = published::move_pointer(store, bucket, &known, how).await?;
    Ok(Published { manifest: known.manifest, new, before })
}

/// Fails early, before anything is loaded or sent: the same is held to once more when the pointer is written.
///
/// # Errors
/// `Older`, or if the bucket can't be read.
pub async fn check_newer(store: &dyn ObjectStore, bucket: &str, set: &DefinitionsSet) -> Result<(), DefinitionsError> {
    match published::current(store, bucket).await {
        Ok(Some(current)) => published::check_order(&current.manifest, &set.version, set.built_at),
        // nothing is lost with what no agent can load
        Ok(None) | Err(DefinitionsError::Damaged { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn put_file(
    store: &dyn ObjectStore,
    bucket: &str,
    set: &DefinitionsSet,
    file: &DefinitionsFile,
) -> Result<(), DefinitionsError> {
    let path = set.path(&file.name);
    let bytes = read_again(&path, file).await?;
    let key = layout::definitions_file_key(&set.version, &file.name);
    let put = STORE.run(StoreError::retryable, || {
        store.put(bucket, &key, bytes.clone(), "application/octet-stream", PutCondition::Absent)
    });
    match put.await {
        Ok(_) => {
            info!(definitions.version = %set.version, key, bytes = file.bytes, "Stored a definitions file");
            Ok(())
        }
        // left by one who was interrupted, or who publishes the same at this moment: right only if it is the same
        Err(StoreError::PreconditionFailed) => verify(store, bucket, &key, file).await,
        Err(error) => Err(DefinitionsError::store(bucket, &key)(error)),
    }
}

/// The bytes that were digested, tried out and named.
async fn read_again(path: &Path, file: &DefinitionsFile) -> Result<Bytes, DefinitionsError> {
    let bytes = tokio::fs::read(path).await.map_err(DefinitionsError::file(path))?;
    if bytes.len() as u64 != file.bytes || sha256(&bytes) != file.sha256 {
        return Err(DefinitionsError::Changed(path.to_owned()));
    }
    Ok(bytes.into())
}

async fn put_manifest(
    store: &dyn ObjectStore,
    bucket: &str,
    set: &DefinitionsSet,
    tried: &Tried,
) -> Result<Known, DefinitionsError> {
    let manifest = DefinitionsManifest {
        version: set.version.clone(),
        built_at: set.built_at,
        published_at: Timestamp::now(),
        signatures: tried.signatures,
        engine_version: tried.engine_version.clone(),
        files: set.files.clone(),
    };
    let bytes = Bytes::from(serde_json::to_vec_pretty(&manifest).expect("texts and numbers are always JSON"));
    let key = layout::definitions_manifest_key(&set.version);
    let put = STORE.run(StoreError::retryable, || {
        store.put(bucket, &key, bytes.clone(), "application/json", PutCondition::Absent)
    });
    match put.await {
        Ok(_) => Ok(Known { manifest, manifest_sha256: sha256(&bytes) }),
        Err(StoreError::PreconditionFailed) => {
            let known = published::find(store, bucket, &set.version).await?;
            let known = known.ok_or_else(|| DefinitionsError::Contended { bucket: bucket.to_owned(), key })?;
            same_files(bucket, &known, set)?;
            Ok(known)
        }
        Err(error) => Err(DefinitionsError::store(bucket, &key)(error)),
    }
}

/// The version's name is a digest of the files: another list under the same name was not written by us.
fn same_files(bucket: &str, known: &Known, set: &DefinitionsSet) -> Result<(), DefinitionsError> {
    if known.manifest.files == set.files {
        return Ok(());
    }
    let key = layout::definitions_manifest_key(&set.version);
    Err(DefinitionsError::damaged(bucket, &key, "it lists other files than its version's name stands for"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lazaret_aws::fake::{FailingStore, FakeStore};

    use super::*;
    use crate::testing::{BUCKET, daily, directory, tried};

    fn store() -> FakeStore {
        FakeStore::new().with_bucket(BUCKET)
    }

    fn read(directory: &tempfile::TempDir) -> DefinitionsSet {
        DefinitionsSet::read(directory.path()).expect("a set")
    }

    async fn published(store: &dyn ObjectStore, directory: &tempfile::TempDir) -> Result<Published, DefinitionsError> {
        publish(store, BUCKET, &read(directory), &tried(), Move::Forward).await
    }

    async fn in_force(store: &FakeStore) -> DefinitionsVersion {
        published::current(store, BUCKET).await.expect("readable").expect("something is in force").manifest.version
    }

    #[tokio::test]
    async fn the_same_set_again_writes_nothing() {
        let (store, set) = (store(), daily(1, 1_000));
        let first = published(&store, &set).await.expect("published");
        assert!(first.new && first.changed() && first.before.is_none());
        let puts = store.calls("put");
        let again = published(&store, &set).await.expect("published");
        assert!(!again.new && !again.changed());
        assert_eq!((again.manifest, store.calls("put")), (first.manifest, puts));
    }

    #[tokio::test]
    async fn an_older_set_replaces_no_newer_one_unless_it_must() {
        let (store, old, new) = (store(), daily(1, 1_000), daily(2, 2_000));
        published(&store, &new).await.expect("published");
        let error = published(&store, &old).await.expect_err("older");
        assert!(matches!(error, DefinitionsError::Older { .. }) && error.to_string().contains("--force"), "{error}");
        assert_eq!(store.keys(BUCKET, &layout::definitions_prefix(&read(&old).version)), Vec::<String>::new());
        publish(&store, BUCKET, &read(&old), &tried(), Move::Anywhere).await.expect("forced");
        assert_eq!(in_force(&store).await, read(&old).version);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_who_publish_at_once_the_newer_one_wins() {
        let (old, new) = (daily(1, 1_000), daily(2, 2_000));
        for (slow, fast) in [(&old, &new), (&new, &old)] {
            let inner = store();
            let failing = FailingStore::new(inner.clone());
            // the last PUT of the slow one is its pointer's: files, manifest, pointer
            failing.faults.delay("put", 4, Duration::from_secs(60));
            let (slow, fast) = tokio::join!(published(&failing, slow), async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                published(&inner, fast).await
            });
            assert!(fast.is_ok(), "{fast:?}");
            assert_eq!(in_force(&inner).await, read(&new).version);
            let went_back = slow.as_ref().is_err_and(|error| matches!(error, DefinitionsError::Older { .. }));
            assert!(slow.is_ok() || went_back, "{slow:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_died_anywhere_is_taken_up_and_nothing_half_is_in_force() {
        let set = daily(1, 1_000);
        for put in 1..=4 {
            let inner = store();
            let failing = FailingStore::new(inner.clone());
            failing.faults.fail("put", put, StoreError::Permanent("the lights went out".into()));
            assert!(published(&failing, &set).await.is_err());
            assert_eq!(published::current(&inner, BUCKET).await.expect("readable"), None, "{put}");
            let again = published(&inner, &set).await.expect("published");
            assert_eq!(in_force(&inner).await, again.manifest.version);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lost_answers_and_throttling_are_no_reason_to_fail() {
        let (inner, set) = (store(), daily(1, 1_000));
        let failing = FailingStore::new(inner.clone());
        for call in [1, 3, 5, 7] {
            failing.faults.lose_answer("put", call, StoreError::Transient("no answer".into()));
        }
        failing.faults.fail("get", 1, StoreError::Transient("SlowDown".into()));
        published(&failing, &set).await.expect("published");
        assert_eq!(in_force(&inner).await, read(&set).version);
    }

    #[tokio::test]
    async fn a_file_that_changes_meanwhile_is_not_published() {
        let (store, directory) = (store(), directory(&[("a.ndb", b"one")]));
        let set = read(&directory);
        std::fs::write(directory.path().join("a.ndb"), "two").expect("written");
        let error = publish(&store, BUCKET, &set, &tried(), Move::Forward).await.expect_err("changed");
        assert!(matches!(error, DefinitionsError::Changed(_)), "{error}");
        assert_eq!(store.keys(BUCKET, ""), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_others_put_in_a_files_place_is_never_called_ours() {
        let (store, set) = (store(), daily(1, 1_000));
        let key = layout::definitions_file_key(&read(&set).version, &"own.ndb".parse().expect("a name"));
        store.insert(BUCKET, &key, "Own.Rule:0:*:00000000\n");
        let error = published(&store, &set).await.expect_err("another file");
        assert!(matches!(error, DefinitionsError::Damaged { .. }) && error.to_string().contains("own.ndb"), "{error}");
        assert_eq!(published::current(&store, BUCKET).await.expect("readable"), None);
    }

    #[tokio::test]
    async fn a_damaged_pointer_is_written_over() {
        let (store, set) = (store(), daily(1, 1_000));
        store.insert(BUCKET, layout::DEFINITIONS_POINTER_KEY, "{");
        assert!(matches!(published::current(&store, BUCKET).await, Err(DefinitionsError::Damaged { .. })));
        published(&store, &set).await.expect("published");
        assert_eq!(in_force(&store).await, read(&set).version);
    }

    #[tokio::test]
    async fn any_version_that_is_whole_can_be_put_in_force_again() {
        let (store, old, new) = (store(), daily(1, 1_000), daily(2, 2_000));
        published(&store, &old).await.expect("published");
        published(&store, &new).await.expect("published");
        let (old, new) = (read(&old).version, read(&new).version);
        let before = published::switch_to(&store, BUCKET, &old).await.expect("switched");
        assert_eq!((before, in_force(&store).await), (Some(new), old.clone()));
        let listed = published::list(&store, BUCKET).await.expect("listed");
        assert_eq!(listed.versions.len(), 2);
        assert!(listed.versions[0].built_at > listed.versions[1].built_at && listed.unreadable.is_empty());

        let unknown = "set-0000000000000000".parse().expect("a name");
        let error = published::switch_to(&store, BUCKET, &unknown).await.expect_err("unknown");
        assert!(matches!(error, DefinitionsError::NoVersion(_)));
        store.remove(BUCKET, &layout::definitions_file_key(&old, &"daily.cvd".parse().expect("a name")));
        let error = published::switch_to(&store, BUCKET, &old).await.expect_err("a file is missing");
        assert!(error.to_string().contains("daily.cvd"), "{error}");
    }
}
