//! Members on their way from one engine to another: one after another in one file, each with its path.
//!
//! An engine that unpacks writes it, one that only sees raw bytes reads it. Both are jailed; the agent between them passes the
//! descriptor on and never reads it. What the reader gets is hostile: every length is held against the file's own.
//!
//! ```text
//! "LAZARET1"  then for each member:  path bytes: u32 LE   content bytes: u64 LE   path   content
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::verdict::MAX_MEMBER_BYTES;

pub const MAGIC: &[u8; 8] = b"LAZARET1";

/// Bytes before a member's path.
const LENGTHS_BYTES: usize = 12;

/// What stands before a member's content. A path that is too long is cut, at a character.
pub fn header(path: &str, content_bytes: u64) -> Vec<u8> {
    let path = &path[..path.floor_char_boundary(MAX_MEMBER_BYTES)];
    let mut header = Vec::with_capacity(LENGTHS_BYTES + path.len());
    header.extend(u32::try_from(path.len()).expect("at most MAX_MEMBER_BYTES").to_le_bytes());
    header.extend(content_bytes.to_le_bytes());
    header.extend(path.as_bytes());
    header
}

/// One member, as the bundle says where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    /// Where its content begins in the bundle, and how long it is; always within the bundle.
    pub start: u64,
    pub bytes: u64,
}

/// Reads a bundle of `bytes` bytes, member by member. The first error is the last item.
#[derive(Debug)]
pub struct Reader<'file> {
    file: &'file File,
    bytes: u64,
    next: u64,
    done: bool,
}

impl<'file> Reader<'file> {
    /// # Errors
    /// If the file cannot be read, or does not begin as a bundle.
    pub fn open(file: &'file File, bytes: u64) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0)?;
        if magic != *MAGIC {
            return Err(damaged("it does not begin as one"));
        }
        Ok(Self { file, bytes, next: MAGIC.len() as u64, done: false })
    }

    fn entry(&mut self) -> io::Result<Option<Entry>> {
        if self.next == self.bytes {
            return Ok(None);
        }
        let mut lengths = [0; LENGTHS_BYTES];
        self.file.read_exact_at(&mut lengths, self.next)?;
        let (path_bytes, bytes) = lengths.split_at(4);
        let path_bytes = u32::from_le_bytes(path_bytes.try_into().expect("four bytes")) as usize;
        let bytes = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        if path_bytes > MAX_MEMBER_BYTES {
            return Err(damaged("a path is too long"));
        }
        let path_start = self.next + LENGTHS_BYTES as u64;
        let start = path_start + path_bytes as u64;
        let end = start.checked_add(bytes).filter(|end| *end <= self.bytes).ok_or_else(|| damaged("it ends early"))?;
        let mut path = vec![0; path_bytes];
        self.file.read_exact_at(&mut path, path_start)?;
        let path = String::from_utf8(path).map_err(|_| damaged("a path is no text"))?;
        self.next = end;
        Ok(Some(Entry { path, start, bytes }))
    }
}

impl Iterator for Reader<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let entry = self.entry().transpose();
        self.done = !matches!(entry, Some(Ok(_)));
        entry
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a bundle of members: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        file
    }

    fn read(content: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let file = file(content);
        let entries = Reader::open(&file, content.len() as u64)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries
            .into_iter()
            .map(|entry| {
                let start = usize::try_from(entry.start).expect("small");
                let end = start + usize::try_from(entry.bytes).expect("small");
                (entry.path, content[start..end].to_vec())
            })
            .collect())
    }

    fn bundle(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut content = MAGIC.to_vec();
        for (path, member) in members {
            content.extend(header(path, member.len() as u64));
            content.extend(*member);
        }
        content
    }

    #[test]
    fn members_come_back_in_their_order() {
        let members: &[(&str, &[u8])] = &[("a/b", b"one"), ("", b""), ("ü", &[0; 3_000])];
        let expected: Vec<_> = members.iter().map(|(path, member)| ((*path).to_owned(), member.to_vec())).collect();
        assert_eq!(read(&bundle(members)).expect("whole"), expected);
        assert_eq!(read(MAGIC).expect("empty"), []);
    }

    #[test]
    fn one_that_was_cut_or_lies_about_lengths_is_an_error() {
        let whole = bundle(&[("a", b"content")]);
        for length in (0..whole.len()).filter(|length| *length != MAGIC.len()) {
            assert!(read(&whole[..length]).is_err(), "cut to {length}");
        }
        for position in MAGIC.len()..MAGIC.len() + LENGTHS_BYTES {
            let mut lie = whole.clone();
            lie[position] = 0xff;
            assert!(read(&lie).is_err(), "byte {position}");
        }
    }
}
