//! The members that were seen, in a file without a name, for a second engine.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use lazaret_engine_protocol::{Members, bundle};
use lazaret_walker::Source;

use crate::region::Region;
use crate::spool;

/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub struct Bundle {
    file: File,
    members: Members,
    max_bytes: u64,
}

impl Bundle {
    /// An empty one in the scratch directory.
    ///
    /// # Errors
    /// If there is no room.
    pub fn new(scratch: &Path, max_bytes: u64) -> io::Result<Self> {
        let mut file = spool::unnamed(scratch)?;
        file.write_all(bundle::MAGIC)?;
        let members = Members { bytes: bundle::MAGIC.len() as u64, count: 0, complete: true };
        Ok(Self { file, members, max_bytes })
    }

    /// Takes one member. One that does not fit is left out, and the bundle is no longer complete.
    pub fn add(&mut self, path: &str, content: &Region) {
        if !self.members.complete {
            return; // a file that was cut at an error holds no further member
        }
        let header = bundle::header(path, content.len());
        let after = self.members.bytes.saturating_add(header.len() as u64).saturating_add(content.len());
        if after > self.max_bytes || self.write(&header, content).is_err() {
            self.members.complete = false;
            return;
        }
        self.members.bytes = after;
        self.members.count += 1;
    }

    fn write(&mut self, header: &[u8], content: &Region) -> io::Result<()> {
        self.file.write_all(header)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut position = 0;
        loop {
            match content.read_at(&mut chunk, position)? {
                0 => return Ok(()),
                count => self.file.write_all(&chunk[..count])?,
            }
            position += chunk.len() as u64;
        }
    }

    /// The file and what is in it; `None` if no member was seen.
    pub fn finish(self) -> Option<(OwnedFd, Members)> {
        if self.members.count == 0 && self.members.complete {
            return None;
        }
        // What was written of a member that failed is no part of it.
        rustix::fs::ftruncate(self.file.as_fd(), self.members.bytes).ok()?;
        Some((self.file.into(), self.members))
    }
}
