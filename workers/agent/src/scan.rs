//! Scan: hand a file to the engine.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use lazaret_model::Verdict;

/// The engine is gone and does not come back: the fault is not any object's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine is gone for good: {0}")]
pub struct EngineGone(pub String);

/// An engine with its definitions loaded.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// The verdict on the `size` bytes of `file`. A scan that goes wrong is a verdict too (`Error`, `Unscannable`); `Clean` is
    /// said only of what was scanned to its end.
    async fn scan(&self, file: OwnedFd, size: u64) -> Result<Verdict, EngineGone>;
}
