//! Members in bytes that belong to none: all of them where there is no directory.

use std::io;
use std::ops::Range;

use super::fields::{u32_at, u64_at};
use super::header::{self, LocalHeader};
use super::{Expected, member};
use crate::cursor::Cursor;
use crate::source::{Section, Source};
use crate::unpack::stream::Extent;
use crate::unpack::{Packing, Stream};
use crate::unread::Fault;
use crate::walk::{Unpacked, WalkError, Walker, fault};

const DESCRIPTOR_MAGIC: &[u8] = b"PK\x07\x08";
const ENTRY_MAGIC: &[u8] = b"PK\x01\x02";

/// How often bytes of a gap are looked through again, because a member in them turned out to be damaged, and so may not have been one.
const MAX_PASSES: u64 = 4;

/// Whether anything in the content looks like a member of a zip, wherever it lies; also if it has so many broken headers with long
/// names that a look at all of them would take too long, as nothing ordinary has.
///
/// # Errors
/// If the source fails.
pub fn has_zip_member(content: &dyn Source) -> io::Result<bool> {
    let section = Section::whole(content);
    let mut cursor = Cursor::new(section, 0);
    let mut found = LocalHeader::default();
    let mut name_bytes = section.len().saturating_mul(MAX_PASSES).max(1 << 20);
    while let Some(start) = find(&mut cursor, section.len())? {
        cursor.seek(start + 1);
        match found.read(&section, start, section.len()) {
            Ok(()) if !found.name.is_empty() && found.is_plausible(section.len()) => return Ok(true),
            Ok(()) => match name_bytes.checked_sub(found.data - start) {
                Some(left) => name_bytes = left,
                None => return Ok(true),
            },
            Err(error) => drop(fault(error)?),
        }
    }
    Ok(false)
}

/// Hands over the members in a gap, each reported as `unlisted` if that is what they are.
pub(super) fn members(
    section: Section<'_>,
    gap: Range<u64>,
    unlisted: Option<Fault>,
    walker: &mut Walker<'_>,
) -> Result<(), WalkError> {
    // Before the first member there may be a program, whose code knows a header's first bytes.
    let is_prefix = unlisted.is_some() && gap.start == 0;
    let mut again_bytes = (gap.end - gap.start).saturating_mul(MAX_PASSES);
    let mut cursor = Cursor::new(section, gap.start);
    let mut found = LocalHeader::default();
    while let Some(start) = find(&mut cursor, gap.end)? {
        cursor.seek(start + 1);
        match found.read(&section, start, gap.end) {
            Ok(()) if !found.name.is_empty() && (!is_prefix || found.is_plausible(gap.end)) => {}
            Ok(()) => continue,
            Err(error) => {
                if fault(error)? == Fault::Truncated && !is_prefix {
                    walker.report(None, Fault::Truncated)?;
                }
                continue;
            }
        }
        if let Err(fault) = walker.budget.take_member() {
            return walker.report(None, fault);
        }
        if let Some(fault) = unlisted {
            walker.report(Some(&found.name), fault)?;
        }
        let (end, problem) = recovered(section, gap.end, &found, walker)?;
        if let Some(fault) = problem {
            walker.report(Some(&found.name), fault)?;
        }
        let taken = end.saturating_sub(found.data);
        if problem.is_none() || taken > again_bytes {
            cursor.seek(end);
        } else {
            again_bytes -= taken;
            cursor.seek(found.data);
        }
    }
    Ok(())
}

