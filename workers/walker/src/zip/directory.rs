//! The directory's entries, one by one.

use super::end::Directory;
use super::fields::{u16_at, u32_at, widen};
use super::packing;
use crate::cursor::{Cursor, ReadError};
use crate::source::Section;
use crate::unpack::Packing;
use crate::unread::Fault;

pub(super) const MAGIC: &[u8; 4] = b"PK\x01\x02";
const SIGNATURE_MAGIC: &[u8] = b"PK\x05\x05";

pub(super) const FLAG_ENCRYPTED: u16 = 1;
pub(super) const FLAG_LZMA_END_MARK: u16 = 1 << 1;
const FLAG_MASKED: u16 = 1 << 13;
const METHOD_AES: u16 = 99;

/// What the directory says of a member.
#[derive(Debug, Default, Clone)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    extra: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed_bytes: u64,
    pub(super) unpacked_bytes: u64,
    /// Where its header lies in the section.
    pub(super) offset: u64,
}

impl Entry {
    pub(super) fn is_encrypted(&self) -> bool {
        is_encrypted(self.flags, self.method)
    }

    pub(super) fn packing(&self) -> Result<Packing, Fault> {
        packing(self.method, self.flags & FLAG_LZMA_END_MARK != 0, self.unpacked_bytes)
    }
}

pub(super) fn is_encrypted(flags: u16, method: u16) -> bool {
    flags & (FLAG_ENCRYPTED | FLAG_MASKED) != 0 || method == METHOD_AES
}

pub(super) struct Entries<'a> {
    cursor: Cursor<'a>,
    end: u64,
    base: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn new(section: Section<'a>, directory: &Directory) -> Self {
        let cursor = Cursor::new(section.part(0, directory.end), directory.start);
        Self { cursor, end: directory.end, base: directory.base }
    }

    /// Reads the next entry; false at the end.
    pub(super) fn next(&mut self, entry: &mut Entry) -> Result<bool, ReadError> {
        if self.cursor.position() >= self.end || self.cursor.peek::<4>()?.0.starts_with(SIGNATURE_MAGIC) {
            return Ok(false);
        }
        let record = self.cursor.array::<46>().map_err(damaged)?;
        if !record.starts_with(MAGIC) {
            return Err(Fault::BadDirectory.into());
        }
        take_text(&mut self.cursor, u16_at(&record, 28), &mut entry.name).map_err(damaged)?;
        take_text(&mut self.cursor, u16_at(&record, 30), &mut entry.extra).map_err(damaged)?;
        let next = self.cursor.position() + u64::from(u16_at(&record, 32));
        if next > self.end {
            return Err(Fault::BadDirectory.into());
        }
        self.cursor.seek(next);

        entry.flags = u16_at(&record, 8);
        entry.method = u16_at(&record, 10);
        entry.crc = u32_at(&record, 16);
        let numbers = [u32_at(&record, 24), u32_at(&record, 20), u32_at(&record, 42)];
        let [unpacked_bytes, packed_bytes, offset] = widen(numbers, &entry.extra);
        entry.packed_bytes = packed_bytes;
        entry.unpacked_bytes = unpacked_bytes;
        entry.offset = self.base.saturating_add(offset);
        Ok(true)
    }
}

/// An entry that does not fit in the directory is as bad as one that is none.
fn damaged(error: ReadError) -> ReadError {
    match error {
        ReadError::Fault(_) => ReadError::Fault(Fault::BadDirectory),
        failed @ ReadError::Source(_) => failed,
    }
}

/// Fills `text` with the next `count` bytes.
fn take_text(cursor: &mut Cursor<'_>, count: u16, text: &mut Vec<u8>) -> Result<(), ReadError> {
    text.clear();
    while text.len() < usize::from(count) {
        let bytes = cursor.fill()?;
        if bytes.is_empty() {
            return Err(Fault::Truncated.into());
        }
        let taken = bytes.len().min(usize::from(count) - text.len());
        text.extend_from_slice(&bytes[..taken]);
        cursor.consume(taken);
    }
    Ok(())
}
