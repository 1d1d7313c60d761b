//! One packed stream, or all that follow one another, as one.

use super::engine::{Engine, Unpacker};
use super::{gzip, zstd};
use crate::cursor::{Cursor, ReadError};
use crate::source::Section;
use crate::unread::Fault;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all; the section is the content.
    Stored,
    Deflate,
    Deflate64,
    /// As in a zip; the size if there is no end marker.
    Lzma(Option<u64>),
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// Whether one stream is read, or all to the section's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    One,
    All,
}

pub(crate) struct Stream<'a> {
    cursor: Cursor<'a>,
    packing: Packing,
    extent: Extent,
    current: Current,
}

enum Current {
    Stored,
    Plain(Unpacker),
    Gzip(Box<gzip::Member>),
    Zstd(zstd::Frame),
    Ended,
}

impl<'a> Stream<'a> {
    /// Begins at `start` of the section.
    pub(crate) fn open(section: Section<'a>, start: u64, packing: Packing, extent: Extent) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(section, start);
        let current = if packing == Packing::Zstd && extent == Extent::All {
            // It may begin with a frame that is skipped.
            next(&mut cursor, packing, true)?
        } else {
            begin(&mut cursor, packing)?
        };
        Ok(Self { cursor, packing, extent, current })
    }

    /// The name in the header; empty if there is none.
    pub(crate) fn name(&self) -> &[u8] {
        match &self.current {
            Current::Gzip(member) => &member.name,
            _ => &[],
        }
    }

    /// Where in the section the next byte lies that is not unpacked yet.
    pub(crate) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Reads on; 0 only at the end, when all that could be checked was right.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<usize, ReadError> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            let count = match &mut self.current {
                Current::Stored => {
                    let input = self.cursor.fill()?;
                    let count = input.len().min(output.len());
                    output[..count].copy_from_slice(&input[..count]);
                    self.cursor.consume(count);
                    count
                }
                Current::Plain(unpacker) => unpacker.read(&mut self.cursor, output)?,
                Current::Gzip(member) => member.read(&mut self.cursor, output)?,
                Current::Zstd(frame) => frame.read(&mut self.cursor, output)?,
                Current::Ended => return Ok(0),
            };
            if count > 0 {
                return Ok(count);
            }
            self.current = Current::Ended;
            if self.extent == Extent::All {
                self.current = next(&mut self.cursor, self.packing, false)?;
            }
        }
    }
}

fn begin(cursor: &mut Cursor<'_>, packing: Packing) -> Result<Current, ReadError> {
    Ok(match packing {
        Packing::Stored => Current::Stored,
        Packing::Deflate => Current::Plain(Unpacker::new(Engine::deflate())),
        Packing::Deflate64 => Current::Plain(Unpacker::new(Engine::deflate64())),
        Packing::Bzip2 => Current::Plain(Unpacker::new(Engine::bzip2())),
        Packing::Xz => Current::Plain(Unpacker::new(Engine::xz()?)),
        Packing::Lzma(bytes) => Current::Plain(Unpacker::new(Engine::lzma(cursor, bytes)?)),
        Packing::Gzip => Current::Gzip(Box::new(gzip::Member::open(cursor)?)),
        Packing::Zstd => Current::Zstd(zstd::Frame::open(cursor)?),
    })
}

/// Begins the stream that follows, if one does. What else follows is nobody's business for gzip and bzip2, whose tools pass over it
/// (it is scanned as it is); those of xz and zstd refuse it, but for zeros. Behind zeros, Python reads on in a gzip file.
fn next(cursor: &mut Cursor<'_>, packing: Packing, is_first: bool) -> Result<Current, ReadError> {
    match packing {
        Packing::Stored | Packing::Deflate | Packing::Deflate64 | Packing::Lzma(_) => Ok(Current::Ended),
        Packing::Gzip => {
            skip_zeros(cursor)?;
            let (bytes, count) = cursor.peek::<4>()?;
            if gzip::is_gzip(&bytes[..count]) { begin(cursor, packing) } else { Ok(Current::Ended) }
        }
        Packing::Bzip2 => {
            skip_zeros(cursor)?;
            let (bytes, count) = cursor.peek::<4>()?;
            let is_bzip2 = matches!(bytes[..count], [b'B', b'Z', b'h', b'1'..=b'9']);
            if is_bzip2 { begin(cursor, packing) } else { Ok(Current::Ended) }
        }
        Packing::Xz => match skip_zeros(cursor)? {
            false => Ok(Current::Ended),
            true => match cursor.peek::<6>()? {
                (bytes, 6) if &bytes == b"\xfd7zXZ\0" => begin(cursor, packing),
                (bytes, count) if b"\xfd7zXZ\0".starts_with(&bytes[..count]) => Err(Fault::Truncated.into()),
                _ => Err(Fault::Trailing.into()),
            },
        },
        Packing::Zstd => loop {
            if !is_first && !skip_zeros(cursor)? {
                return Ok(Current::Ended);
            }
            let (bytes, count) = cursor.peek::<4>()?;
            let magic = u32::from_le_bytes(bytes);
            if count == 0 {
                return Ok(Current::Ended);
            } else if count < 4 {
                return Err(Fault::Truncated.into());
            } else if zstd::is_skippable(magic) {
                cursor.array::<4>()?;
                let skipped = u64::from(u32::from_le_bytes(cursor.array()?));
                skip(cursor, skipped)?;
            } else if zstd::is_legacy(magic) {
                return Err(Fault::Method(20).into());
            } else if magic == zstd::FRAME {
                return begin(cursor, packing);
            } else {
                return Err(if is_first { Fault::BadHeader } else { Fault::Trailing }.into());
            }
        },
    }
}

fn skip(cursor: &mut Cursor<'_>, bytes: u64) -> Result<(), ReadError> {
    if bytes > 0 {
        // The last one must be there.
        cursor.seek(cursor.position() + bytes - 1);
        cursor.array::<1>()?;
    }
    Ok(())
}

/// Skips zeros; whether anything else follows them.
fn skip_zeros(cursor: &mut Cursor<'_>) -> Result<bool, ReadError> {
    loop {
        let bytes = cursor.fill()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_other) = (bytes.is_empty(), zeros < bytes.len());
        cursor.consume(zeros);
        if is_end || is_other {
            return Ok(is_other);
        }
    }
}
