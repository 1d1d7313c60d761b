//! Writes archives: sound ones by the ordinary crates, and zips by hand, so that every field can be wrong.

use std::io::{Cursor, Write};

use bzip2::write::BzEncoder;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, GzBuilder};
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

pub const STORED: u16 = 0;
pub const DEFLATE: u16 = 8;
pub const DEFLATE64: u16 = 9;
pub const BZIP2: u16 = 12;
pub const LZMA: u16 = 14;
pub const ZSTD: u16 = 93;
pub const XZ: u16 = 95;

pub fn crc(content: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    crc.sum()
}

pub fn gzip(name: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut encoder: GzEncoder<Vec<u8>> = match name {
        Some(name) => GzBuilder::new().filename(name).write(Vec::new(), Compression::default()),
        None => GzEncoder::new(Vec::new(), Compression::default()),
    };
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub fn xz(content: &[u8]) -> Vec<u8> {
    xz_of_dictionary(content, 1 << 16)
}

pub fn xz_of_dictionary(content: &[u8], dictionary_bytes: u32) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(0).expect("a preset");
    options.dict_size(dictionary_bytes);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).expect("options");
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

/// A frame of blocks as they are, with the header's bytes after the magic number as given.
pub fn zstd_by_hand(header: &[u8], content: &[u8], checksum: &[u8]) -> Vec<u8> {
    let block = u32::try_from(content.len()).expect("short") << 3 | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd], header, &block.to_le_bytes()[..3], content, checksum].concat()
}

pub fn deflate(content: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

/// LZMA as zips have it: a version, the length of the properties, these, and data with an end mark.
fn lzma(content: &[u8]) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(0).expect("a preset");
    options.dict_size(1 << 16);
    let stream = Stream::new_lzma_encoder(&options).expect("options");
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content).expect("in memory");
    let alone = encoder.finish().expect("in memory");
    [&[9, 20, 5, 0], &alone[..5], &alone[13..]].concat()
}

fn pack(method: u16, content: &[u8]) -> Vec<u8> {
    match method {
        DEFLATE => deflate(content, Compression::default()),
        DEFLATE64 => deflate(content, Compression::none()), // blocks that are not packed are alike in both
        BZIP2 => bzip2(content),
        LZMA => lzma(content),
        ZSTD => zstd(content),
        XZ => xz(content),
        _ => content.to_vec(),
    }
}

pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

/// One header and its data, padded; the header's bytes can be changed before its checksum is set.
pub fn tar_member(name: &str, kind: u8, content: &[u8], change: impl Fn(&mut [u8; 512])) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[156] = kind;
    change(bytes);
    header.set_cksum();
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [header.as_bytes(), content, &padding].concat()
}

pub fn tar_end() -> Vec<u8> {
    vec![0; 1024]
}

/// A zip as the ordinary crate writes it.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(members, zip::write::SimpleFileOptions::default())
}

pub fn zip_with(members: &[(&str, &[u8])], options: zip::write::SimpleFileOptions) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, options).expect("in memory");
        writer.write_all(content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// A zip by hand.
#[derive(Clone)]
pub struct Zip {
    pub prefix: Vec<u8>,
    pub members: Vec<ZipMember>,
    pub comment: Vec<u8>,
    pub suffix: Vec<u8>,
    /// Added to all offsets: as tools write them that know of the prefix.
    pub base: u32,
}

/// A member, as it is written in both places.
#[derive(Clone)]
pub struct ZipMember {
    pub local: ZipFields,
    pub central: ZipFields,
    pub data: Vec<u8>,
    /// What follows the data.
    pub after: Vec<u8>,
    pub is_listed: bool,
}

#[derive(Clone)]
pub struct ZipFields {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub unpacked: u32,
    pub extra: Vec<u8>,
}

impl ZipMember {
    pub fn new(name: &str, method: u16, content: &[u8]) -> Self {
        let data = pack(method, content);
        let fields = ZipFields {
            name: name.as_bytes().to_vec(),
            flags: if method == LZMA { 1 << 1 } else { 0 },
            method,
            crc: crc(content),
            packed: u32::try_from(data.len()).expect("short"),
            unpacked: u32::try_from(content.len()).expect("short"),
            extra: Vec::new(),
        };
        Self { local: fields.clone(), central: fields, data, after: Vec::new(), is_listed: true }
    }

    /// Says its sizes behind its data only, as writers to a pipe do.
    #[must_use]
    pub fn streamed(mut self, with_magic: bool, is_wide: bool) -> Self {
        let ZipFields { crc, packed, unpacked, .. } = self.central;
        self.local = ZipFields { flags: self.local.flags | 1 << 3, crc: 0, packed: 0, unpacked: 0, ..self.local };
        self.central.flags = self.local.flags;
        if with_magic {
            self.after.extend(b"PK\x07\x08");
        }
        self.after.extend(crc.to_le_bytes());
        for size in [packed, unpacked] {
            self.after.extend(size.to_le_bytes());
            self.after.extend(&[0_u8; 4][..if is_wide { 4 } else { 0 }]);
        }
        self
    }
}

impl ZipFields {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.flags.to_le_bytes());
        out.extend(self.method.to_le_bytes());
        out.extend([0, 0, 0x21, 0]); // midnight on the first day of 1980
        out.extend(self.crc.to_le_bytes());
        out.extend(self.packed.to_le_bytes());
        out.extend(self.unpacked.to_le_bytes());
        out.extend(u16::try_from(self.name.len()).expect("short").to_le_bytes());
        out.extend(u16::try_from(self.extra.len()).expect("short").to_le_bytes());
    }
}

impl Zip {
    pub fn new(members: Vec<ZipMember>) -> Self {
        Self { prefix: Vec::new(), members, comment: Vec::new(), suffix: Vec::new(), base: 0 }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut directory = Vec::new();
        let mut listed = 0_u16;
        for member in &self.members {
            let offset = u32::try_from(out.len() - self.prefix.len()).expect("short") + self.base;
            out.extend(b"PK\x03\x04\x14\0");
            member.local.write(&mut out);
            for bytes in [&member.local.name, &member.local.extra, &member.data, &member.after] {
                out.extend(bytes);
            }
            if member.is_listed {
                listed += 1;
                directory.extend(b"PK\x01\x02\x14\0\x14\0");
                member.central.write(&mut directory);
                directory.extend([0; 10]);
                directory.extend(offset.to_le_bytes());
                directory.extend(&member.central.name);
                directory.extend(&member.central.extra);
            }
        }
        let start = u32::try_from(out.len() - self.prefix.len()).expect("short") + self.base;
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend(listed.to_le_bytes());
        out.extend(listed.to_le_bytes());
        out.extend(u32::try_from(directory.len()).expect("short").to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend(u16::try_from(self.comment.len()).expect("short").to_le_bytes());
        out.extend(&self.comment);
        out.extend(&self.suffix);
        out
    }
}

/// Where the bytes lie for the `nth` time.
pub fn find(content: &[u8], bytes: &[u8], nth: usize) -> usize {
    let mut positions = content.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes);
    positions.nth(nth).expect("the bytes are there").0
}

/// The content with other bytes at a place.
pub fn patched(mut content: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    content[at..at + bytes.len()].copy_from_slice(bytes);
    content
}

/// The content with one bit turned.
pub fn flipped(mut content: Vec<u8>, at: usize) -> Vec<u8> {
    content[at] ^= 1;
    content
}
