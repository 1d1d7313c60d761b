//! Files without a name in a worker's scratch directory, which are gone with their last descriptor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open, unlink};
use rustix::io::Errno;

/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// # Errors
/// If the directory is full, or not ours.
pub fn unnamed(scratch: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match open(scratch, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => return Ok(file.into()),
        // A file system that has no such files: overlayfs before Linux 6.3.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let path = scratch.join("unnamed");
    let file = open(&path, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC, mode)?;
    unlink(&path)?;
    Ok(file.into())
}

/// Copies all of `content` to a file without a name; the file, and how many bytes it has.
///
/// # Errors
/// If the directory is full, or `content` fails.
pub fn spool(scratch: &Path, content: &mut dyn Read) -> io::Result<(File, u64)> {
    let mut file = unnamed(scratch)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return Ok((file, bytes)),
            Ok(count) => {
                file.write_all(&chunk[..count])?;
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_have_their_content_and_no_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let content = vec![7; 3 * CHUNK_BYTES + 1];
        let (file, bytes) = spool(directory.path(), &mut content.as_slice()).expect("written");
        assert_eq!(bytes, content.len() as u64);
        assert_eq!(file.metadata().expect("open").len(), bytes);
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
}
