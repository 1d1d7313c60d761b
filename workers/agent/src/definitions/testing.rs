//! Engines for the tests of this module: they find the words that they know.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lazaret_model::{DefinitionsStamp, Finding, Verdict};
use tokio::sync::Semaphore;

use crate::definitions::load::{LoadError, LoadedEngine, Loader};
use crate::engine::EngineError;
use crate::scan::{Content, EngineGone, Scanned, Scanner};

/// Finds each of its words; a scan of anything that says `slow` takes until it is let go.
pub struct FakeEngine {
    words: Vec<String>,
    gone: bool,
    pub slow: Semaphore,
    pub scans: AtomicUsize,
    pub ended: AtomicBool,
    pub directory: PathBuf,
}

impl FakeEngine {
    fn new(words: Vec<String>, directory: &Path) -> Self {
        Self {
            words,
            gone: false,
            slow: Semaphore::new(0),
            scans: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            directory: directory.to_owned(),
        }
    }

    pub fn knowing(words: &[&str]) -> Self {
        Self::new(words.iter().map(|word| (*word).to_owned()).collect(), Path::new(""))
    }

    pub fn gone() -> Self {
        Self { gone: true, ..Self::knowing(&[]) }
    }
}

#[async_trait]
impl Scanner for FakeEngine {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        assert!(!self.ended.load(Ordering::SeqCst), "an engine that has ended is asked nothing");
        if self.gone {
            return Err(EngineGone("as the test asked for".into()));
        }
        let mut text = String::new();
        let mut file = File::from(content.file);
        file.rewind().expect("the beginning");
        file.read_to_string(&mut text).expect("text");
        self.scans.fetch_add(1, Ordering::SeqCst);
        if text.contains("slow") {
            self.slow.acquire().await.expect("never closed").forget();
        }
        let found = self.words.iter().find(|word| text.contains(word.as_str()));
        let verdict = found.map_or(Verdict::Clean, |word| {
            let finding = Finding { member: String::new(), threat: word.clone(), engine: "fake".into() };
            Verdict::Infected { findings: vec![finding] }
        });
        assert!(!self.ended.load(Ordering::SeqCst), "an engine does not end below a scan");
        Ok(Scanned { verdict, notes: Vec::new(), definitions: self.definitions(), cached: false })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        Some(DefinitionsStamp { version: "what the engine calls it".into(), built_at: None })
    }
}

#[async_trait]
impl LoadedEngine for FakeEngine {
    async fn end(&self, _patience: Duration) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// Loads the words of `words.ndb`, one a line; a set with the word `broken` does not load.
#[derive(Default)]
pub struct FakeLoader {
    fail: AtomicUsize,
    pub engines: Mutex<Vec<Arc<FakeEngine>>>,
}

impl FakeLoader {
    /// The next so many engines die while they load.
    pub fn fail_next(&self, times: usize) {
        self.fail.store(times, Ordering::SeqCst);
    }

    pub fn last(&self) -> Arc<FakeEngine> {
        Arc::clone(self.engines.lock().expect("not poisoned").last().expect("an engine was loaded"))
    }
}

#[async_trait]
impl Loader for FakeLoader {
    async fn load(&self, directory: &Path) -> Result<Arc<dyn LoadedEngine>, LoadError> {
        let text = fs::read_to_string(directory.join("words.ndb")).expect("words");
        let words: Vec<_> = text.lines().map(str::to_owned).collect();
        let dies = self.fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if dies || words.iter().any(|word| word == "broken") {
            let source = std::io::Error::other("it does not load");
            return Err(EngineError::Scratch { path: directory.to_owned(), source }.into());
        }
        let engine = Arc::new(FakeEngine::new(words, directory));
        self.engines.lock().expect("not poisoned").push(Arc::clone(&engine));
        Ok(engine)
    }
}

/// A content of that text.
pub fn content(text: &str) -> Content {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    Content { file: file.into(), size: text.len() as u64, sha256: [0; 32] }
}
