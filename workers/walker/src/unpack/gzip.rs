//! What gzip puts around its data (RFC 1952): a header that may name the file, and a trailer with checksum and length.

use std::io;

use flate2::Crc;

use super::engine::{Engine, Unpacker};
use crate::cursor::{Cursor, ReadError};
use crate::source::Section;
use crate::unread::Fault;

/// Magic number and method: deflate is the only one there is.
const MAGIC: &[u8] = &[0x1f, 0x8b, 8];

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
/// Flags that no version of the format has.
const RESERVED_FLAGS: u8 = 0b1110_0000;

/// Bytes that must unpack where the header alone leaves it open; one may be all there is.
const PROBED_BYTES: usize = 512;

/// Bytes of a name that are kept; more are not shown.
const KEPT_NAME_BYTES: usize = 4 << 10;

/// Whether a member begins here.
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(MAGIC) && start.get(MAGIC.len()).is_none_or(|flags| flags & RESERVED_FLAGS == 0)
}

/// Whether a member begins with a flag that no version of the format has. Python and Go read it all the same, `gzip` refuses it. So
/// that text is none: the rest of the header is as writers leave it, or what follows does unpack.
pub(crate) fn is_odd_gzip(section: Section<'_>) -> io::Result<bool> {
    let Some([magic @ .., flags, _, _, _, _, level, system]) = section.array_at::<10>(0)? else { return Ok(false) };
    if magic != MAGIC || flags & RESERVED_FLAGS == 0 {
        return Ok(false);
    }
    if matches!(level, 0 | 2 | 4) && matches!(system, 0..=13 | 255) {
        return Ok(true);
    }
    let mut cursor = Cursor::new(section, 0);
    let mut probe = [0; PROBED_BYTES];
    let read = Member::open(&mut cursor).and_then(|mut member| member.unpacker.read(&mut cursor, &mut probe));
    match read {
        // Only the header's own checksum is wrong, which some readers pass over.
        Ok(_) | Err(ReadError::Fault(Fault::BadHeader)) => Ok(true),
        Err(ReadError::Fault(_)) => Ok(false),
        Err(ReadError::Source(error)) => Err(error),
    }
}

/// One member.
pub(crate) struct Member {
    /// The packed file's name; empty if there is none.
    pub(crate) name: Vec<u8>,
    unpacker: Unpacker,
    crc: Crc,
    is_odd: bool,
    ended: bool,
}

impl Member {
    /// Reads the header.
    pub(crate) fn open(cursor: &mut Cursor<'_>) -> Result<Self, ReadError> {
        let mut header = Header { cursor, crc: Crc::new() };
        let [magic @ .., flags, _, _, _, _, _, _] = header.array::<10>()?;
        if magic != MAGIC {
            return Err(Fault::BadHeader.into());
        }
        if flags & FLAG_EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(header.array()?) {
                header.array::<1>()?;
            }
        }
        let name = if flags & FLAG_NAME != 0 { header.text()? } else { Vec::new() };
        if flags & FLAG_COMMENT != 0 {
            header.text()?;
        }
        if flags & FLAG_HEADER_CRC != 0 {
            let expected = header.crc.sum().to_le_bytes();
            if header.array::<2>()? != expected[..2] {
                return Err(Fault::BadHeader.into());
            }
        }
        let is_odd = flags & RESERVED_FLAGS != 0;
        Ok(Self { name, unpacker: Unpacker::new(Engine::deflate()), crc: Crc::new(), is_odd, ended: false })
    }

    /// Reads on; 0 only at the member's end, when its header, checksum and length were right.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>, output: &mut [u8]) -> Result<usize, ReadError> {
        let count = self.unpacker.read(cursor, output)?;
        self.crc.update(&output[..count]);
        if count == 0 && !output.is_empty() && !self.ended {
            let [checksum, length] = [cursor.array()?, cursor.array()?].map(u32::from_le_bytes);
            if checksum != self.crc.sum() {
                return Err(Fault::BadChecksum.into());
            }
            if length != self.crc.amount() {
                return Err(Fault::WrongSize.into());
            }
            if self.is_odd {
                return Err(Fault::BadHeader.into());
            }
            self.ended = true;
        }
        Ok(count)
    }
}

struct Header<'cursor, 'a> {
    cursor: &'cursor mut Cursor<'a>,
    crc: Crc,
}

impl Header<'_, '_> {
    fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], ReadError> {
        let bytes = self.cursor.array()?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// Text to the next zero.
    fn text(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut text = Vec::new();
        loop {
            match self.array()? {
                [0] => return Ok(text),
                [byte] if text.len() < KEPT_NAME_BYTES => text.push(byte),
                [_] => {}
            }
        }
    }
}
