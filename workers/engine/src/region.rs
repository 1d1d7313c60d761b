//! A layer's bytes where libclamav has them, for the walker to read.

use std::ffi::c_void;
use std::io::{self, Read};
use std::ptr;

use lazaret_walker::Source;

/// Memory that lives as long as a callback of libclamav runs.
///
/// It is never a `&[u8]`: of a file that is mapped, whoever holds the file could change the bytes.
#[derive(Debug)]
pub struct Region {
    start: *const c_void,
    bytes: usize,
}

impl Region {
    /// # Safety
    /// `start` must be readable for `bytes` bytes for as long as the region lives.
    pub unsafe fn new(start: *const c_void, bytes: usize) -> Self {
        Self { start, bytes }
    }

    /// From the beginning on.
    pub fn reader(&self) -> impl Read {
        RegionReader { region: self, position: 0 }
    }
}

struct RegionReader<'region> {
    region: &'region Region,
    position: u64,
}

impl Read for RegionReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.region.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Source for Region {
    fn len(&self) -> u64 {
        self.bytes as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| self.bytes.checked_sub(offset)) else {
            return Ok(0);
        };
        let count = rest.min(buffer.len());
        // SAFETY: `offset + count` is at most `bytes`, for which the region is readable by `new`'s contract; the buffer is ours
        // alone, so the two do not overlap.
        unsafe {
            let from = self.start.cast::<u8>().add(self.bytes - rest);
            ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), count);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_within_its_bounds() {
        let content = b"0123456789";
        // SAFETY: the array outlives the region.
        let region = unsafe { Region::new(content.as_ptr().cast(), content.len()) };
        let mut buffer = [0; 4];
        assert_eq!(region.read_at(&mut buffer, 8).expect("in memory"), 2);
        assert_eq!(&buffer[..2], b"89");
        for offset in [10, 11, u64::MAX] {
            assert_eq!(region.read_at(&mut buffer, offset).expect("in memory"), 0);
        }
    }
}
