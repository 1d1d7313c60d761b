//! Whether a gzip file is whole: libclamav scans what it can unpack of one that was cut or damaged, and says nothing.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::GzDecoder;

/// Magic number and method: deflate is the only one there is.
const HEADER: &[u8] = &[0x1f, 0x8b, 8];

const BUFFER_BYTES: usize = 32 << 10;

/// Flags that no version of the format has.
const RESERVED_FLAGS: u8 = 0b1110_0000;

/// Why the file is not whole; `None` if it is, or is no gzip file.
///
/// All its members must unpack to their ends, with the right checksums, to `most_bytes` in all. What follows the last one is
/// padding or unpacks to nothing, and was scanned as it is.
pub fn defect(file: &File, most_bytes: u64) -> Option<String> {
    let mut start = 0;
    let mut left_bytes = most_bytes;
    loop {
        match is_gzip(file, start).and_then(|is_gzip| is_gzip.then(|| unpack(file, start, left_bytes)).transpose()) {
            Ok(None) => return None,
            Ok(Some((_, bytes))) if bytes > left_bytes => {
                return Some(format!("gzip: unpacks to more than {most_bytes} bytes"));
            }
            Ok(Some((end, bytes))) => {
                start = end;
                left_bytes -= bytes;
            }
            Err(error) => return Some(format!("gzip at byte {start}: {error}")),
        }
    }
}

fn is_gzip(file: &File, start: u64) -> io::Result<bool> {
    let mut header = Vec::new();
    ReadAt { file, position: start }.take(4).read_to_end(&mut header)?;
    Ok(header.starts_with(HEADER) && header.get(HEADER.len()).is_none_or(|flags| flags & RESERVED_FLAGS == 0))
}

/// Unpacks one member; where it ends, and how many bytes it had, which are at most one more than `most_bytes`.
fn unpack(file: &File, start: u64, most_bytes: u64) -> io::Result<(u64, u64)> {
    let packed = BufReader::with_capacity(BUFFER_BYTES, ReadAt { file, position: start });
    let mut member = GzDecoder::new(packed).take(most_bytes.saturating_add(1));
    let bytes = io::copy(&mut member, &mut io::sink())?;
    let packed = member.into_inner().into_inner();
    Ok((packed.get_ref().position - packed.buffer().len() as u64, bytes))
}

/// Reads without the file's own position, which the agent shares.
struct ReadAt<'file> {
    file: &'file File,
    position: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const MOST: u64 = 1 << 20;

    fn defect(content: &[u8], most_bytes: u64) -> Option<String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        super::defect(&file, most_bytes)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn whole_files_have_no_defect() {
        let one = gzip(b"content");
        let two = [one.clone(), gzip(b"")].concat();
        let padded = [two.clone(), vec![0; 1024]].concat();
        let signed = [two.clone(), b"a signature".to_vec()].concat();
        for file in [one, two, padded, signed, b"\x1f\x8b\x08\xff no gzip".to_vec(), b"text".to_vec(), Vec::new()] {
            assert_eq!(defect(&file, MOST), None, "{file:x?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_has_one() {
        let file = [gzip(b"first content"), gzip(b"second content")].concat();
        let first = gzip(b"first content").len();
        for length in (HEADER.len()..file.len()).filter(|length| !(first..first + HEADER.len()).contains(length)) {
            assert!(defect(&file[..length], MOST).is_some(), "cut to {length} of {} bytes", file.len());
        }
    }

    #[test]
    fn a_wrong_checksum_or_length_is_one() {
        let file = gzip(b"content");
        for from_end in 1..=8 {
            let mut damaged = file.clone();
            damaged[file.len() - from_end] ^= 1;
            assert!(defect(&damaged, MOST).is_some(), "byte {from_end} from the end");
        }
    }

    #[test]
    fn unpacks_no_more_than_it_may() {
        let file = gzip(&[0; 1000]);
        assert_eq!(defect(&file, 1000), None);
        assert!(defect(&file, 999).is_some());
        assert!(defect(&[file.clone(), file].concat(), 1999).is_some());
    }
}
