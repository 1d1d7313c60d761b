//! Where an object's bytes wait for the engine: memory for most, an unlinked file for large ones, and a budget for both.
//!
//! The engine gets a file descriptor and never a name: a memfd, sealed so that nobody writes to it any more, or a read-only
//! descriptor of a file that has no name.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Objects up to this lie in memory. Most objects are far below it; sixteen of them fit Fargate's smallest agent.
pub const MEMORY_BYTES: u64 = 32 * 1024 * 1024;

/// The budget is counted in these: a semaphore takes 32-bit numbers, and a tiny object costs a page or two anyway.
const UNIT_BYTES: u64 = 1024;

/// Hands out space for objects.
#[derive(Clone)]
pub struct Spool {
    scratch_dir: PathBuf,
    budget: Arc<Semaphore>,
    budget_units: u32,
}

/// Space for one object within the budget; given back when dropped.
pub struct Room(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

impl Spool {
    /// `budget_bytes` is for all objects that are fetched, waiting for the engine or in it.
    pub fn new(scratch_dir: PathBuf, budget_bytes: u64) -> Self {
        let budget_units = u32::try_from((budget_bytes / UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Self { scratch_dir, budget: Arc::new(Semaphore::new(budget_units as usize)), budget_units }
    }

    /// Waits until the budget has room for `size` bytes, first come, first served. What is larger than the budget takes
    /// all of it, so that it passes alone.
    pub async fn room(&self, size: u64) -> Room {
        let units = u32::try_from(size.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX).min(self.budget_units);
        let permit = Arc::clone(&self.budget).acquire_many_owned(units).await;
        Room(permit.expect("the budget is never closed"))
    }

    /// An empty place for an object of `size` bytes.
    pub fn place(&self, size: u64) -> std::io::Result<Place> {
        if size <= MEMORY_BYTES {
            let memory = rustix::fs::memfd_create("object", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
            return Ok(Place::Memory(File::from(memory)));
        }
        Ok(Place::Disk(tokio::fs::File::from_std(tempfile::tempfile_in(&self.scratch_dir)?)))
    }
}

/// An object while it is written.
pub enum Place {
    Memory(File),
    Disk(tokio::fs::File),
}

impl Place {
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            // a copy in memory: no thread is worth it
            Self::Memory(file) => file.write_all(bytes),
            Self::Disk(file) => file.write_all(bytes).await,
        }
    }

    /// The whole object, no longer to be changed through this descriptor, positioned at its start.
    pub async fn finish(self) -> std::io::Result<OwnedFd> {
        match self {
            Self::Memory(mut file) => {
                file.rewind()?;
                let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
                rustix::fs::fcntl_add_seals(&file, seals)?;
                Ok(file.into())
            }
            Self::Disk(mut file) => {
                file.flush().await?;
                let file = file.into_std().await;
                // the file has no name: this is the way to a second, read-only descriptor of it
                let read_only = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
                Ok(read_only.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn spooled(size: u64) -> File {
        let spool = Spool::new(std::env::temp_dir(), 1 << 20);
        let mut place = spool.place(size).expect("a place");
        place.write(b"some ").await.expect("written");
        place.write(b"bytes").await.expect("written");
        File::from(place.finish().await.expect("finished"))
    }

    #[tokio::test]
    async fn both_places_read_back_and_can_not_be_written_any_more() {
        for size in [10, MEMORY_BYTES + 1] {
            let mut file = spooled(size).await;
            let mut text = String::new();
            file.read_to_string(&mut text).expect("readable");
            assert_eq!(text, "some bytes");
            assert!(file.write(b"x").is_err(), "{size}");
            assert!(file.set_len(0).is_err(), "{size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_above_the_budget_takes_all_of_it_and_passes_alone() {
        let spool = Spool::new(std::env::temp_dir(), 10 * 1024);
        let large = spool.room(u64::MAX).await;
        let second = tokio::time::timeout(std::time::Duration::from_secs(1), spool.room(0)).await;
        assert!(second.is_err(), "there is no room beside it");
        drop(large);
        spool.room(10 * 1024).await;
    }

    #[test]
    fn a_scratch_directory_that_is_not_there_is_an_error() {
        let spool = Spool::new("/nonexistent/scratch".into(), 1);
        assert!(spool.place(MEMORY_BYTES + 1).is_err());
    }
}
