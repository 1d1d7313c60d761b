//! Whether an object was reported twice.

use sha2::{Digest, Sha256};

/// Hashes that are reserved at once; a crawl that matched more grows from there. In objects.
const RESERVED: u64 = 1 << 27;

/// The keys of one crawl, as 16 bytes each: 1.6 GB for 100 million objects, within a 10 GB Lambda, and sorted once in place
/// at the end. Exact for every purpose: two of 100 million keys share 128 bits of SHA-256 once in 10^22 jobs, and then the
/// job calls itself incomplete, which errs on the right side. Needs no order of the rows, so that a crawl may list in
/// parallel and write its archived objects apart.
#[derive(Debug, Default)]
pub struct Seen {
    hashes: Vec<u128>,
}

impl Seen {
    /// For a crawl that matched `objects`.
    pub fn with_room_for(objects: u64) -> Self {
        Self { hashes: Vec::with_capacity(usize::try_from(objects.min(RESERVED)).unwrap_or_default()) }
    }

    /// All keys of a crawl lie in one bucket: the key alone names the object.
    pub fn add(&mut self, key: &str) {
        let hash = Sha256::digest(key.as_bytes());
        let (first, _) = hash.split_at(16);
        self.hashes.push(u128::from_be_bytes(first.try_into().expect("16 of 32 bytes")));
    }

    /// How many rows there are beyond the first for an object.
    pub fn duplicates(mut self) -> u64 {
        self.hashes.sort_unstable();
        self.hashes.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_beyond_the_first_counts_whatever_the_order() {
        let mut seen = Seen::with_room_for(3);
        for key in ["b", "a", "", "b", "a ", "b"] {
            seen.add(key);
        }
        assert_eq!(seen.duplicates(), 2);
        assert_eq!(Seen::default().duplicates(), 0);
    }
}
