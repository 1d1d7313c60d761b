//! What is scanned: made at run time, the same each time.

use std::fs::File;
use std::io::{self, Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{MemfdFlags, memfd_create};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::contents::{MIB, Random, SEED, programs};

pub struct Corpus {
    pub name: &'static str,
    make: fn(&mut Random) -> io::Result<Vec<Vec<u8>>>,
}

const KIB: usize = 1 << 10;

pub const CORPORA: &[Corpus] = &[
    Corpus { name: "4 KiB, text", make: |random| Ok((0..300).map(|_| random.text(4 * KIB)).collect()) },
    Corpus { name: "4 KiB, random", make: |random| Ok((0..300).map(|_| random.bytes(4 * KIB)).collect()) },
    Corpus {
        name: "4 KiB, of a program",
        make: |_| Ok(programs()?.chunks(4 * KIB).take(300).map(<[u8]>::to_vec).collect()),
    },
    Corpus { name: "1 MiB, text", make: |random| Ok((0..16).map(|_| random.text(MIB)).collect()) },
    Corpus { name: "1 MiB, random", make: |random| Ok((0..16).map(|_| random.bytes(MIB)).collect()) },
    Corpus {
        name: "4 MiB, of a program",
        make: |_| Ok(programs()?.chunks(4 * MIB).take(4).map(<[u8]>::to_vec).collect()),
    },
    Corpus { name: "1 MiB of text in gzip", make: |random| (0..8).map(|_| gzip(&random.text(3 * MIB))).collect() },
    Corpus { name: "1 MiB of texts in zip", make: |random| (0..8).map(|_| zip(random)).collect() },
];

impl Corpus {
    pub fn files(&self) -> io::Result<Vec<File>> {
        (self.make)(&mut Random::new(SEED))?.iter().map(|content| memory_file(content)).collect()
    }
}

pub fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("bench", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

/// A zip that keeps a worker busy for many seconds: zeros in zips in zips.
pub fn slow() -> io::Result<File> {
    let pack = |members: &[Vec<u8>]| -> io::Result<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (index, member) in members.iter().enumerate() {
            writer.start_file(format!("{index}.zip"), SimpleFileOptions::default())?;
            writer.write_all(member)?;
        }
        Ok(writer.finish()?.into_inner())
    };
    let inner = pack(&[vec![0; 4 * MIB]])?;
    memory_file(&pack(&vec![pack(&vec![inner; 8])?; 7])?)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}

fn zip(random: &mut Random) -> io::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..12 {
        writer.start_file(format!("{index}.txt"), SimpleFileOptions::default())?;
        writer.write_all(&random.text(256 * KIB))?;
    }
    Ok(writer.finish()?.into_inner())
}
