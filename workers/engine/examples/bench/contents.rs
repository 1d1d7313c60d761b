//! Contents for benchmarks, of this one and of the API's: the same each time.

use std::fs;
use std::io;

pub const SEED: u64 = 20_261_122;

pub const MIB: usize = 1 << 20;

/// Programs of this system, one after another.
pub fn programs() -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    for path in ["/usr/bin/bash", "/usr/bin/perl", "/usr/bin/python3", "/usr/lib/x86_64-linux-gnu/libc.so.6"] {
        all.extend(fs::read(path).unwrap_or_default()); // another machine has others
    }
    while all.len() < 16 * MIB {
        all.extend_from_within(..all.len().max(1).min(16 * MIB - all.len()));
    }
    Ok(all)
}

/// SplitMix64: enough for contents that do not repeat.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(count).collect()
    }

    /// Words and lines.
    pub fn text(&mut self, count: usize) -> Vec<u8> {
        const LETTERS: &[u8] = b"etaoinshrdlucmfwypvbgkjqxz     \n";
        (0..count).map(|_| LETTERS[(self.next() >> 59) as usize]).collect()
    }
}
