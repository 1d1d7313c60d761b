//! The end record, which says where the directory lies, and its zip64 form.

use std::io;

use super::directory;
use super::fields::{u16_at, u32_at, u64_at};
use crate::source::{Section, Source};
use crate::unread::Fault;

pub(super) const MAGIC: &[u8] = b"PK\x05\x06";
const BYTES: usize = 22;

const LOCATOR_MAGIC: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;

const ZIP64_MAGIC: &[u8] = b"PK\x06\x06";
const ZIP64_BYTES: u64 = 56;

/// How far before the end a record may begin. A comment has at most 65,535 bytes, but something may follow it: `unzip` looks through
/// 66,000 bytes, in buffers of 8,192.
const SEARCHED_BYTES: u64 = 66_000 + 8_192;

/// Bytes of the directory that a member takes at least.
const ENTRY_BYTES: u64 = 46;

/// Where the directory lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Added to all offsets of the directory: what a program before the archive has.
    pub(super) base: u64,
    /// Members, if they are told: without zip64, some tools let the number run over.
    pub(super) entries: u64,
    pub(super) is_zip64: bool,
    /// Where the end record's comment begins, and where it ends.
    pub(super) comment: u64,
    pub(super) archive_end: u64,
    /// The comment should be longer than the file is.
    pub(super) is_cut: bool,
}

/// Whether it ends as a zip does: an end record with a directory where it says, or that of an archive in parts.
///
/// What follows the record does not matter, nor does the number of its members: Python's zipfile looks at neither. A program that only
/// knows the record's first bytes has no directory.
pub(crate) fn ends(section: &Section<'_>) -> io::Result<bool> {
    Ok(match find(section)? {
        Ok(directory) => directory.start < directory.end,
        Err(fault) => fault == Fault::Split,
    })
}

/// Finds the directory: by the last end record that leads to one, and rather by one whose comment ends where the file does.
pub(super) fn find(section: &Section<'_>) -> io::Result<Result<Directory, Fault>> {
    let mut tail = vec![0; usize::try_from(section.len().min(SEARCHED_BYTES)).unwrap_or_default()];
    let tail_start = section.len() - tail.len() as u64;
    section.fill_at(&mut tail, tail_start)?;

    let mut fault = Fault::NoDirectory;
    let mut inexact = None;
    let mut searched = tail.as_slice();
    while let Some(index) = searched.iter().rposition(|byte| *byte == MAGIC[0]) {
        searched = &tail[..index];
        let Some(record) = tail.get(index..index + BYTES).filter(|record| record.starts_with(MAGIC)) else { continue };
        let position = tail_start + index as u64;
        let is_exact = position + BYTES as u64 + u64::from(u16_at(record, 20)) == section.len();
        if !is_exact && inexact.is_some() {
            continue;
        }
        match directory(section, record, position)? {
            Ok(directory) if is_exact => return Ok(Ok(directory)),
            Ok(directory) => inexact = Some(directory),
            Err(problem) if fault != Fault::Split => fault = problem,
            Err(_) => {}
        }
    }
    Ok(inexact.ok_or(fault))
}

/// The directory that one end record leads to.
fn directory(section: &Section<'_>, record: &[u8], position: u64) -> io::Result<Result<Directory, Fault>> {
    let numbers = [u64::from(u16_at(record, 10)), u64::from(u32_at(record, 12)), u64::from(u32_at(record, 16))];
    let comment = position + BYTES as u64;
    let comment_end = comment + u64::from(u16_at(record, 20));
    let mut found = Directory {
        start: 0,
        end: position,
        base: 0,
        entries: 0,
        is_zip64: false,
        comment,
        archive_end: comment_end.min(section.len()),
        is_cut: comment_end > section.len(),
    };
    let [entries, bytes, offset] = match zip64(section, position)? {
        Some((record_position, numbers)) => {
            found.end = record_position;
            found.is_zip64 = true;
            numbers
        }
        // The number of this part, of the part with the directory, and the members in this one.
        None if u32_at(record, 4) != 0 || u16_at(record, 8) != u16_at(record, 10) => {
            let is_split = is_split(section, record, position)?;
            return Ok(Err(if is_split { Fault::Split } else { Fault::BadDirectory }));
        }
        None => numbers,
    };
    found.entries = entries;
    // Right before the end record, wherever the offset says that is; else, something may stand between them.
    let before_end = found.end.checked_sub(bytes);
    for (start, base) in [(before_end, before_end.and_then(|start| start.checked_sub(offset))), (Some(offset), Some(0))]
    {
        if let (Some(start), Some(base)) = (start, base)
            && start.checked_add(bytes).is_some_and(|end| end <= found.end)
            && (entries == 0 && bytes == 0 || section.array_at(start)?.as_ref() == Some(directory::MAGIC))
        {
            return Ok(Ok(Directory { start, end: start + bytes, base, ..found }));
        }
    }
    Ok(Err(Fault::BadDirectory))
}

/// Whether the record is that of an archive in parts, and not its first bytes in a program: by its directory, or else by all its
/// numbers, as the directory may begin in a part before.
fn is_split(section: &Section<'_>, record: &[u8], position: u64) -> io::Result<bool> {
    let bytes = u64::from(u32_at(record, 12));
    if let Some(start) = position.checked_sub(bytes)
        && section.array_at(start)?.as_ref() == Some(directory::MAGIC)
    {
        return Ok(true);
    }
    let [part, directory_part, entries_here, entries] = [4, 6, 8, 10].map(|at| u16_at(record, at));
    Ok(directory_part <= part
        && entries_here <= entries
        && entries > 0
        && bytes >= u64::from(entries) * ENTRY_BYTES
        && position + BYTES as u64 + u64::from(u16_at(record, 20)) == section.len())
}

/// The zip64 record that is told of right before the end record: where it is; the members, and bytes and offset of the directory.
fn zip64(section: &Section<'_>, end_position: u64) -> io::Result<Option<(u64, [u64; 3])>> {
    let Some(locator_position) = end_position.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let Some(locator) = section.array_at::<20>(locator_position)?.filter(|bytes| bytes.starts_with(LOCATOR_MAGIC))
    else {
        return Ok(None);
    };
    // Where it says; or right before, if something stands before the archive.
    for position in [Some(u64_at(&locator, 8)), locator_position.checked_sub(ZIP64_BYTES)].into_iter().flatten() {
        let record = section.part(0, locator_position).array_at::<{ ZIP64_BYTES as usize }>(position)?;
        if let Some(record) = record.filter(|record| record.starts_with(ZIP64_MAGIC)) {
            return Ok(Some((position, [u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48)])));
        }
    }
    Ok(None)
}
