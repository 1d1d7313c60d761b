//! When memory runs out, a worker goes before the host with the definitions, and before the agent.
//!
//! A worker inherits the score, and cannot set it itself: it has no way to `/proc`, nor has the host once it is confined. So the
//! host takes on the worker's score for the moment of the fork, through a file that it opened before.

use std::fs::File;
use std::io::{self, Read, Write};

/// The highest there is.
const FIRST: &str = "1000";

#[derive(Debug)]
pub(super) struct OomScore {
    file: File,
    /// The host's own score.
    before: String,
}

impl OomScore {
    pub(super) fn open() -> io::Result<Self> {
        let path = "/proc/self/oom_score_adj";
        let mut before = String::new();
        File::open(path)?.read_to_string(&mut before)?;
        let file = File::options().write(true).open(path)?;
        Ok(Self { file, before: before.trim().to_owned() })
    }

    /// Runs `fork` with the workers' score.
    pub(super) fn raised<T>(&self, fork: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.set(FIRST)?;
        let forked = fork();
        // Going back needs no privilege: the lowest score that a process may have again is not moved by these writes.
        self.set(&self.before)?;
        forked
    }

    fn set(&self, score: &str) -> io::Result<()> {
        (&self.file).write_all(score.as_bytes())
    }
}
