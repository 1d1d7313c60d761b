//! How much is read at most, and what was read so far.

use std::cell::Cell;

use crate::unread::Fault;

/// Below this, any ratio is taken: a few hundred megabytes are scanned in seconds, and small files of zeros are no attack.
pub const RATIO_FREE_BYTES: u64 = 256 << 20;

/// Bytes that a decoder may remember of what it unpacked. `xz -9` and `zstd --ultra -21` need that much; above it are only
/// `zstd --long` and `--ultra -22`, and xz files with a size set by hand.
pub const MAX_DICTIONARY_BYTES: u64 = 64 << 20;

/// Limits of one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Members of all containers together, folders and links included.
    pub max_members: u64,
    /// Containers within one another.
    pub max_depth: u32,
    /// Bytes that one member unpacks to. One that is stored as it is costs nothing, so it is handed over whatever its size.
    pub max_member_bytes: u64,
    /// Bytes that all members together unpack to.
    pub max_unpacked_bytes: u64,
    /// Bytes that are unpacked for each byte of the file, once more than [`RATIO_FREE_BYTES`] were.
    pub max_expansion_ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_members: 1_000_000,
            max_depth: 32,
            max_member_bytes: (2 << 30) - 3, // what libclamav takes at most
            max_unpacked_bytes: 16 << 30,
            max_expansion_ratio: 1_000,
        }
    }
}

/// What is left of the limits of one scan, shared by all its containers.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    file_bytes: u64,
    members: Cell<u64>,
    unpacked_bytes: Cell<u64>,
    depth: Cell<u32>,
}

impl Budget {
    /// For a file of `file_bytes`.
    pub fn new(limits: Limits, file_bytes: u64) -> Self {
        let zero = Cell::new(0);
        Self { limits, file_bytes, members: zero.clone(), unpacked_bytes: zero, depth: Cell::new(0) }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Members so far.
    pub fn members(&self) -> u64 {
        self.members.get()
    }

    /// Bytes that were unpacked so far.
    pub fn unpacked_bytes(&self) -> u64 {
        self.unpacked_bytes.get()
    }

    /// Counts one member more.
    pub(crate) fn take_member(&self) -> Result<(), Fault> {
        if self.members.get() >= self.limits.max_members {
            return Err(Fault::TooManyMembers);
        }
        self.members.set(self.members.get() + 1);
        Ok(())
    }

    /// How many bytes a member that has unpacked to `member_bytes` may unpack to beyond that.
    pub(crate) fn unpackable_bytes(&self, member_bytes: u64) -> Result<u64, Fault> {
        let unpacked = self.unpacked_bytes.get();
        let by_ratio = self.file_bytes.saturating_mul(self.limits.max_expansion_ratio).max(RATIO_FREE_BYTES);
        [
            (self.limits.max_member_bytes.saturating_sub(member_bytes), Fault::MemberTooLarge),
            (self.limits.max_unpacked_bytes.saturating_sub(unpacked), Fault::TooMuchUnpacked),
            (by_ratio.saturating_sub(unpacked), Fault::ExpansionRatio),
        ]
        .into_iter()
        .min_by_key(|(bytes, _)| *bytes)
        .map_or(Ok(0), |(bytes, fault)| if bytes == 0 { Err(fault) } else { Ok(bytes) })
    }

    pub(crate) fn unpacked(&self, bytes: usize) {
        self.unpacked_bytes.set(self.unpacked_bytes.get().saturating_add(bytes as u64));
    }

    /// Goes into a container; out of it when what is returned is dropped.
    pub(crate) fn enter(&self) -> Result<Entered<'_>, Fault> {
        if self.depth.get() >= self.limits.max_depth {
            return Err(Fault::TooDeep);
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Entered(self))
    }
}

/// Within a container.
pub(crate) struct Entered<'budget>(&'budget Budget);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}
