//! Where bytes come from: anything that can be read at an offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Random access to bytes that do not change.
pub trait Source {
    /// Bytes in all.
    fn len(&self) -> u64;

    /// Reads at most as many bytes as fit; 0 only at the end, or if nothing fits.
    ///
    /// # Errors
    /// If the bytes can't be had, which says nothing about them.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A file, read without its own position, which others may share.
#[derive(Debug, Clone, Copy)]
pub struct FileSource<'file> {
    file: &'file File,
    bytes: u64,
}

impl<'file> FileSource<'file> {
    /// # Errors
    /// If the file's size is not known.
    pub fn new(file: &'file File) -> io::Result<Self> {
        Ok(Self { file, bytes: file.metadata()?.len() })
    }
}

impl Source for FileSource<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        self.file.read_at(&mut buffer[..most], offset)
    }
}

/// A part of a source, without a copy.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    source: &'a dyn Source,
    start: u64,
    bytes: u64,
}

impl<'a> Section<'a> {
    pub fn whole(source: &'a dyn Source) -> Self {
        Self { source, start: 0, bytes: source.len() }
    }

    /// From `start` to `end` of this section, or as much of that as there is.
    #[must_use]
    pub fn part(&self, start: u64, end: u64) -> Self {
        let end = end.min(self.bytes);
        let start = start.min(end);
        Self { source: self.source, start: self.start + start, bytes: end - start }
    }

    /// Where the section begins in the source that [`Section::whole`] was given.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Fills the buffer from `offset`; how many bytes there were.
    pub(crate) fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// As many bytes as the array has, if there are so many.
    pub(crate) fn array_at<const COUNT: usize>(&self, offset: u64) -> io::Result<Option<[u8; COUNT]>> {
        let mut bytes = [0; COUNT];
        Ok((self.fill_at(&mut bytes, offset)? == COUNT).then_some(bytes))
    }

    /// Whether everything from `offset` on is zero.
    pub(crate) fn is_zero_from(&self, mut offset: u64) -> io::Result<bool> {
        let mut buffer = vec![0; 32 << 10];
        loop {
            match self.fill_at(&mut buffer, offset)? {
                0 => return Ok(true),
                count if buffer[..count].iter().any(|byte| *byte != 0) => return Ok(false),
                count => offset += count as u64,
            }
        }
    }
}

impl Source for Section<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 { Ok(0) } else { self.source.read_at(&mut buffer[..most], self.start + offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stay_within_their_bounds() {
        let content: &[u8] = b"0123456789";
        let section = Section::whole(&content).part(2, 8);
        let mut buffer = [0; 16];
        assert_eq!(section.fill_at(&mut buffer, 0).expect("in memory"), 6);
        assert_eq!(&buffer[..6], b"234567");
        assert_eq!(section.part(4, u64::MAX).len(), 2);
        assert_eq!(section.part(9, 12).len(), 0);
        assert_eq!(section.fill_at(&mut buffer, u64::MAX).expect("in memory"), 0);
        assert_eq!(section.array_at::<2>(5).expect("in memory"), None);
    }

    #[test]
    fn files_are_read_without_their_position() {
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, b"0123456789").expect("written");
        let source = FileSource::new(&file).expect("a size");
        let section = Section::whole(&source).part(3, 5);
        assert_eq!(section.array_at::<2>(0).expect("read"), Some(*b"34"));
    }
}
