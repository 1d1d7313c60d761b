//! One set for a scanner's whole life: a directory that is not looked at again, as `lazaret scan` has it.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_definitions::set::is_definitions;
use lazaret_model::{DefinitionsStamp, Verdict};

use crate::scan::{Content, EngineGone, Scanned, Scanner, Seen};

use super::age::MaxAge;

/// An engine, and age's word on what it says: under definitions that are too old nothing is called clean.
pub struct AgedScanner<S> {
    engine: S,
    max_age: MaxAge,
    /// The age of a set whose own header does not say it.
    changed_at: Option<Timestamp>,
}

impl<S: Scanner> AgedScanner<S> {
    /// `changed_at` is the directory's [`newest_change`], taken before the engine read it.
    pub fn new(engine: S, max_age: MaxAge, changed_at: Option<Timestamp>) -> Self {
        Self { engine, max_age, changed_at }
    }

    pub fn engine(&self) -> &S {
        &self.engine
    }

    /// Why the set proves nothing, if so.
    pub fn stale(&self) -> Option<String> {
        self.max_age.stale(&self.stamp(self.engine.definitions()), Timestamp::now())
    }

    fn stamp(&self, said: Option<DefinitionsStamp>) -> DefinitionsStamp {
        dated(said, self.changed_at)
    }

    fn review(&self, scanned: Scanned) -> Scanned {
        let stamp = self.stamp(scanned.definitions.clone());
        let scanned = self.max_age.review(&stamp, scanned);
        Scanned { definitions: Some(stamp), ..scanned }
    }
}

#[async_trait]
impl<S: Scanner> Scanner for AgedScanner<S> {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        Ok(self.review(self.engine.scan(content).await?))
    }

    async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        let (scanned, seen) = self.engine.scan_showing_members(content).await?;
        Ok((self.review(scanned), seen))
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.max_age.usable(self.stamp(self.engine.definitions()))
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.engine.without_engine()
    }
}

/// What the set of a directory is called: as its engine says, and, where that knows no age, of the time of its newest file.
pub(super) fn dated(said: Option<DefinitionsStamp>, changed_at: Option<Timestamp>) -> DefinitionsStamp {
    let said = said.unwrap_or(DefinitionsStamp { version: "unknown".to_owned(), built_at: None });
    DefinitionsStamp { built_at: said.built_at.or(changed_at), ..said }
}

/// When the newest file with definitions was changed; never in the future.
pub fn newest_change(directory: &Path) -> Option<Timestamp> {
    let entries = std::fs::read_dir(directory).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_definitions(path));
    let changes = paths.filter_map(|path| std::fs::metadata(path).ok()).filter(|found| found.is_file());
    let newest = changes.filter_map(|found| Timestamp::try_from(found.modified().ok()?).ok()).max()?;
    Some(newest.min(Timestamp::now()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use lazaret_model::verdict::ErrorReason;

    use super::*;
    use crate::definitions::testing::{FakeEngine, content};

    const DAY: u64 = 24 * 3600;

    /// A directory whose definitions were changed so many days ago, and something else today.
    fn directory(days: u64) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let file = File::create(directory.path().join("own.ndb")).expect("written");
        file.set_modified(SystemTime::now() - Duration::from_secs(days * DAY)).expect("ours");
        fs::write(directory.path().join("freshclam.dat"), "").expect("written");
        fs::write(directory.path().join(".own.ndb"), "").expect("written");
        directory
    }

    async fn scan(scanner: &AgedScanner<FakeEngine>, text: &str) -> Verdict {
        let alone = scanner.scan(content(text)).await.expect("an engine");
        let (shown, _) = scanner.scan_showing_members(content(text)).await.expect("an engine");
        assert_eq!(alone, shown, "with members as without them");
        assert!(alone.definitions.is_some_and(|stamp| stamp.built_at.is_some()));
        alone.verdict
    }

    #[tokio::test]
    async fn an_old_set_finds_what_it_knows_and_calls_nothing_clean() {
        let scanner = |days, max_days| {
            let max_age = MaxAge::seconds(max_days * DAY);
            AgedScanner::new(FakeEngine::knowing(&["worm"]), max_age, newest_change(directory(days).path()))
        };
        for (days, max_days) in [(6, 7), (8, 9), (800, 0)] {
            let young = scanner(days, max_days);
            assert_eq!(scan(&young, "an apple").await, Verdict::Clean, "{days} of {max_days}");
            assert_eq!((young.stale(), young.definitions().is_some()), (None, true));
        }
        let old = scanner(8, 7);
        let Verdict::Error { reason: ErrorReason::StaleDefinitions, detail } = scan(&old, "an apple").await else {
            panic!("an old set calls something clean");
        };
        assert!(detail.contains("is 8 days old, 7 days are allowed"), "{detail}");
        assert_eq!(old.stale(), Some(detail));
        assert_eq!(old.definitions(), None, "a cache answers nothing by it");
        assert!(matches!(scan(&old, "a worm").await, Verdict::Infected { .. }));
    }

    #[tokio::test]
    async fn a_set_without_an_age_is_too_old() {
        let empty = tempfile::tempdir().expect("a directory");
        let scanner = AgedScanner::new(FakeEngine::knowing(&[]), MaxAge::seconds(DAY), newest_change(empty.path()));
        let said = scanner.scan(content("an apple")).await.expect("an engine");
        assert!(matches!(said.verdict, Verdict::Error { reason: ErrorReason::StaleDefinitions, .. }), "{said:?}");
    }
}
