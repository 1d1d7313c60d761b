//! Scan: hand a file to the engine.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use lazaret_engine_protocol::Members;
use lazaret_model::{DefinitionsStamp, Finding, Verdict};

/// The engine is gone and does not come back: the fault is not any object's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine is gone for good: {0}")]
pub struct EngineGone(pub String);

/// What is to be scanned: a file that nobody changes any more.
#[derive(Debug)]
pub struct Content {
    pub file: OwnedFd,
    /// In bytes.
    pub size: u64,
    /// Of all bytes of `file`, taken as they came in.
    pub sha256: [u8; 32],
}

/// What an engine has to say about a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    pub verdict: Verdict,
    /// What rules found that only note. They change no verdict.
    pub notes: Vec<Finding>,
    /// The definitions that the verdict rests on, those of the process that scanned. `None` if none did.
    pub definitions: Option<DefinitionsStamp>,
    /// Said before, of the same bytes, under the same definitions.
    pub cached: bool,
}

/// The members that an engine saw, for another one. Hostile: an agent passes the descriptor on, and never reads it.
#[derive(Debug)]
pub struct Seen {
    pub bundle: OwnedFd,
    pub members: Members,
}

/// An engine with its definitions loaded.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// The verdict on a content. A scan that goes wrong is a verdict too (`Error`, `Unscannable`); `Clean` is said only of what
    /// was scanned to its end.
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone>;

    /// As `scan`, and brings the members that were seen, if the engine is one that unpacks.
    async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        Ok((self.scan(content).await?, None))
    }

    /// The definitions that a scan would use which began now; `None` if there are none that may be used. A cache asks this
    /// before it answers in the engine's place: whoever refuses stale definitions says `None` as well.
    fn definitions(&self) -> Option<DefinitionsStamp>;

    /// The verdict on every object where there is no engine to ask: it need not be fetched.
    fn without_engine(&self) -> Option<Verdict> {
        None
    }
}

/// Shared, a scanner is one still.
#[async_trait]
impl<S: Scanner + ?Sized> Scanner for Arc<S> {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        self.as_ref().scan(content).await
    }

    async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        self.as_ref().scan_showing_members(content).await
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.as_ref().definitions()
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.as_ref().without_engine()
    }
}
