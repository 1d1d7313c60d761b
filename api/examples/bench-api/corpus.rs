//! What is sent: texts, random bytes and pieces of programs, a third each, of one size.

use std::io;

use super::contents::{MIB, Random, SEED, programs};

pub struct Corpus {
    pub name: &'static str,
    pub bytes: usize,
    pub files: usize,
}

/// So many files that a run takes some seconds on two cores with definitions of full size.
pub const CORPORA: &[Corpus] = &[
    Corpus { name: "4 KiB", bytes: 4 << 10, files: 600 },
    Corpus { name: "100 KiB", bytes: 100 << 10, files: 150 },
    Corpus { name: "10 MiB", bytes: 10 * MIB, files: 12 },
];

impl Corpus {
    pub fn contents(&self) -> io::Result<Vec<Vec<u8>>> {
        let (mut random, programs) = (Random::new(SEED), programs()?);
        let mut pieces = programs.chunks_exact(self.bytes).cycle();
        Ok((0..self.files)
            .map(|number| match number % 3 {
                0 => random.text(self.bytes),
                1 => random.bytes(self.bytes),
                _ => pieces.next().map_or_else(|| random.bytes(self.bytes), <[u8]>::to_vec),
            })
            .collect())
    }
}
