//! A file's bytes, or a member's, in memory of this worker.
//!
//! A copy, and not a mapping: the rules' engine takes a slice, and whoever holds the file could still change a mapped one. Copying
//! is ten times as fast as matching.

use std::collections::TryReserveError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What is kept from one scan to the next. Asking the kernel anew costs a hundredth of scanning so much.
const KEPT_BYTES: usize = 4 << 20;

/// A buffer that is used for one content after another.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{bytes} bytes, and there is no memory for them ({source})")]
    NoMemory {
        bytes: u64,
        #[source]
        source: TryReserveError,
    },
    #[error("cannot read the file: {0}")]
    File(#[from] io::Error),
}

impl Buffer {
    /// Reads `bytes` bytes of the file from `start` on.
    ///
    /// # Errors
    /// If there are fewer, or no memory for them.
    pub fn read(&mut self, file: &File, start: u64, bytes: u64) -> Result<&[u8], ReadError> {
        let Self(buffer) = self;
        buffer.clear();
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        buffer.try_reserve_exact(length).map_err(|source| ReadError::NoMemory { bytes, source })?;
        buffer.resize(length, 0);
        file.read_exact_at(buffer, start)?;
        Ok(buffer)
    }

    /// Gives large memory back: between two scans a worker has nothing to do with it.
    pub fn release(&mut self) {
        if self.0.capacity() > KEPT_BYTES {
            self.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_a_part_and_no_more_than_there_is() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"one two three").expect("written");
        let mut buffer = Buffer::default();
        assert_eq!(buffer.read(&file, 4, 3).expect("there"), b"two");
        assert_eq!(buffer.read(&file, 0, 13).expect("there"), b"one two three");
        assert!(matches!(buffer.read(&file, 4, 13), Err(ReadError::File(_))));
        buffer.release();
        assert_eq!(buffer.read(&file, 0, 3).expect("there"), b"one");
        assert!(matches!(buffer.read(&file, 0, u64::MAX), Err(ReadError::NoMemory { .. })));
    }
}
