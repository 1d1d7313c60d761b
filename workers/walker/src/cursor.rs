//! Reads a section from its beginning to its end, with a buffer.

use std::io::{self, Read};

use crate::source::{Section, Source};
use crate::unread::Fault;

const BUFFER_BYTES: usize = 32 << 10;

/// Why no more bytes come.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The source failed, which says nothing about the content.
    Source(io::Error),
    /// The content is at fault.
    Fault(Fault),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A position in a section. Decoders take from it exactly what belongs to them.
pub(crate) struct Cursor<'a> {
    section: Section<'a>,
    buffer: Vec<u8>,
    used: usize,
    /// Where the buffer ends in the section.
    buffered_to: u64,
    /// Set where `Read` had to give less than was asked for.
    pub(crate) ran_out: bool,
    /// Set where `Read` failed.
    pub(crate) failure: Option<io::Error>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(section: Section<'a>, start: u64) -> Self {
        Self { section, buffer: Vec::new(), used: 0, buffered_to: start, ran_out: false, failure: None }
    }

    /// Where the next byte lies in the section.
    pub(crate) fn position(&self) -> u64 {
        self.buffered_to - (self.buffer.len() - self.used) as u64
    }

    /// The next bytes; none only at the end.
    pub(crate) fn fill(&mut self) -> io::Result<&[u8]> {
        if self.used == self.buffer.len() {
            let left = self.section.len().saturating_sub(self.buffered_to);
            self.buffer.resize(usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_BYTES), 0);
            self.used = 0;
            let count = self.section.fill_at(&mut self.buffer, self.buffered_to);
            self.buffer.truncate(*count.as_ref().unwrap_or(&0));
            self.buffered_to += count? as u64;
        }
        Ok(&self.buffer[self.used..])
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.buffer.len());
    }

    /// Goes on at `position`.
    pub(crate) fn seek(&mut self, position: u64) {
        let start = self.buffered_to - self.buffer.len() as u64;
        match position.checked_sub(start).and_then(|used| usize::try_from(used).ok()) {
            Some(used) if used <= self.buffer.len() => self.used = used,
            _ => {
                self.buffer.clear();
                self.used = 0;
                self.buffered_to = position;
            }
        }
    }

    /// The next bytes without going on; fewer only at the end.
    pub(crate) fn peek<const COUNT: usize>(&self) -> io::Result<([u8; COUNT], usize)> {
        let mut bytes = [0; COUNT];
        let count = match self.buffer.get(self.used..self.used + COUNT) {
            Some(buffered) => {
                bytes.copy_from_slice(buffered);
                COUNT
            }
            None => self.section.fill_at(&mut bytes, self.position())?,
        };
        Ok((bytes, count))
    }

    /// The next bytes.
    pub(crate) fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], ReadError> {
        let (bytes, count) = self.peek()?;
        if count < COUNT {
            return Err(Fault::Truncated.into());
        }
        self.seek(self.position() + COUNT as u64);
        Ok(bytes)
    }
}

/// For decoders that take nothing else. What went wrong is in `failure` and `ran_out`: they wrap errors in their own.
impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = match self.fill() {
            Ok(available) => available,
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                return Err(kind.into());
            }
        };
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.ran_out |= count == 0 && !buffer.is_empty();
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_exact() {
        let content: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        let content = content.as_slice();
        let mut cursor = Cursor::new(Section::whole(&content), 10);
        assert_eq!(cursor.array::<4>().expect("in memory"), content[10..14]);
        cursor.seek(50_000);
        assert_eq!(cursor.fill().expect("in memory")[0], content[50_000]);
        cursor.consume(7);
        assert_eq!(cursor.position(), 50_007);
        assert_eq!(cursor.peek::<3>().expect("in memory"), ([content[50_007], content[50_008], content[50_009]], 3));
        cursor.seek(50_001);
        assert_eq!(cursor.fill().expect("in memory")[0], content[50_001]);
        cursor.seek(99_999);
        assert!(matches!(cursor.array::<2>(), Err(ReadError::Fault(Fault::Truncated))));
        cursor.seek(u64::MAX);
        assert!(cursor.fill().expect("in memory").is_empty());
    }
}
