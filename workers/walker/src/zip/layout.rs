//! Which bytes of a zip belong to members, and which to none.

use std::io;
use std::ops::Range;

use super::directory::{Entries, Entry};
use super::end::Directory;
use super::header::{self, LocalHeader};
use crate::limits::Budget;
use crate::source::{Section, Source};
use crate::unread::Fault;
use crate::walk::fault;

pub(super) struct Layout {
    /// Entries of the directory to take.
    pub(super) members: u64,
    pub(super) faults: Vec<Fault>,
    /// Bytes that belong to no member, and have room for one.
    pub(super) gaps: Vec<Range<u64>>,
}

/// Reads the whole directory. It takes 16 bytes of memory for each member that the limits allow.
pub(super) fn read(section: &Section<'_>, directory: &Directory, budget: &Budget) -> io::Result<Layout> {
    let mut layout = Layout { members: 0, faults: Vec::new(), gaps: Vec::new() };
    let mut spans = Vec::new();
    let mut entries = Entries::new(*section, directory);
    let mut entry = Entry::default();
    let mut found = LocalHeader::default();
    loop {
        match entries.next(&mut entry) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                layout.faults.push(fault(error)?);
                break;
            }
        }
        if let Err(fault) = budget.take_member() {
            // The members that are left would all look unlisted.
            layout.faults.push(fault);
            return Ok(layout);
        }
        layout.members += 1;
        match found.read(section, entry.offset, section.len()) {
            Ok(()) => spans.push(entry.offset..found.data.saturating_add(entry.packed_bytes)),
            // Told when it is taken.
            Err(error) => drop(fault(error)?),
        }
    }
    let counted = layout.members;
    let is_count_right = counted == directory.entries || !directory.is_zip64 && counted % 0x1_0000 == directory.entries;
    if !is_count_right && layout.faults.is_empty() {
        layout.faults.push(Fault::BadDirectory);
    }

    spans.push(directory.start..directory.archive_end);
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut position = 0;
    for span in spans {
        if span.start < position && !layout.faults.contains(&Fault::Overlap) {
            layout.faults.push(Fault::Overlap);
        }
        push_gap(&mut layout.gaps, position..span.start);
        position = position.max(span.end);
    }
    push_gap(&mut layout.gaps, position..section.len());
    Ok(layout)
}

fn push_gap(gaps: &mut Vec<Range<u64>>, gap: Range<u64>) {
    if gap.end.saturating_sub(gap.start) > header::BYTES {
        gaps.push(gap);
    }
}
