//! Walks an ar archive: packages of Debian, and libraries for linkers.
//!
//! Its members lie in it as they are, at even places, each behind a header of 60 bytes of text. There is no checksum and no end mark.
//! A thin archive only names files that lie elsewhere, and has other first bytes.

use std::io;

use crate::source::{Section, Source};
use crate::unread::Fault;
use crate::walk::{WalkError, Walker};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;
const HEADER_END: &[u8] = b"`\n";

/// GNU's table of names that do not fit.
const NAMES: &[u8] = b"//";

/// Bytes of a name that are kept; more are not shown.
const KEPT_NAME_BYTES: usize = 4 << 10;

/// Whether an ar archive begins so.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

pub(crate) fn walk(section: Section<'_>, walker: &mut Walker<'_>) -> Result<(), WalkError> {
    let mut names = section.part(0, 0);
    let mut position = MAGIC.len() as u64;
    while position < section.len() {
        let Some(header) = section.array_at::<HEADER_BYTES>(position)? else {
            if section.is_zero_from(position)? {
                break;
            }
            walker.report(None, Fault::Truncated)?;
            return walker.stored(&[], section.part(position, section.len()));
        };
        let Some(bytes) = decimal(&header[48..58]).filter(|_| header.ends_with(HEADER_END)) else {
            walker.report(None, Fault::BadHeader)?;
            return walker.stored(&[], section.part(position, section.len()));
        };
        if let Err(fault) = walker.budget.take_member() {
            return walker.report(None, fault);
        }
        let data = position + HEADER_BYTES as u64;
        let end = data.saturating_add(bytes);
        let member = section.part(data, end);
        let short_name = header[..16].trim_ascii_end();
        if short_name == NAMES {
            names = member;
        }
        let (name, name_bytes) = name(short_name, &names, &member)?;
        let is_name_too_long = name_bytes > bytes;
        walker.stored(&name, if is_name_too_long { member } else { member.part(name_bytes, bytes) })?;
        if end > section.len() {
            return walker.report(Some(&name), Fault::Truncated);
        }
        if is_name_too_long {
            walker.report(Some(&name), Fault::BadHeader)?;
        }
        position = end + end % 2;
    }
    Ok(())
}

/// The whole name, and how many bytes of the data it takes; as it is short, if it leads nowhere.
fn name(short: &[u8], names: &Section<'_>, member: &Section<'_>) -> io::Result<(Vec<u8>, u64)> {
    if let Some(bytes) = short.strip_prefix(b"#1/").and_then(decimal) {
        // BSD: padded with zeros.
        let kept = usize::try_from(bytes.min(member.len())).unwrap_or(usize::MAX).min(KEPT_NAME_BYTES);
        return Ok((text(member, 0, kept, |byte| byte == 0)?, bytes));
    }
    if let Some(offset) = short.strip_prefix(b"/").and_then(decimal)
        && offset < names.len()
    {
        // GNU ends them by a slash and a new line, Microsoft by a zero.
        let long = text(names, offset, KEPT_NAME_BYTES, |byte| matches!(byte, b'\n' | 0))?;
        return Ok((long.strip_suffix(b"/").unwrap_or(&long).to_vec(), 0));
    }
    let is_table = short.starts_with(b"/");
    let name = short.strip_suffix(b"/").filter(|_| !is_table).unwrap_or(short);
    Ok((name.to_vec(), 0))
}

/// What lies at `offset`, up to the first byte that ends it.
fn text(section: &Section<'_>, offset: u64, most: usize, is_end: fn(u8) -> bool) -> io::Result<Vec<u8>> {
    let mut text = vec![0; most];
    let count = section.fill_at(&mut text, offset)?;
    text.truncate(count);
    let end = text.iter().position(|byte| is_end(*byte)).unwrap_or(count);
    text.truncate(end);
    Ok(text)
}

/// Digits with spaces behind, at least one.
fn decimal(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}
