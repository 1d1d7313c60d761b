//! Keeps the newest published set in force while an agent runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lazaret_aws::{Backoff, ObjectStore};
use lazaret_definitions::DefinitionsError;
use lazaret_model::DefinitionsPointer;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::aged::{dated, newest_change};
use super::load::{Fetched, LoadError, Loaded, Loader};
use super::scanner::DefinitionsScanner;

/// An agent has nothing else at its start. An engine that was killed while it loaded (memory ran short, say) loads the next
/// time; a set that does not load three times has earned its rows of errors.
const FIRST_LOAD: Backoff = Backoff { attempts: 3, first: Duration::from_secs(1), cap: Duration::from_secs(4) };

/// What an agent without definitions says of every object.
const NONE_PUBLISHED: &str = "no definitions are published: `lazaret definitions update` does it";

/// Looks where definitions are published, and puts them in force.
pub struct Keeper {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
    pub loader: Arc<dyn Loader>,
    pub scratch_dir: PathBuf,
    pub scanner: Arc<DefinitionsScanner>,
}

/// Why another version is not in force.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    #[error("version {version}")]
    Load {
        version: String,
        #[source]
        source: LoadError,
    },
}

impl KeepError {
    /// Whether the fault is this machine's or this moment's, not the set's.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Definitions(error) if error.retryable() || matches!(error, DefinitionsError::File { .. }))
    }
}

