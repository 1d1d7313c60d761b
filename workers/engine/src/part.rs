//! A stretch of a file: all of it, a member that lies in it as it is, or a window of something large.

use std::fs::File;
use std::io;

use lazaret_engine_host::mapping::Mapping;
use lazaret_walker::{FileSource, Section};

#[derive(Debug, Clone, Copy)]
pub struct Part<'file> {
    pub file: &'file File,
    pub start: u64,
    pub bytes: u64,
}

impl<'file> Part<'file> {
    pub fn whole(file: &'file File, bytes: u64) -> Self {
        Self { file, start: 0, bytes }
    }

    /// From `start` on within this part, at most `bytes` bytes.
    #[must_use]
    pub fn stretch(self, start: u64, bytes: u64) -> Self {
        let start = start.min(self.bytes);
        Self { file: self.file, start: self.start + start, bytes: bytes.min(self.bytes - start) }
    }

    /// # Errors
    /// If it cannot be mapped.
    pub fn map(self) -> io::Result<Mapping> {
        let bytes = usize::try_from(self.bytes).map_err(io::Error::other)?;
        Mapping::new(self.file, self.start, bytes)
    }

    /// Runs `work` over the part as the walker reads it.
    ///
    /// # Errors
    /// If the file's size is not known, or those of `work`.
    pub fn read<T, E: From<io::Error>>(self, work: impl FnOnce(Section<'_>) -> Result<T, E>) -> Result<T, E> {
        let source = FileSource::new(self.file)?;
        work(Section::whole(&source).part(self.start, self.start + self.bytes))
    }
}
