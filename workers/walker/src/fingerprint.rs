//! Tells contents apart, so that two readers of one container can say whether they came by the same members.
//!
//! By SHA-256 and not by a checksum: whoever writes an archive can give two members one size and one CRC.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::source::{Section, Source};

const BUFFER_BYTES: usize = 64 << 10;

/// Two contents with one fingerprint are the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    pub bytes: u64,
    sha256: [u8; 32],
}

impl Fingerprint {
    /// Of all bytes of a source.
    ///
    /// # Errors
    /// If the source fails, or ends early.
    pub fn of(content: &dyn Source) -> io::Result<Self> {
        Printer::default().source(content)
    }
}

/// Takes fingerprints, one after another, with one buffer.
pub(crate) struct Printer {
    buffer: Vec<u8>,
}

impl Default for Printer {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES] }
    }
}

impl Printer {
    pub(crate) fn source(&mut self, content: &dyn Source) -> io::Result<Fingerprint> {
        let content = Section::whole(content);
        let mut bytes = 0;
        let mut digest = Sha256::new();
        while bytes < content.len() {
            match content.fill_at(&mut self.buffer, bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    digest.update(&self.buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
        Ok(Fingerprint { bytes, sha256: digest.finalize().into() })
    }

    /// Of what there is to read until the end, or until it fails.
    pub(crate) fn stream(&mut self, content: &mut dyn Read) -> Fingerprint {
        let mut bytes = 0;
        let mut digest = Sha256::new();
        while let Ok(count @ 1..) = content.read(&mut self.buffer) {
            digest.update(&self.buffer[..count]);
            bytes += count as u64;
        }
        Fingerprint { bytes, sha256: digest.finalize().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_have_one_fingerprint_however_they_are_read() {
        let content: Vec<u8> = (0..3 * BUFFER_BYTES + 7).map(|index| index as u8).collect();
        let whole = Fingerprint::of(&content.as_slice()).expect("in memory");
        assert_eq!(whole.bytes, content.len() as u64);
        assert_eq!(Printer::default().stream(&mut content.as_slice()), whole);
        let mut other = content.clone();
        other[BUFFER_BYTES] ^= 1;
        assert_ne!(Fingerprint::of(&other.as_slice()).expect("in memory"), whole);
    }

    #[test]
    fn a_source_that_ends_early_has_none() {
        struct Liar;
        impl Source for Liar {
            fn len(&self) -> u64 {
                1
            }
            fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
                Ok(0)
            }
        }
        assert!(Fingerprint::of(&Liar).is_err());
    }
}
