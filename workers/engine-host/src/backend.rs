//! What an engine implements.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use lazaret_engine_protocol::{Detection, Members, ScanRequest, ScanVerdict};

use crate::jail::Profile;

/// What was loaded, as the greeting tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Signatures or rules.
    pub signatures: u64,
    /// Names the content: two hosts with the same text scan alike.
    pub version: String,
    /// When it was built, in seconds since 1970, if it says so.
    pub built_seconds: Option<i64>,
    /// The engine and its version (`ClamAV 1.4.6`).
    pub engine_version: String,
}

/// What came of one scan.
#[derive(Debug)]
pub struct Finished {
    pub verdict: ScanVerdict,
    pub notes: Vec<Detection>,
    /// A bundle of the members that were seen, if the request asked for it.
    pub members: Option<(OwnedFd, Members)>,
}

impl From<ScanVerdict> for Finished {
    fn from(verdict: ScanVerdict) -> Self {
        Self { verdict, notes: Vec::new(), members: None }
    }
}

/// An engine that is loaded. It lives in the host, and in each worker as a copy-on-write copy.
pub trait Backend {
    fn loaded(&self) -> Loaded;

    /// What the jail must leave to this engine.
    fn profile(&self) -> Profile;

    /// In the host, before the first fork: whatever an engine loads on first use, it must load now, since no worker can open a file
    /// outside of `scratch`, which is empty before and after.
    ///
    /// # Errors
    /// In the engine's words.
    fn warm_up(&mut self, scratch: &Path) -> Result<(), String>;

    /// In a worker, before the jail is closed. `scratch` is the worker's own.
    ///
    /// # Errors
    /// In the engine's words.
    fn enter_worker(&mut self, scratch: &Path) -> Result<(), String>;

    /// In a worker, within the jail: looks at a regular file that has the bytes which the request says, and at least one.
    fn scan(&mut self, file: &File, request: &ScanRequest) -> Finished;
}
