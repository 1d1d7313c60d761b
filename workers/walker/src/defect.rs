//! Whether one container is whole.
//!
//! libclamav scans what it can unpack of a container that was cut or damaged, and says nothing of the rest; nor does it look at
//! checksums. So every container is looked over beside it: not what is in it, and not what is in its members.

use std::io;

use crate::fingerprint::{Fingerprint, Printer};
use crate::limits::{Budget, Limits};
use crate::name::MemberPath;
use crate::source::Source;
use crate::unread::{Fault, Unread};
use crate::walk::{Content, Member, Stop, Visitor, WalkError, walk};

/// What a look over one container came by.
#[derive(Debug, Default)]
pub struct Checked {
    /// The first thing that is wrong with it; none if it is whole, or no container.
    pub defect: Option<Unread>,
    /// Each member that a walk would hand over, in its order, as far as it got. Another reader of the same bytes that does not come
    /// by all of these has left something out.
    pub members: Vec<Fingerprint>,
}

/// Looks over a container, without regard to what is in its members.
///
/// Every member is unpacked to its end, and must have the size and the checksum that it says. Of a zip, no two members may share
/// bytes, and none may be missing from the directory, or be described otherwise there. Members that are encrypted are passed over, and
/// the first of them is told only if nothing else is wrong.
///
/// # Errors
/// If the source fails.
pub fn check(content: &dyn Source, limits: &Limits) -> io::Result<Checked> {
    let mut check = Check::default();
    let budget = Budget::new(*limits, content.len());
    match (walk(content, &MemberPath::root(), &budget, &mut check), check.failure) {
        (_, Some(error)) | (Err(WalkError::Source(error)), _) => Err(error),
        (Ok(_) | Err(WalkError::Stopped), None) => Ok(check.checked),
    }
}

/// As [`check`]: only what is wrong.
///
/// # Errors
/// If the source fails.
pub fn defect(content: &dyn Source, limits: &Limits) -> io::Result<Option<Unread>> {
    Ok(check(content, limits)?.defect)
}

#[derive(Default)]
struct Check {
    printer: Printer,
    checked: Checked,
    /// Of the source.
    failure: Option<io::Error>,
}

impl Visitor for Check {
    fn member(&mut self, member: Member<'_, '_>, _: &Budget) -> Result<(), Stop> {
        let fingerprint = match member.content {
            Content::Stored(section) => self.printer.source(&section).map_err(|error| {
                self.failure = Some(error);
                Stop
            })?,
            // An error of the source ends the walk by itself.
            Content::Packed(content) => self.printer.stream(content),
        };
        self.checked.members.push(fingerprint);
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        if unread.fault == Fault::Encrypted {
            self.checked.defect.get_or_insert(unread);
            Ok(())
        } else {
            self.checked.defect = Some(unread);
            Err(Stop)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::unread::UnreadReason;

    fn reason(content: &[u8], most_bytes: u64) -> Option<UnreadReason> {
        let limits = Limits { max_unpacked_bytes: most_bytes, ..Limits::default() };
        defect(&content, &limits).expect("in memory").map(|unread| unread.reason())
    }

    const MOST: u64 = 1 << 20;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn whole_gzip_files_have_no_defect() {
        let one = gzip(b"content");
        let two = [one.clone(), gzip(b"")].concat();
        let padded = [two.clone(), vec![0; 1024]].concat();
        let signed = [two.clone(), b"a signature".to_vec()].concat();
        for file in [one, two, padded, signed, b"\x1f\x8b\x08\xff no gzip".to_vec(), b"text".to_vec(), Vec::new()] {
            assert_eq!(reason(&file, MOST), None, "{file:x?}");
        }
    }

    #[test]
    fn a_gzip_file_that_was_cut_anywhere_has_one() {
        let file = [gzip(b"first content"), gzip(b"second content")].concat();
        let (first, magic) = (gzip(b"first content").len(), 3);
        for length in (magic + 1..file.len()).filter(|length| !(first..first + magic).contains(length)) {
            assert_eq!(reason(&file[..length], MOST), Some(UnreadReason::Truncated), "cut to {length} bytes");
        }
    }

    #[test]
    fn a_wrong_checksum_or_length_is_one() {
        let file = gzip(b"content");
        for from_end in 1..=8 {
            let mut damaged = file.clone();
            damaged[file.len() - from_end] ^= 1;
            assert_eq!(reason(&damaged, MOST), Some(UnreadReason::Damaged), "byte {from_end} from the end");
        }
    }

    #[test]
    fn unpacks_no_more_than_it_may() {
        let file = gzip(&[0; 1000]);
        assert_eq!(reason(&file, 1000), None);
        assert_eq!(reason(&file, 999), Some(UnreadReason::TooLarge));
        assert_eq!(reason(&[file.clone(), file].concat(), 1999), Some(UnreadReason::TooLarge));
    }
}
