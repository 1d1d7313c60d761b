//! Which container it is.

use std::io;

use crate::source::{Section, Source};
use crate::unpack::{gzip, zstd};
use crate::{ar, tar, zip};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Zip,
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    /// Unix's, of which packages of Debian are made.
    Ar,
}

/// What follows the `BZh1` to `BZh9` of bzip2: a block, or the end where there is none.
const BZIP2_NEXT: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];

/// Frames that zstd skips, before one that it does not: each takes a read. Behind more of them, the walk sees what it is.
const MAX_SKIPPED_FRAMES: usize = 100_000;

/// The kind by the first bytes: magic numbers, or the checksum of a tar's header. A zip may have anything before it (a program that
/// unpacks it), and is then known by its end record.
///
/// # Errors
/// If the source fails.
pub fn detect(content: &dyn Source) -> io::Result<Option<Kind>> {
    let section = Section::whole(content);
    let mut start = [0; 512];
    let count = section.fill_at(&mut start, 0)?;
    let start = &start[..count];
    Ok(if zip::begins(start) {
        Some(Kind::Zip)
    } else if start.len() >= 4 && gzip::is_gzip(start) || gzip::is_odd_gzip(section)? {
        Some(Kind::Gzip)
    } else if is_bzip2(start) {
        Some(Kind::Bzip2)
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Some(Kind::Xz)
    } else if ar::begins(start) {
        Some(Kind::Ar)
    } else if is_zstd(&section)? {
        Some(Kind::Zstd)
    } else if tar::begins(start) {
        Some(Kind::Tar)
    } else if zip::ends(&section)? {
        Some(Kind::Zip)
    } else {
        None
    })
}

fn is_bzip2(start: &[u8]) -> bool {
    let Some([b'B', b'Z', b'h', b'1'..=b'9', next @ ..]) = start.get(..start.len().min(10)) else { return false };
    BZIP2_NEXT.iter().any(|magic| magic.starts_with(next))
}

fn is_zstd(section: &Section<'_>) -> io::Result<bool> {
    Ok(magic_behind_skipped(section)?
        .is_some_and(|magic| magic == zstd::FRAME || zstd::is_legacy(magic) || zstd::is_skippable(magic)))
}

/// The first four bytes behind the frames that zstd skips, if there are any; one more such frame after [`MAX_SKIPPED_FRAMES`].
pub(crate) fn magic_behind_skipped(section: &Section<'_>) -> io::Result<Option<u32>> {
    let mut position: u64 = 0;
    for skipped in 0.. {
        let mut header = [[0; 4]; 2];
        let count = section.fill_at(header.as_flattened_mut(), position)?;
        let [magic, bytes] = header.map(u32::from_le_bytes);
        if !zstd::is_skippable(magic) || skipped == MAX_SKIPPED_FRAMES {
            return Ok((count >= 4).then_some(magic));
        }
        if count < 8 {
            break;
        }
        position += 8 + u64::from(bytes);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content: &[u8]) -> Option<Kind> {
        detect(&content).expect("in memory")
    }

    #[test]
    fn magic_numbers_are_known() {
        assert_eq!(kind(b"PK\x03\x04"), Some(Kind::Zip));
        assert_eq!(kind(b"\x1f\x8b\x08\0"), Some(Kind::Gzip));
        assert_eq!(kind(b"BZh91AY&SY"), Some(Kind::Bzip2));
        assert_eq!(kind(b"\xfd7zXZ\0"), Some(Kind::Xz));
        assert_eq!(kind(b"\x28\xb5\x2f\xfd"), Some(Kind::Zstd));
        assert_eq!(kind(b"!<arch>\n"), Some(Kind::Ar));
        assert_eq!(kind(b"\x50\x2a\x4d\x18\x02\0\0\0xy\x28\xb5\x2f\xfd"), Some(Kind::Zstd));
    }

    #[test]
    fn text_and_other_things_are_no_container() {
        for content in [
            &b""[..],
            b"P",
            b"PK",
            b"!<thin>\n",
            b"BZh9 is a text",
            b"\x1f\x8b\x08\xff",
            b"\x50\x2a\x4d\x18",
            &[0; 4096],
        ] {
            assert_eq!(kind(content), None, "{content:x?}");
        }
    }
}
