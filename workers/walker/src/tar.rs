//! Walks a tar: the old format, ustar, GNU's and pax.
//!
//! Its members lie in it as they are, each behind a header of 512 bytes with a checksum, and two blocks of zeros end it.

mod header;
mod pax;

use std::io;

use self::header::{BLOCK_BYTES, Header};
use self::pax::Extensions;
use crate::source::{Section, Source};
use crate::unread::Fault;
use crate::walk::{WalkError, Walker};

pub(crate) use self::header::begins;

/// Bytes of names and other extensions of one member; GNU tar refuses more too.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

pub(crate) fn walk(section: Section<'_>, walker: &mut Walker<'_>) -> Result<(), WalkError> {
    let mut position = 0;
    let mut extensions = Extensions::default();
    let mut has_ended = false;
    loop {
        let block = section.array_at::<BLOCK_BYTES>(position)?;
        match block.as_ref().map(Header::parse) {
            None if has_ended => return Ok(()),
            None => return walker.report(None, Fault::Truncated),
            Some(Ok(None)) => {
                has_ended = true;
                match after_end(&section, position, walker)? {
                    Some(next) => position = next,
                    None => return Ok(()),
                }
            }
            Some(Ok(Some(header))) => {
                if let Err(fault) = walker.budget.take_member() {
                    return walker.report(None, fault);
                }
                match entry(&section, position, &header, &mut extensions, walker)? {
                    Some(next) => position = next,
                    None => return Ok(()),
                }
            }
            Some(Err(fault)) => {
                walker.report(None, fault)?;
                extensions.clear_member();
                match next_header(&section, position + BLOCK_BYTES as u64)? {
                    Some(next) => position = next,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// Goes past the zeros at the end. Where there is a member behind them, most readers would not see it; anything else is what was on
/// the tape before.
fn after_end(section: &Section<'_>, position: u64, walker: &mut Walker<'_>) -> Result<Option<u64>, WalkError> {
    let Some(rest) = next_nonzero(section, position)? else { return Ok(None) };
    let is_header = matches!(section.array_at(rest)?.as_ref().map(Header::parse), Some(Ok(Some(_))));
    if is_header {
        walker.report(None, Fault::AfterEnd)?;
        return Ok(Some(rest));
    }
    walker.stored(&[], section.part(rest, section.len()))?;
    Ok(None)
}

/// The next block that is not all zeros.
fn next_nonzero(section: &Section<'_>, mut position: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 64 * BLOCK_BYTES];
    loop {
        let count = section.fill_at(&mut buffer, position)?;
        if let Some(index) = buffer[..count].iter().position(|byte| *byte != 0) {
            return Ok(Some(position + (index - index % BLOCK_BYTES) as u64));
        }
        if count == 0 {
            return Ok(None);
        }
        position += count as u64;
    }
}

/// The next block that is a header.
fn next_header(section: &Section<'_>, mut position: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 64 * BLOCK_BYTES];
    loop {
        let count = section.fill_at(&mut buffer, position)?;
        let (blocks, _) = buffer[..count].as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() {
            return Ok(None);
        }
        if let Some(index) = blocks.iter().position(|block| matches!(Header::parse(block), Ok(Some(_)))) {
            return Ok(Some(position + (index * BLOCK_BYTES) as u64));
        }
        position += (blocks.len() * BLOCK_BYTES) as u64;
    }
}

/// Takes one entry; where the next one begins, if it was not cut.
fn entry(
    section: &Section<'_>,
    position: u64,
    header: &Header<'_>,
    extensions: &mut Extensions,
    walker: &mut Walker<'_>,
) -> Result<Option<u64>, WalkError> {
    let mut data = position + BLOCK_BYTES as u64;
    if header.is_extension() {
        let end = data.saturating_add(header.bytes);
        if end > section.len() {
            walker.report(None, Fault::Truncated)?;
            return Ok(None);
        }
        if let Err(fault) = extension(section, data, header, extensions)? {
            walker.report(None, fault)?;
        }
        return Ok(Some(next_block(end)));
    }

    let name = extensions.name().map_or_else(|| header.name(), <[u8]>::to_vec);
    let mut bytes = extensions.bytes().unwrap_or(header.bytes);
    if header.has_no_data() && bytes > 0 && !is_data(section, data)? {
        bytes = 0;
    }
    let mut fault = extensions.is_sparse().then_some(Fault::Sparse);
    if header.is_sparse() {
        fault = Some(Fault::Sparse);
        let mut is_extended = header.sparse_map_goes_on();
        while is_extended {
            let Some(block) = section.array_at::<BLOCK_BYTES>(data)? else { break };
            is_extended = header::is_sparse_map_extended(&block);
            data += BLOCK_BYTES as u64;
        }
    } else if header.is_continued() {
        fault = Some(Fault::Split);
    }
    extensions.clear_member();

    let end = data.saturating_add(bytes);
    let is_cut = end > section.len();
    walker.stored(&name, section.part(data, end))?;
    if let Some(fault) = fault {
        walker.report(Some(&name), fault)?;
    }
    if is_cut {
        walker.report(Some(&name), Fault::Truncated)?;
        return Ok(None);
    }
    Ok(Some(next_block(end)))
}

/// Whether data follows a link or a folder that claims some, where readers differ: no, if what follows is a header or the end.
fn is_data(section: &Section<'_>, data: u64) -> io::Result<bool> {
    Ok(matches!(section.array_at(data)?.as_ref().map(Header::parse), Some(Err(_))))
}

fn extension(
    section: &Section<'_>,
    data: u64,
    header: &Header<'_>,
    extensions: &mut Extensions,
) -> io::Result<Result<(), Fault>> {
    if header.bytes > MAX_EXTENSION_BYTES {
        return Ok(Err(Fault::BadHeader));
    }
    let mut text = vec![0; usize::try_from(header.bytes).unwrap_or_default()];
    section.fill_at(&mut text, data)?;
    Ok(extensions.add(header.kind, &text))
}

fn next_block(end: u64) -> u64 {
    end.div_ceil(BLOCK_BYTES as u64).saturating_mul(BLOCK_BYTES as u64)
}
