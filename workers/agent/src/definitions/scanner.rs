//! The scanner that the agent has: whichever set is in force.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::{DefinitionsStamp, Verdict};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::scan::{Content, EngineGone, Scanned, Scanner, Seen};

use super::age::{MaxAge, refused};
use super::load::Loaded;

/// Hands each scan to the set that is in force when it begins. Without one, or where it is too old, nothing is called clean.
pub struct DefinitionsScanner {
    max_age: MaxAge,
    state: RwLock<State>,
}

struct State {
    in_force: Option<Arc<Loaded>>,
    /// Why there is none.
    why_none: String,
}

impl DefinitionsScanner {
    pub fn new(max_age: MaxAge) -> Self {
        let why_none = "no definitions are loaded yet".to_owned();
        Self { max_age, state: RwLock::new(State { in_force: None, why_none }) }
    }

    /// What is in force.
    pub fn in_force(&self) -> Option<Arc<Loaded>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).in_force.clone()
    }

    /// Scans that begin from now on have this set. Returns the one that was in force; scans that it began are its own still.
    pub fn switch(&self, to: Arc<Loaded>) -> Option<Arc<Loaded>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner).in_force.replace(to)
    }

    /// What to say of objects while there is no set at all.
    pub fn explain(&self, why_none: String) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).why_none = why_none;
    }

    /// The set in force and its promise not to end before this scan does. Under one lock: between the two, a switch could
    /// drain the set and end it.
    fn begin(&self) -> Result<(Arc<Loaded>, TaskTrackerToken), String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.in_force {
            Some(loaded) => Ok((Arc::clone(loaded), loaded.begin())),
            None => Err(state.why_none.clone()),
        }
    }

    /// Why the set in force proves nothing, if so.
    pub fn stale(&self) -> Option<String> {
        self.max_age.stale(&self.in_force()?.stamp, Timestamp::now())
    }

    /// Ends the engine, if there is one.
    pub async fn shutdown(&self) {
        let last = self.state.write().unwrap_or_else(PoisonError::into_inner).in_force.take();
        if let Some(last) = last {
            last.end().await;
        }
    }
}

/// What is said without any set.
fn without_any(why: String) -> Scanned {
    Scanned { verdict: refused(why), notes: Vec::new(), definitions: None, cached: false }
}

#[async_trait]
impl Scanner for DefinitionsScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        match self.begin() {
            Err(why) => Ok(without_any(why)),
            Ok((loaded, _running)) => Ok(self.max_age.review(&loaded.stamp, loaded.scan(content).await?)),
        }
    }

    async fn scan_showing_members(&self, content: Content) -> Result<(Scanned, Option<Seen>), EngineGone> {
        match self.begin() {
            Err(why) => Ok((without_any(why), None)),
            Ok((loaded, _running)) => {
                let (scanned, seen) = loaded.scan_showing_members(content).await?;
                Ok((self.max_age.review(&loaded.stamp, scanned), seen))
            }
        }
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.max_age.usable(self.in_force()?.stamp.clone())
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.begin().err().map(refused)
    }
}