/// Hands over one member; where it ends, and what is wrong with it.
fn recovered(
    section: Section<'_>,
    gap_end: u64,
    found: &LocalHeader,
    walker: &mut Walker<'_>,
) -> Result<(u64, Option<Fault>), WalkError> {
    if !found.is_open_ended() {
        let end = found.data.saturating_add(found.packed_bytes);
        let (taken, is_cut) = (end.min(gap_end), end > gap_end);
        if found.is_encrypted() {
            return Ok((taken, Some(Fault::Encrypted)));
        }
        let expected = (!is_cut).then_some(Expected { bytes: found.unpacked_bytes, crc: found.crc });
        let problem = member(&found.name, section.part(found.data, taken), found.packing(), expected, walker)?;
        return Ok((taken, if is_cut { Some(Fault::Truncated) } else { problem }));
    }
    match found.packing() {
        _ if found.is_encrypted() => Ok((found.data, Some(Fault::Encrypted))),
        Err(fault) => Ok((found.data, Some(fault))),
        Ok(Packing::Stored) => stored(section, gap_end, found, walker),
        Ok(packing) => {
            let stream = match Stream::open(section.part(0, gap_end), found.data, packing, Extent::One) {
                Ok(stream) => stream,
                Err(error) => return Ok((found.data, Some(fault(error)?))),
            };
            let unpacked = walker.packed(&found.name, stream)?;
            let problem = match unpacked.fault {
                None => check_descriptor(&section.part(0, gap_end), &unpacked)?,
                fault => fault,
            };
            Ok((unpacked.position, problem))
        }
    }
}

/// A member that lies there as it is, and says only behind it how long it is: to where a descriptor says just that, or else to the
/// next header.
fn stored(
    section: Section<'_>,
    gap_end: u64,
    found: &LocalHeader,
    walker: &mut Walker<'_>,
) -> Result<(u64, Option<Fault>), WalkError> {
    let mut cursor = Cursor::new(section.part(0, gap_end), found.data);
    let mut end = gap_end;
    let mut expected = None;
    while let Some(position) = next_mark(&mut cursor)? {
        let (bytes, _) = cursor.peek::<24>()?;
        let length = position - found.data;
        if bytes.starts_with(DESCRIPTOR_MAGIC) {
            let crc = u32_at(&bytes, 4);
            if u64::from(u32_at(&bytes, 8)) == length || u64_at(&bytes, 8) == length {
                (end, expected) = (position, Some(Expected { bytes: length, crc }));
                break;
            }
        } else if bytes.starts_with(header::MAGIC) || bytes.starts_with(ENTRY_MAGIC) {
            end = position;
            break;
        }
        cursor.consume(1);
    }
    let problem = member(&found.name, section.part(found.data, end), Ok(Packing::Stored), expected, walker)?;
    Ok((end, if expected.is_none() { Some(Fault::Truncated) } else { problem }))
}

/// Compares with the descriptor that follows the data: its first four bytes may be missing, and its sizes have 4 bytes or 8.
fn check_descriptor(section: &Section<'_>, unpacked: &Unpacked) -> io::Result<Option<Fault>> {
    let (bytes, count) = Cursor::new(*section, unpacked.position).peek::<24>()?;
    let bytes = &bytes[..count];
    let mut fault = Fault::Truncated;
    for descriptor in [bytes.strip_prefix(DESCRIPTOR_MAGIC), Some(bytes)].into_iter().flatten() {
        if descriptor.len() < 12 {
            continue;
        }
        let crc = u32_at(descriptor, 0);
        let sizes = [u64::from(u32_at(descriptor, 8)), u64_at(descriptor, 12)];
        for bytes in sizes {
            match (Expected { bytes, crc }).differs_from(unpacked) {
                None => return Ok(None),
                Some(problem) if fault != Fault::BadChecksum => fault = problem,
                Some(_) => {}
            }
        }
    }
    Ok(Some(fault))
}

/// The next header before `end`, by its first bytes.
pub(super) fn find(cursor: &mut Cursor<'_>, end: u64) -> io::Result<Option<u64>> {
    while let Some(position) = next_mark(cursor)? {
        if position + 4 > end {
            return Ok(None);
        }
        if &cursor.peek::<4>()?.0 == header::MAGIC {
            return Ok(Some(position));
        }
        cursor.consume(1);
    }
    Ok(None)
}

/// The next `P`.
fn next_mark(cursor: &mut Cursor<'_>) -> io::Result<Option<u64>> {
    loop {
        let bytes = cursor.fill()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (skipped, is_found) =
            bytes.iter().position(|byte| *byte == b'P').map_or((bytes.len(), false), |at| (at, true));
        cursor.consume(skipped);
        if is_found {
            return Ok(Some(cursor.position()));
        }
    }
}
