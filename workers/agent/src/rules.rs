//! The owner's own rules: a second engine (YARA-X) over the same contents, and over the members that the first one saw.
//!
//! What it finds is added to what the first engine says. Where it could not look at everything, nothing is clean. Without rules
//! there is no second engine.

mod fetch;
mod merge;
mod start;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_engine_protocol::{Content as Kind, Engine, Examined, Order, ScanVerdict};
use lazaret_model::{DefinitionsStamp, Verdict};

use crate::scan::{Content, EngineGone, Scanned, Scanner, Seen};

pub use start::{Rules, RulesError, start};

/// A scanner whose verdicts the owner's rules have a say in.
pub struct RulesScanner<S> {
    first: S,
    rules: Arc<Rules>,
}

impl<S: Scanner> RulesScanner<S> {
    pub fn new(first: S, rules: Arc<Rules>) -> Self {
        Self { first, rules }
    }

    /// Verdicts rest on both: another set of rules is another version.
    fn stamp(&self, definitions: DefinitionsStamp) -> DefinitionsStamp {
        let version = format!("{}, rules {}", definitions.version, self.rules.version());
        DefinitionsStamp { version, ..definitions }
    }
}

#[async_trait]
impl<S: Scanner> Scanner for RulesScanner<S> {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        // Descriptors of one file: neither engine reads by its position.
        let Ok(again) = content.file.as_fd().try_clone_to_owned() else {
            return Err(EngineGone("no descriptor is left for a second engine".to_owned()));
        };
        let size = content.size;
        let (scanned, seen) = self.first.scan_showing_members(content).await?;
        let complete = seen.as_ref().is_none_or(|seen| seen.members.complete);
        let mut said = vec![self.rules.ask(again, size, Kind::File).await?];
        if let Some(Seen { bundle, members }) = seen {
            said.push(self.rules.ask(bundle, members.bytes, Kind::Bundle).await?);
        }
        let definitions = scanned.definitions.clone().map(|definitions| self.stamp(definitions));
        Ok(Scanned { definitions, ..merge::merge(scanned, said, complete) })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.first.definitions().map(|definitions| self.stamp(definitions))
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.first.without_engine()
    }
}

impl Rules {
    async fn ask(&self, file: OwnedFd, size: u64, content: Kind) -> Result<Examined, EngineGone> {
        let said = self.engine().examine(Order { file, size, content, members: false }).await;
        match (&said.verdict, self.engine().broken()) {
            (ScanVerdict::Failed { .. }, Some(why)) => Err(EngineGone(format!("of the owner's rules: {why}"))),
            _ => Ok(said),
        }
    }

    /// Ends the engine and leaves nothing of it on the disk.
    pub async fn shutdown(&self, patience: Duration) {
        let engine: &Engine = self.engine();
        if tokio::time::timeout(patience, engine.shutdown()).await.is_err() {
            tracing::warn!("The engine of the owner's rules did not end in time; it is killed with this process");
        }
        self.remove();
    }
}
