//! How far a worker is: for a person who watches, never for a decision.

use serde::{Deserialize, Serialize};

/// Counters of one crawler or agent since its start; a job's progress is the sum over its workers. A redelivered packet
/// counts twice here and once in the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Objects listed.
    pub crawled: u64,
    /// Objects in the window.
    pub matched: u64,
    /// Objects with a recorded verdict of any kind.
    pub scanned: u64,
    pub infected: u64,
    /// Bytes of the objects in `scanned`.
    pub bytes: u64,
    /// Objects in `scanned` whose bytes had been scanned before.
    pub cache_hits: u64,
}

impl std::ops::AddAssign for Progress {
    fn add_assign(&mut self, other: Self) {
        self.crawled += other.crawled;
        self.matched += other.matched;
        self.scanned += other.scanned;
        self.infected += other.infected;
        self.bytes += other.bytes;
        self.cache_hits += other.cache_hits;
    }
}