impl Keeper {
    /// The first look of an agent. Without definitions, or with such as can't be used, it works on and says so of every object.
    ///
    /// # Errors
    /// If S3 does not answer, or there is no place to fetch to: another agent will do better than rows of errors.
    pub async fn begin(&self) -> Result<(), KeepError> {
        std::fs::create_dir_all(&self.scratch_dir)
            .map_err(|source| DefinitionsError::File { path: self.scratch_dir.clone(), source })?;
        let is_of_loading = |error: &KeepError| matches!(error, KeepError::Load { .. });
        match FIRST_LOAD.run(is_of_loading, || self.look()).await {
            Err(error) if error.retryable() => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Looks again and again. At most two sets are loaded at a time: the next look waits until the old one is drained.
    pub async fn keep(&self, poll: Duration) -> Infallible {
        let mut ticks = interval(poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await; // the first one is at once, and was `begin`
        loop {
            ticks.tick().await;
            let _ = self.look().await; // logged, and tried again
            if let Some(why) = self.scanner.stale() {
                error!("Stale definitions: {why}; what they do not find gets an Error");
            }
        }
    }

    /// One look: if another version is in force, loads it, switches to it, and drains the one before.
    ///
    /// # Errors
    /// If that version can't be fetched, loaded or trusted. The last good one stays.
    pub async fn look(&self) -> Result<(), KeepError> {
        match self.newer().await {
            Ok(None) => Ok(()),
            Ok(Some(loaded)) => {
                let stamp = loaded.stamp.clone();
                let age_seconds = stamp.age_seconds(Timestamp::now());
                let before = self.scanner.switch(Arc::new(loaded));
                let replaced = before.as_ref().map(|before| before.stamp.version.as_str());
                info!(definitions.version = stamp.version, age_seconds, replaced, "Definitions are in force");
                if let Some(before) = before {
                    before.drain().await;
                    info!(definitions.version = before.stamp.version, "Definitions are drained and gone");
                }
                Ok(())
            }
            Err(error) => {
                let in_force = self.scanner.in_force().map(|loaded| loaded.stamp.version.clone());
                let text = crate::error::chain(&error);
                error!(
                    error = %text.escape_debug(),
                    in_force,
                    "New definitions can't be used; what was in force stays so, and the next look tries again"
                );
                self.scanner.explain(format!("the definitions can't be used: {text}"));
                Err(error)
            }
        }
    }

    /// What is published, loaded and tried, if it is not in force here.
    async fn newer(&self) -> Result<Option<Loaded>, KeepError> {
        let published = lazaret_definitions::pointer(self.store.as_ref(), &self.results_bucket).await?;
        let Some(pointer) = published else {
            if self.scanner.in_force().is_some() {
                warn!("There are no published definitions any more; those that were stay in force");
            } else {
                error!("{NONE_PUBLISHED}; until then every object gets an Error");
            }
            self.scanner.explain(NONE_PUBLISHED.to_owned());
            return Ok(None);
        };
        if self.scanner.in_force().is_some_and(|loaded| loaded.stamp.version == pointer.version.as_str()) {
            return Ok(None);
        }
        info!(definitions.version = %pointer.version, "Fetching definitions");
        self.fetch_and_load(&pointer).await.map(Some)
    }

    async fn fetch_and_load(&self, pointer: &DefinitionsPointer) -> Result<Loaded, KeepError> {
        let place = Fetched::at(self.scratch_dir.join(format!("definitions-{}", Uuid::new_v4())));
        let (store, bucket) = (self.store.as_ref(), self.results_bucket.as_str());
        let manifest = lazaret_definitions::fetch(store, bucket, pointer, place.path()).await?;
        let stamp = manifest.stamp();
        let loaded = Loaded::load(self.loader.as_ref(), place.path(), &self.scratch_dir, |_| stamp).await;
        let loaded = loaded.map_err(|source| KeepError::Load { version: pointer.version.to_string(), source })?;
        Ok(loaded.owning(place))
    }
}

/// Loads a directory that is always the same, as long as the agent runs.
///
/// # Errors
/// If it can't be read, loaded or trusted: without a set to wait for there is nothing to do.
pub async fn fixed(
    loader: &dyn Loader,
    directory: &Path,
    scratch_dir: &Path,
    scanner: &DefinitionsScanner,
) -> Result<(), LoadError> {
    let changed_at = newest_change(directory);
    let loaded = Loaded::load(loader, directory, scratch_dir, |said| dated(said, changed_at)).await?;
    info!(
        definitions.version = loaded.stamp.version,
        "Definitions are in force; this directory is not looked at again"
    );
    scanner.switch(Arc::new(loaded));
    Ok(())
}

#[cfg(test)]
mod tests {
    use lazaret_aws::StoreError;
    use lazaret_aws::fake::{FailingStore, FakeStore};
    use lazaret_definitions::publish::Tried;
    use lazaret_definitions::{DefinitionsSet, Move, publish};
    use lazaret_model::verdict::ErrorReason;
    use lazaret_model::{DefinitionsVersion, Verdict, layout};
    use tempfile::TempDir;

    use super::*;
    use crate::definitions::age::MaxAge;
    use crate::definitions::testing::{FakeLoader, content};
    use crate::scan::{Scanned, Scanner};

    const BUCKET: &str = "results";
    const POLL: Duration = Duration::from_secs(300);

    struct Lab {
        s3: FakeStore,
        store: FailingStore,
        loader: Arc<FakeLoader>,
        scanner: Arc<DefinitionsScanner>,
        keeper: Arc<Keeper>,
        scratch: TempDir,
    }

    impl Lab {
        fn new() -> Self {
            let scratch = tempfile::tempdir().expect("a directory");
            let s3 = FakeStore::new().with_bucket(BUCKET);
            let store = FailingStore::new(s3.clone());
            let loader = Arc::new(FakeLoader::default());
            let scanner = Arc::new(DefinitionsScanner::new(MaxAge::seconds(86_400)));
            let keeper = Keeper {
                store: Arc::new(store.clone()),
                results_bucket: BUCKET.into(),
                loader: Arc::clone(&loader) as Arc<dyn Loader>,
                scratch_dir: scratch.path().to_owned(),
                scanner: Arc::clone(&scanner),
            };
            Self { s3, store, loader, scanner, keeper: Arc::new(keeper), scratch }
        }

        async fn publish(&self, words: &str) -> DefinitionsVersion {
            let directory = tempfile::tempdir().expect("a directory");
            std::fs::write(directory.path().join("words.ndb"), words).expect("written");
            let set = DefinitionsSet::read(directory.path()).expect("a set");
            let tried = Tried { signatures: 1, engine_version: "fake".into() };
            publish(&self.s3, BUCKET, &set, &tried, Move::Anywhere).await.expect("published");
            set.version
        }

        async fn scan(&self, text: &str) -> Scanned {
            self.scanner.scan(content(text)).await.expect("an engine or none")
        }

        fn in_force(&self) -> Option<String> {
            self.scanner.in_force().map(|loaded| loaded.stamp.version.clone())
        }

        fn fetched(&self) -> usize {
            std::fs::read_dir(self.scratch.path()).expect("readable").count()
        }
    }

    fn is_stale(scanned: &Scanned, says: &str) -> bool {
        matches!(&scanned.verdict, Verdict::Error { reason: ErrorReason::StaleDefinitions, detail } if detail.contains(says))
    }

    #[tokio::test]
    async fn the_published_set_is_in_force_and_named_in_every_verdict() {
        let lab = Lab::new();
        let version = lab.publish("EICAR\nworm").await;
        lab.keeper.begin().await.expect("begun");
        let scanned = lab.scan("a worm").await;
        assert!(matches!(scanned.verdict, Verdict::Infected { .. }));
        assert_eq!(scanned.definitions.map(|stamp| stamp.version), Some(version.to_string()));
        assert_eq!(lab.scan("an apple").await.verdict, Verdict::Clean);
        assert_eq!(lab.scanner.without_engine(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_version_takes_over_and_scans_that_began_end_where_they_began() {
        let lab = Lab::new();
        lab.publish("EICAR\nworm").await;
        lab.keeper.begin().await.expect("begun");
        let old = lab.loader.last();
        let keeper = Arc::clone(&lab.keeper);
        let keeping = tokio::spawn(async move { keeper.keep(POLL).await });
        let scanner = Arc::clone(&lab.scanner);
        let slow = tokio::spawn(async move { scanner.scan(content("a slow moth")).await.expect("a verdict") });
        while old.scans.load(std::sync::atomic::Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await; // two of the trial
        }
        let version = lab.publish("EICAR\nmoth").await;
        while lab.in_force().as_deref() != Some(version.as_str()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(matches!(lab.scan("a moth").await.verdict, Verdict::Infected { .. }));
        assert!(!old.ended.load(std::sync::atomic::Ordering::SeqCst), "a scan is still on its way");
        assert!(old.directory.exists() && lab.fetched() == 2);
        old.slow.add_permits(1);
        assert_eq!(slow.await.expect("ended").verdict, Verdict::Clean, "by the set that it began with");
        while lab.fetched() != 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(old.ended.load(std::sync::atomic::Ordering::SeqCst) && !old.directory.exists());
        keeping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_be_fetched_loaded_or_trusted_leaves_the_last_good_one_and_is_tried_again() {
        let lab = Lab::new();
        let good = lab.publish("EICAR").await;
        lab.keeper.begin().await.expect("begun");
        for bad in ["EICAR\nbroken", "worm", "EICAR\nplain text"] {
            let version = lab.publish(bad).await;
            assert!(lab.keeper.look().await.is_err(), "{bad}");
            assert!(lab.keeper.look().await.is_err(), "{bad}, again");
            assert_eq!(lab.in_force(), Some(good.to_string()), "{bad}");
            assert_eq!(lab.fetched(), 1, "nothing of {version} is left");
        }
        let newer = lab.publish("EICAR\nmoth").await;
        let file = layout::definitions_file_key(&newer, &"words.ndb".parse().expect("a name"));
        let whole = lab.s3.bytes(BUCKET, &file).expect("a file");
        lab.s3.overwrite(BUCKET, &file, "EICAR\nmot_");
        assert!(lab.keeper.look().await.is_err());
        assert_eq!(lab.in_force(), Some(good.to_string()));
        lab.s3.overwrite(BUCKET, &file, whole);
        lab.keeper.look().await.expect("whole again");
        assert_eq!(lab.in_force(), Some(newer.to_string()));
    }

    #[tokio::test]
    async fn without_definitions_nothing_is_clean_until_there_are_some() {
        let lab = Lab::new();
        lab.keeper.begin().await.expect("begun");
        assert!(is_stale(&lab.scan("an apple").await, "no definitions are published"));
        assert!(matches!(lab.scanner.without_engine(), Some(Verdict::Error { .. })), "no need to fetch");
        assert_eq!(lab.scanner.definitions(), None);
        lab.publish("EICAR").await;
        lab.keeper.look().await.expect("there are some");
        assert_eq!(lab.scan("an apple").await.verdict, Verdict::Clean);
        lab.s3.remove(BUCKET, layout::DEFINITIONS_POINTER_KEY);
        lab.keeper.look().await.expect("they stay in force");
        assert_eq!(lab.scan("an apple").await.verdict, Verdict::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_that_never_was_good_is_named_in_every_row() {
        let lab = Lab::new();
        let version = lab.publish("EICAR\nbroken").await;
        lab.keeper.begin().await.expect("the agent works");
        assert!(is_stale(&lab.scan("an apple").await, version.as_str()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_was_killed_while_it_loaded_is_started_again() {
        let lab = Lab::new();
        let version = lab.publish("EICAR").await;
        lab.loader.fail_next(2);
        lab.keeper.begin().await.expect("begun");
        assert_eq!(lab.in_force(), Some(version.to_string()));
        assert_eq!(lab.scan("an apple").await.verdict, Verdict::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_can_not_reach_s3_at_its_start_makes_no_rows_up() {
        let lab = Lab::new();
        lab.publish("EICAR").await;
        lab.store.faults.fail_always("get", StoreError::Transient("SlowDown".into()));
        assert!(lab.keeper.begin().await.is_err());
    }

    #[tokio::test]
    async fn old_definitions_still_find_and_call_nothing_clean() {
        let lab = Lab::new();
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("words.ndb");
        std::fs::write(&path, "EICAR\nworm").expect("written");
        let file = std::fs::File::options().write(true).open(&path).expect("a file");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3 * 86_400)).expect("changed");
        fixed(lab.loader.as_ref(), directory.path(), lab.scratch.path(), &lab.scanner).await.expect("loaded");
        let scanned = lab.scan("an apple").await;
        assert!(is_stale(&scanned, "3 days old, 1 day are allowed"), "{scanned:?}");
        assert!(scanned.definitions.is_some(), "the row says which");
        assert!(matches!(lab.scan("a worm").await.verdict, Verdict::Infected { .. }));
        assert_eq!(lab.scanner.definitions(), None, "a cache must not answer in its place");
        assert_eq!(lab.scanner.without_engine(), None, "an Infected is worth the fetch");
    }
}
