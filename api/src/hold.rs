//! Where files lie while they are scanned: memory for most, an unlinked file on the disk for the rest, and a budget for both.
//!
//! How long a file is shows at its end. It begins in memory, and moves to the disk when it has grown too large or when memory has run
//! out: whatever is sent, no more than the two budgets is held. The engine gets a descriptor that nobody writes to any more.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use lazaret_agent::Content;
use lazaret_agent::spool::{MEMORY_BYTES, Place, Spool};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Budgets are counted in these: less than a file of a few pages takes, more than the count of permits would bear in bytes.
const UNIT_BYTES: u64 = 16 << 10;
/// A file asks for its place in steps that grow with it, a quarter at a time, and at most by this.
const STEP_BYTES: u64 = 4 << 20;
/// Read at once on the way from memory to the disk, by as many files at a time as are sent: the file on the disk keeps a buffer of this size.
const CHUNK_BYTES: usize = 128 << 10;

/// Why a file has no place.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Both budgets are spent. Others before this one will be done soon.
    #[error("neither memory nor disk has room")]
    Full,
    #[error("a place for the file")]
    Io(#[from] std::io::Error),
}

/// Hands out places.
#[derive(Clone)]
pub struct Holds {
    spool: Spool,
    memory: Budget,
    disk: Budget,
    /// Files up to this lie in memory.
    memory_file_bytes: u64,
}

impl Holds {
    pub fn new(scratch_dir: PathBuf, memory_bytes: u64, disk_bytes: u64) -> Self {
        // its own budget is not used: it waits, where we refuse
        let spool = Spool::new(scratch_dir, u64::MAX);
        let (memory, disk) = (Budget::new(memory_bytes), Budget::new(disk_bytes));
        Self { spool, memory, disk, memory_file_bytes: MEMORY_BYTES }
    }

    /// Moves files to the disk from this size on, for tests.
    #[must_use]
    pub fn with_memory_files(self, memory_file_bytes: u64) -> Self {
        Self { memory_file_bytes, ..self }
    }

    /// A place for a file that is about to come.
    ///
    /// # Errors
    /// If neither memory nor disk has any.
    pub fn begin(&self) -> Result<Growing, HoldError> {
        let (place, share, on_disk) = match self.memory.take(0) {
            Some(share) => (self.spool.place(0)?, share, false),
            None => (self.spool.place(u64::MAX)?, self.disk.take(0).ok_or(HoldError::Full)?, true),
        };
        Ok(Growing { holds: self.clone(), place, share, on_disk, size: 0, digest: Sha256::new() })
    }

    /// A place for something of that size, where the agent's fetch will put it.
    ///
    /// # Errors
    /// If it has none.
    pub fn reserve(&self, size: u64) -> Result<Share, HoldError> {
        let budget = if size <= MEMORY_BYTES { &self.memory } else { &self.disk };
        budget.take(size).ok_or(HoldError::Full)
    }

    /// Its places are chosen by size, and counted by [`Self::reserve`].
    pub fn spool(&self) -> &Spool {
        &self.spool
    }
}

/// A file while it comes in.
pub struct Growing {
    holds: Holds,
    place: Place,
    share: Share,
    on_disk: bool,
    size: u64,
    digest: Sha256,
}

/// A file that is all here, and its place until it is dropped.
pub struct Held {
    pub content: Content,
    pub share: Share,
}

impl Growing {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// # Errors
    /// If there is no room for it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), HoldError> {
        self.make_room(self.size + bytes.len() as u64).await?;
        self.place.write(bytes).await?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// # Errors
    /// If the last of it can't be written.
    pub async fn finish(self) -> Result<Held, HoldError> {
        let Self { place, share, size, digest, .. } = self;
        let content = Content { file: place.finish().await?, size, sha256: digest.finalize().into() };
        Ok(Held { content, share })
    }

    async fn make_room(&mut self, needed: u64) -> Result<(), HoldError> {
        let fits_memory = needed <= self.holds.memory_file_bytes;
        if needed <= self.share.bytes() && (self.on_disk || fits_memory) {
            return Ok(());
        }
        let step = (needed / 4).clamp(UNIT_BYTES, STEP_BYTES);
        let least = needed.saturating_sub(self.share.bytes());
        let wanted = least + step;
        let budget = if self.on_disk { &self.holds.disk } else { &self.holds.memory };
        if (self.on_disk || fits_memory)
            && let Some(more) = budget.take(wanted).or_else(|| budget.take(least))
        {
            self.share.add(more);
            return Ok(());
        }
        if self.on_disk {
            return Err(HoldError::Full);
        }
        let disk = &self.holds.disk;
        let share = disk.take(needed + step).or_else(|| disk.take(needed)).ok_or(HoldError::Full)?;
        self.move_to_disk(share).await
    }

