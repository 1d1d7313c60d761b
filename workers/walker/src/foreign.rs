//! Packed formats and file systems that neither libclamav nor this crate reads: their content is not looked at, and that must be said.
//!
//! Only those with a mark that ordinary files do not have by chance.

use std::io;

use crate::kind;
use crate::source::{Section, Source};

/// How a format begins, and what it is called.
const MAGICS: &[(&[u8], &str)] = &[
    (b"\x04\x22\x4d\x18", "lz4"), // lz4 Frame Format Description, 1.6.4
    (b"\x02\x21\x4c\x18", "lz4"), // the same, "Legacy frame"
    (b"LZIP\0", "lzip"),          // lzip manual, "File format": version 0 was that of 2008
    (b"LZIP\x01", "lzip"),
    (b"LRZI\0", "lrzip"),              // lrzip, doc/magic.header.txt: major version 0
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),  // lzop 1.04, src/lzop.c, lzop_magic
    (b"\xed\xab\xee\xdb", "rpm"),      // rpm manual, "Package Format", the lead
    (b"MSWIM\0\0\0", "Windows image"), // Windows Imaging File Format, ImageTag
    (b"WLPWM\0\0\0", "Windows image"), // wimlib, include/wimlib/header.h, PWM_MAGIC
];

/// Bytes at the start that tell all but ext and lz4 behind other frames.
const START_BYTES: usize = 32;

/// Where the superblock of ext2, ext3 and ext4 begins.
const EXT_SUPERBLOCK: u64 = 1024;

/// The format's name, if it is one of those.
///
/// # Errors
/// If the source fails.
pub fn foreign(content: &dyn Source) -> io::Result<Option<&'static str>> {
    let section = Section::whole(content);
    let mut start = [0; START_BYTES];
    let count = section.fill_at(&mut start, 0)?;
    let start = &start[..count];
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Ok(Some(name));
    }
    Ok(if is_compress(start) {
        Some("compress")
    } else if is_squashfs(start) {
        Some("squashfs")
    } else if is_lzma(start) {
        Some("lzma")
    } else if kind::magic_behind_skipped(&section)? == Some(0x184d_2204) {
        Some("lz4") // lz4 and zstd skip the same frames
    } else if section.array_at(EXT_SUPERBLOCK)?.is_some_and(|block| is_ext(&block)) {
        Some("ext file system")
    } else {
        None
    })
}

/// ncompress, compress42.c: two bytes, the most bits of a code, two bits that are 0, and whether the table may be cleared. The first
/// code has 9 bits, and is a byte as it is.
fn is_compress(start: &[u8]) -> bool {
    let [0x1f, 0x9d, flags, _, high, ..] = start else { return false };
    flags & 0x60 == 0 && matches!(flags & 0x1f, 9..=16) && high & 1 == 0
}

/// Linux, `fs/squashfs/squashfs_fs.h`, `squashfs_super_block`: the major version at 28. Those before 4 had both orders of bytes.
fn is_squashfs(start: &[u8]) -> bool {
    let version = start.get(28..30);
    match start.first_chunk() {
        Some(b"hsqs") => version.is_some_and(|bytes| matches!(bytes, [1..=4, 0])),
        Some(b"sqsh") => version.is_some_and(|bytes| matches!(bytes, [0, 1..=4])),
        _ => false,
    }
}

/// `.lzma` has no mark. xz takes a file for one (`alone_decoder.c`, "picky") if its dictionary is a power of two or one and a half,
/// and it unpacks to less than 256 GiB or does not say; the first byte of a range coder's data is always 0. Here, the properties are
/// those that all writers use unless told otherwise, as some binary files begin with many zeros.
fn is_lzma(start: &[u8]) -> bool {
    let Some([0x5d, header @ .., 0]) = start.first_chunk::<14>() else { return false };
    let Some((dictionary, size)) = header.split_first_chunk::<4>() else { return false };
    let dictionary = u32::from_le_bytes(*dictionary);
    let highest = dictionary.checked_ilog2().unwrap_or_default();
    let below_highest = dictionary & !(1 << highest);
    let is_usual_dictionary =
        dictionary == u32::MAX || highest >= 12 && (below_highest == 0 || below_highest == 1 << (highest - 1));
    let size = size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
    is_usual_dictionary && (size == u64::MAX || (1..1 << 38).contains(&size))
}

