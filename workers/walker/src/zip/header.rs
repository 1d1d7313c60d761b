//! What stands before a member.

use super::directory::{Entry, FLAG_LZMA_END_MARK, is_encrypted};
use super::fields::{IN_ZIP64, u16_at, u32_at, widen};
use super::packing;
use crate::cursor::ReadError;
use crate::source::{Section, Source};
use crate::unpack::Packing;
use crate::unread::Fault;

pub(super) const MAGIC: &[u8; 4] = b"PK\x03\x04";
pub(super) const BYTES: u64 = 30;

/// Sizes and checksum follow the data, and are 0 here.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// Flags that no version of the format has given a meaning.
const UNKNOWN_FLAGS: u16 = 0b1100_0111_1000_0000;

/// The highest version that the format has had, in tenths.
const MAX_VERSION: u8 = 63;

#[derive(Debug, Default, Clone)]
pub(super) struct LocalHeader {
    pub(super) name: Vec<u8>,
    extra: Vec<u8>,
    version: u8,
    flags: u16,
    method: u16,
    date: u16,
    pub(super) crc: u32,
    /// As in the header's 32 bits, before zip64.
    short_bytes: [u32; 2],
    pub(super) packed_bytes: u64,
    pub(super) unpacked_bytes: u64,
    /// Where the data begins in the section.
    pub(super) data: u64,
}

impl LocalHeader {
    /// Reads the header at `offset`, which must end before `end`.
    pub(super) fn read(&mut self, section: &Section<'_>, offset: u64, end: u64) -> Result<(), ReadError> {
        let section = section.part(0, end);
        let record = section.array_at::<{ BYTES as usize }>(offset)?.ok_or(Fault::Truncated)?;
        if !record.starts_with(MAGIC) {
            return Err(Fault::BadHeader.into());
        }
        let name = offset + BYTES;
        let extra = name + u64::from(u16_at(&record, 26));
        self.data = extra + u64::from(u16_at(&record, 28));
        if self.data > section.len() {
            return Err(Fault::Truncated.into());
        }
        for (text, start, end) in [(&mut self.name, name, extra), (&mut self.extra, extra, self.data)] {
            text.resize(usize::try_from(end - start).unwrap_or_default(), 0);
            section.fill_at(text, start)?;
        }
        self.version = record[4];
        self.flags = u16_at(&record, 6);
        self.method = u16_at(&record, 8);
        self.date = u16_at(&record, 12);
        self.crc = u32_at(&record, 14);
        self.short_bytes = [u32_at(&record, 22), u32_at(&record, 18)];
        [self.unpacked_bytes, self.packed_bytes] = widen(self.short_bytes, &self.extra);
        Ok(())
    }

    pub(super) fn has_descriptor(&self) -> bool {
        self.flags & FLAG_DESCRIPTOR != 0
    }

    /// Whether the data's size is not told here.
    pub(super) fn is_open_ended(&self) -> bool {
        self.has_descriptor()
            && matches!(self.short_bytes[1], 0 | IN_ZIP64)
            && matches!(self.packed_bytes, 0 | 0xffff_ffff)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        is_encrypted(self.flags, self.method)
    }

    pub(super) fn packing(&self) -> Result<Packing, Fault> {
        let has_end_mark = self.flags & FLAG_LZMA_END_MARK != 0 || self.is_open_ended();
        packing(self.method, has_end_mark, self.unpacked_bytes)
    }

    /// What the directory says differently.
    pub(super) fn disagrees_with(&self, entry: &Entry) -> Option<&'static str> {
        // Told after the data, they may be left out here.
        let differs = |here: u64, there: u64, short: u32| {
            here != there && !(self.has_descriptor() && matches!(short, 0 | IN_ZIP64))
        };
        if self.name != entry.name {
            Some("name")
        } else if self.method != entry.method {
            Some("method")
        } else if self.is_encrypted() {
            Some("encryption")
        } else if differs(self.packed_bytes, entry.packed_bytes, self.short_bytes[1]) {
            Some("packed size")
        } else if differs(self.unpacked_bytes, entry.unpacked_bytes, self.short_bytes[0]) {
            Some("size")
        } else if differs(u64::from(self.crc), u64::from(entry.crc), self.crc) {
            Some("checksum")
        } else {
            None
        }
    }

    /// Whether it looks like a header, and not like four bytes of a program that writes or reads them.
    pub(super) fn is_plausible(&self, end: u64) -> bool {
        let (month, day) = (self.date >> 5 & 0xf, self.date & 0x1f);
        self.version <= MAX_VERSION
            && self.flags & UNKNOWN_FLAGS == 0
            && matches!(self.method, 0..=20 | 93..=99)
            && (self.date == 0 || (month <= 12 && day <= 31))
            && !self.name.iter().any(u8::is_ascii_control)
            && (self.is_open_ended() || self.data.saturating_add(self.packed_bytes) <= end)
    }
}
