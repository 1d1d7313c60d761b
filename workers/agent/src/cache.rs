//! Cache: a verdict is remembered for the bytes that it was said of, and for the definitions and settings that said it.
//!
//! The key is a hash of all three. It is never an ETag: that is MD5, or of parts, or of what somebody else encrypted.
//! Only what a scan found out about the bytes is kept (`Clean`, `Infected`, `Unscannable`); an `Error` tells of a moment.
//! Two scans of the same bytes at the same time both go to the engine: that is rare, and right.

use std::mem::size_of;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lazaret_model::{DefinitionsStamp, Finding, Verdict};
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::scan::{Content, EngineGone, Scanned, Scanner};

/// Bytes of all entries together: 100,000 clean ones take 20 MB. An entry of an infected archive can have 100 KB.
const BYTES: usize = 64 << 20;

/// What the map and its list take for an entry beside the entry itself: a node with two links, and a slot of the table.
const OVERHEAD_BYTES: usize = 64;

/// A scanner that does not scan the same bytes twice.
pub struct CachingScanner {
    inner: Arc<dyn Scanner>,
    settings: [u8; 32],
    kept: Mutex<Kept>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often the cache was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Scans that were saved.
    pub hits: u64,
    /// Contents that were not known yet.
    pub misses: u64,
}

impl CachingScanner {
    /// `entries` at most are kept. `settings` is a digest of all besides the definitions that a verdict depends on: the engine's
    /// version and limits, and the owner's own rules.
    pub fn new(inner: Arc<dyn Scanner>, entries: NonZeroUsize, settings: [u8; 32]) -> Self {
        Self::with_bytes(inner, entries, settings, BYTES)
    }

    fn with_bytes(inner: Arc<dyn Scanner>, entries: NonZeroUsize, settings: [u8; 32], bytes_max: usize) -> Self {
        let kept = Kept { verdicts: LruCache::new(entries), bytes: 0, bytes_max };
        Self { inner, settings, kept: Mutex::new(kept), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    pub fn counts(&self) -> CacheCounts {
        CacheCounts { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// The definitions' build time is left out: sets of one version are the same.
    fn key(&self, sha256: &[u8; 32], definitions: &DefinitionsStamp) -> Key {
        // both before the version have a fixed length: no two triples run into the same bytes
        Sha256::new()
            .chain_update(self.settings)
            .chain_update(sha256)
            .chain_update(definitions.version.as_bytes())
            .finalize()
            .into()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("no one panics while looking up")
    }
}

#[async_trait]
impl Scanner for CachingScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        if let Some(definitions) = self.inner.definitions() {
            let known = self.kept().verdicts.get(&self.key(&content.sha256, &definitions)).cloned();
            if let Some(Said { verdict, notes }) = known {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Scanned { verdict, notes, definitions: Some(definitions), cached: true });
            }
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let sha256 = content.sha256;
        let scanned = self.inner.scan(content).await?;
        // by the definitions that it was scanned with: those that were asked above may have been replaced meanwhile
        if let Some(definitions) = &scanned.definitions
            && is_of_the_bytes(&scanned.verdict)
        {
            let said = Said { verdict: scanned.verdict.clone(), notes: scanned.notes.clone() };
            self.kept().keep(self.key(&sha256, definitions), said);
        }
        Ok(scanned)
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.inner.definitions()
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.inner.without_engine()
    }
}

/// Whether another scan of the same bytes would say the same.
fn is_of_the_bytes(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Clean | Verdict::Infected { .. } | Verdict::Unscannable { .. } => true,
        Verdict::Error { .. } | Verdict::InfectedAllowed { .. } | Verdict::Skipped { .. } | Verdict::Gone { .. } => {
            false
        }
    }
}

type Key = [u8; 32];

/// What is kept of a scan: the definitions are in the key.
#[derive(Clone)]
struct Said {
    verdict: Verdict,
    notes: Vec<Finding>,
}

impl Said {
    fn bytes(&self) -> usize {
        let of = |finding: &Finding| {
            size_of::<Finding>() + finding.member.len() + finding.threat.len() + finding.engine.len()
        };
        let findings = self.verdict.findings().iter().chain(&self.notes).map(of).sum::<usize>();
        size_of::<(Key, Self)>() + OVERHEAD_BYTES + findings + self.verdict.detail().len()
    }
}

/// The verdicts, those used last at the front.
struct Kept {
    verdicts: LruCache<Key, Said>,
    bytes: usize,
    bytes_max: usize,
}

impl Kept {
    fn keep(&mut self, key: Key, said: Said) {
        let bytes = said.bytes();
        // one that would push many others out is not worth it
        if bytes > self.bytes_max / 16 {
            return;
        }
        self.bytes += bytes;
        // what was there under this key, or the oldest where there is no place for one more
        if let Some((_, gone)) = self.verdicts.push(key, said) {
            self.bytes -= gone.bytes();
        }
        while self.bytes > self.bytes_max {
            let (_, oldest) = self.verdicts.pop_lru().expect("what has bytes has entries");
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests;