/// Linux, `fs/ext4/ext4.h`, `ext4_super_block`: two bytes are too weak a mark, so its other numbers must make sense.
fn is_ext(block: &[u8; 96]) -> bool {
    let number = |at: usize| block[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let [inodes, blocks, log_block_bytes] = [0, 4, 24].map(number);
    let [blocks_per_group, inodes_per_group, revision] = [32, 40, 76].map(number);
    block[56..58] == [0x53, 0xef]
        && inodes > 0
        && blocks > 0
        && log_block_bytes <= 6 // 64 KiB
        && blocks_per_group > 0
        && inodes_per_group > 0
        && revision <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(content: &[u8]) -> Option<&'static str> {
        foreign(&content).expect("in memory")
    }

    /// What `xz --format=lzma` writes for a line, up to its first bytes of data.
    const LZMA: &[u8] = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x34\x19\x49";

    fn squashfs() -> Vec<u8> {
        [b"hsqs".as_slice(), &[7; 24], &[4, 0, 0, 0], &[1; 64]].concat()
    }

    fn ext() -> Vec<u8> {
        let mut content = vec![0; 4096];
        for (at, number) in [(0, 128), (4, 1024), (24, 2), (32, 8192), (40, 128), (76, 1_u32)] {
            content[1024 + at..1024 + at + 4].copy_from_slice(&number.to_le_bytes());
        }
        content[1080..1082].copy_from_slice(&[0x53, 0xef]);
        content
    }

    #[test]
    fn formats_that_nobody_reads_are_named() {
        for (content, expected) in [
            (&b"\x04\x22\x4d\x18\x64\x40\xa7"[..], "lz4"),
            (b"\x50\x2a\x4d\x18\x02\0\0\0xy\x04\x22\x4d\x18\x64\x40\xa7", "lz4"),
            (b"\x02\x21\x4c\x18", "lz4"),
            (b"LZIP\x01\x0c", "lzip"),
            (b"LRZI\0\x06", "lrzip"),
            (b"\x89LZO\0\r\n\x1a\n\x10", "lzop"),
            (b"\x1f\x9d\x90\x61\x14", "compress"),
            (b"\xed\xab\xee\xdb\x03", "rpm"),
            (b"MSWIM\0\0\0\xd0", "Windows image"),
            (&squashfs(), "squashfs"),
            (LZMA, "lzma"),
            (b"\x5d\0\0\xc0\0\x05\0\0\0\0\0\0\0\0\x34", "lzma"),
            (&ext(), "ext file system"),
        ] {
            assert_eq!(name(content), Some(expected), "{content:x?}");
        }
    }

    #[test]
    fn other_things_are_not() {
        let [mut version, mut log_block_bytes, mut inodes] = [squashfs(), ext(), ext()];
        version[28] = 9;
        log_block_bytes[1048] = 7;
        inodes[1024] = 0;
        for content in [
            &b""[..],
            b"LZIP is a format",
            b"LRZI",
            b"hsqs",
            b"]\0\0 some text",
            b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x5d\0\0\x81\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
            b"\x5d\0\0\x80\0\0\0\0\0\0\0\0\0\0",
            b"\x1f\x9d",
            b"\x1f\x9d\x70\x61\x14", // bits that are 0
            b"\x1f\x9d\x88\x61\x14", // too few bits
            b"\x1f\x9d\x90\x61\x15", // no byte
            b"\x28\xb5\x2f\xfd",
            &[0; 4096],
            &[0xff; 4096],
            &version,
            &log_block_bytes,
            &inodes,
        ] {
            assert_eq!(name(content), None, "{content:x?}");
        }
    }
}