    async fn move_to_disk(&mut self, share: Share) -> Result<(), HoldError> {
        let disk = self.holds.spool.place(u64::MAX)?;
        let memory = std::mem::replace(&mut self.place, disk).finish().await?;
        copy(memory, &mut self.place).await?;
        self.share = share;
        self.on_disk = true;
        Ok(())
    }
}

async fn copy(from: OwnedFd, to: &mut Place) -> std::io::Result<()> {
    let mut from = File::from(from); // a memfd: to read it is a copy in memory
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        to.write(&chunk[..read]).await?;
    }
}

/// Bytes that may be held.
#[derive(Debug, Clone)]
struct Budget(Arc<Semaphore>);

impl Budget {
    fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// At least one unit: nothing is held for nothing.
    fn take(&self, bytes: u64) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok().map(Share)
    }
}

/// A part of a budget; given back when dropped.
#[derive(Debug)]
pub struct Share(OwnedSemaphorePermit);

impl Share {
    fn bytes(&self) -> u64 {
        self.0.num_permits() as u64 * UNIT_BYTES
    }

    fn add(&mut self, more: Self) {
        self.0.merge(more.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn holds(memory: u64, disk: u64) -> (Holds, tempfile::TempDir) {
        let scratch = tempfile::tempdir().expect("a directory");
        (Holds::new(scratch.path().to_owned(), memory, disk), scratch)
    }

    async fn hold(holds: &Holds, bytes: &[u8], chunk: usize) -> Result<(Held, bool), HoldError> {
        let mut growing = holds.begin()?;
        for chunk in bytes.chunks(chunk) {
            growing.write(chunk).await?;
        }
        let on_disk = growing.on_disk;
        Ok((growing.finish().await?, on_disk))
    }

    fn read(held: Held) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::from(held.content.file).read_to_end(&mut bytes).expect("readable");
        bytes
    }

    #[tokio::test]
    async fn a_file_reads_back_with_its_digest_wherever_it_lies() {
        let bytes: Vec<u8> = (0..3 * MIB + 7).map(|number| (number % 251) as u8).collect();
        for (memory_file_bytes, expected_on_disk) in [(u64::MAX, false), (MIB as u64, true), (0, true)] {
            let (holds, _scratch) = holds(64 << 20, 64 << 20);
            let holds = holds.with_memory_files(memory_file_bytes);
            for size in [0, 1, MIB + 1, bytes.len()] {
                let (held, on_disk) = hold(&holds, &bytes[..size], 70_000).await.expect("held");
                assert_eq!(on_disk, expected_on_disk && size as u64 > memory_file_bytes);
                assert_eq!(held.content.size, size as u64);
                assert_eq!(held.content.sha256, <[u8; 32]>::from(Sha256::digest(&bytes[..size])));
                assert_eq!(read(held), &bytes[..size]);
            }
        }
    }

    #[tokio::test]
    async fn what_has_no_place_in_memory_goes_to_the_disk_and_then_nowhere() {
        let (holds, scratch) = holds(2 << 20, 4 << 20);
        let bytes = vec![7; MIB];
        let mut all = Vec::new();
        let refused = loop {
            match hold(&holds, &bytes, 10_000).await {
                Ok(held) => all.push(held),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, HoldError::Full));
        let in_memory = all.iter().filter(|(_, on_disk)| !on_disk).count();
        assert!((1..=2).contains(&in_memory), "{in_memory}");
        assert!((3..=6).contains(&all.len()), "{}", all.len());
        assert_eq!(std::fs::read_dir(scratch.path()).expect("readable").count(), 0, "no file has a name");
        all.clear();
        assert!(hold(&holds, &bytes, 10_000).await.is_ok(), "places are given back");
    }

    #[tokio::test]
    async fn an_endless_file_ends_at_the_budget() {
        let (holds, _scratch) = holds(1 << 20, 8 << 20);
        let mut growing = holds.begin().expect("a place");
        let refused = loop {
            if let Err(error) = growing.write(&[1; 100_000]).await {
                break error;
            }
            assert!(growing.size() <= 8 << 20);
        };
        assert!(matches!(refused, HoldError::Full));
    }
}
