//! Walks a zip by its directory, and finds what the directory does not list.
//!
//! A zip says everything twice: a header stands before each member, and the directory at the end repeats it. Readers go by the one or
//! by the other, so what they disagree on can hide a member from one of them. The walk goes by the directory, compares both, and then
//! looks through all bytes that belong to no member for headers. With no directory that can be read, these are all there is.
//!
//! * [`end`]: the end record, which says where the directory lies.
//! * [`directory`]: its entries, one by one.
//! * [`header`]: what stands before a member.
//! * [`layout`]: which bytes belong to members, and which to none.
//! * [`recover`]: members in bytes that belong to none.

mod directory;
mod end;
mod fields;
mod header;
mod layout;
mod recover;

use self::directory::{Entries, Entry};
use self::header::LocalHeader;
use crate::cursor::Cursor;
use crate::source::{Section, Source};
use crate::unpack::stream::Extent;
use crate::unpack::{Packing, Stream};
use crate::unread::Fault;
use crate::walk::{Unpacked, WalkError, Walker, fault};

pub(crate) use self::end::ends;
pub use self::recover::has_zip_member;

/// Whether a zip begins so. Archives in parts, or of one part of what might have been more, have a mark before the first member.
pub(crate) fn begins(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"PK\x07\x08").or_else(|| start.strip_prefix(b"PK00")).unwrap_or(start);
    start.starts_with(header::MAGIC) || start.starts_with(end::MAGIC)
}

pub(crate) fn walk(section: Section<'_>, walker: &mut Walker<'_>) -> Result<(), WalkError> {
    let directory = match end::find(&section)? {
        Ok(directory) => directory,
        Err(fault) => {
            walker.report(None, fault)?;
            return recover::members(section, 0..section.len(), None, walker);
        }
    };
    let layout = layout::read(&section, &directory, walker.budget)?;
    if directory.is_cut {
        walker.report(None, Fault::Truncated)?;
    }
    for fault in &layout.faults {
        walker.report(None, *fault)?;
    }

    let mut entries = Entries::new(section, &directory);
    let mut entry = Entry::default();
    let mut found = LocalHeader::default();
    for _ in 0..layout.members {
        match entries.next(&mut entry) {
            Ok(true) => listed(section, &entry, &mut found, walker)?,
            Ok(false) => break,
            Err(error) => {
                fault(error)?; // told by the layout
                break;
            }
        }
    }

    // A damaged directory was told; that it does not list them is no news.
    let unlisted = layout.faults.is_empty().then_some(Fault::Unlisted);
    for gap in layout.gaps {
        let rest = section.part(gap.start, gap.end);
        let handed_over = walker.members();
        recover::members(section, gap, unlisted, walker)?;
        // Else it is the program in front of an archive that unpacks itself, a signature: nobody may look at it otherwise.
        if walker.members() == handed_over && !rest.is_zero_from(0)? {
            walker.stored(&[], rest)?;
        }
    }
    // The comment may hold another archive, which some readers would rather take.
    recover::members(section, directory.comment..directory.archive_end, Some(Fault::Unlisted), walker)
}

/// Takes a member that the directory lists.
fn listed(
    section: Section<'_>,
    entry: &Entry,
    found: &mut LocalHeader,
    walker: &mut Walker<'_>,
) -> Result<(), WalkError> {
    let name = entry.name.as_slice();
    if entry.is_encrypted() {
        return walker.report(Some(name), Fault::Encrypted);
    }
    if let Err(error) = found.read(&section, entry.offset, section.len()) {
        let fault = match fault(error)? {
            Fault::BadHeader => Fault::NotThere,
            other => other,
        };
        return walker.report(Some(name), fault);
    }
    if let Some(field) = found.disagrees_with(entry) {
        walker.report(Some(name), Fault::HeadersDisagree(field))?;
    }
    let end = found.data.saturating_add(entry.packed_bytes);
    let data = section.part(found.data, end);
    let expected = Expected { bytes: entry.unpacked_bytes, crc: entry.crc };
    let problem = member(name, data, entry.packing(), Some(expected), walker)?;
    if end > section.len() {
        return walker.report(Some(name), Fault::Truncated);
    }
    problem.map_or(Ok(()), |fault| walker.report(Some(name), fault))
}

/// What a member must turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    bytes: u64,
    crc: u32,
}

/// Hands over one member that is packed in `data`; what is wrong with it.
fn member(
    name: &[u8],
    data: Section<'_>,
    packing: Result<Packing, Fault>,
    expected: Option<Expected>,
    walker: &mut Walker<'_>,
) -> Result<Option<Fault>, WalkError> {
    let packing = match packing {
        Ok(packing) => packing,
        Err(fault) => {
            // As it is, some rules may still match.
            walker.stored(name, data)?;
            return Ok(Some(fault));
        }
    };
    if packing == Packing::Stored {
        walker.stored(name, data)?;
        let Some(expected) = expected else { return Ok(None) };
        if expected.bytes != data.len() {
            return Ok(Some(Fault::WrongSize));
        }
        return Ok((crc(data)? != expected.crc).then_some(Fault::BadChecksum));
    }
    let stream = match Stream::open(data, 0, packing, Extent::All) {
        Ok(stream) => stream,
        Err(error) => return Ok(Some(fault(error)?)),
    };
    let unpacked = walker.packed(name, stream)?;
    if unpacked.fault.is_some() {
        return Ok(unpacked.fault);
    }
    if let Some(fault) = expected.and_then(|expected| expected.differs_from(&unpacked)) {
        return Ok(Some(fault));
    }
    // Between a stream's end and its member's, anything may lie that the directory does not list.
    let is_hiding = recover::find(&mut Cursor::new(data, unpacked.position), data.len())?.is_some();
    Ok(is_hiding.then_some(Fault::Unlisted))
}

impl Expected {
    fn differs_from(self, unpacked: &Unpacked) -> Option<Fault> {
        if self.bytes != unpacked.bytes {
            Some(Fault::WrongSize)
        } else if self.crc != unpacked.crc {
            Some(Fault::BadChecksum)
        } else {
            None
        }
    }
}

fn crc(data: Section<'_>) -> std::io::Result<u32> {
    let mut cursor = Cursor::new(data, 0);
    let mut crc = flate2::Crc::new();
    loop {
        let bytes = cursor.fill()?;
        if bytes.is_empty() {
            return Ok(crc.sum());
        }
        crc.update(bytes);
        let count = bytes.len();
        cursor.consume(count);
    }
}

/// The decoder for a method of the format's list (APPNOTE 4.4.5).
fn packing(method: u16, has_end_mark: bool, unpacked_bytes: u64) -> Result<Packing, Fault> {
    match method {
        0 => Ok(Packing::Stored),
        8 => Ok(Packing::Deflate),
        9 => Ok(Packing::Deflate64),
        12 => Ok(Packing::Bzip2),
        14 => Ok(Packing::Lzma((!has_end_mark).then_some(unpacked_bytes))),
        20 | 93 => Ok(Packing::Zstd),
        95 => Ok(Packing::Xz),
        other => Err(Fault::Method(other)),
    }
}
