//! The definitions on huge pages: matching jumps through a gigabyte, and most of what it waits for is page tables.

use std::fs;
use std::ops::Range;

/// Linux 6.1 and later: `include/uapi/asm-generic/mman-common.h`. The `libc` crate has it for some targets only.
const MADV_COLLAPSE: libc::c_int = 25;

/// A region below this has no room for one huge page of x86-64 or arm64.
const HUGE_BYTES: usize = 2 << 20;

/// Asks the kernel to put what is loaded on huge pages. Workers that are forked afterwards share them.
///
/// It is a matter of speed alone: a kernel that can't, or that has no memory in one piece, is no error. How many bytes it took.
pub fn collapse() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut bytes = 0;
    for region in maps.lines().filter_map(anonymous) {
        let length = region.len();
        // SAFETY: the call moves pages and changes no content; a region that is gone by now is refused.
        if length >= HUGE_BYTES && unsafe { libc::madvise(region.start as *mut _, length, MADV_COLLAPSE) } == 0 {
            bytes += length;
        }
    }
    bytes
}

/// The range of a line of `/proc/self/maps`, if it is memory of our own that may be written: `from-to rw-p 00000000 00:00 0 [heap]`.
fn anonymous(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let (mode, _, _, inode) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let is_ours = mode == "rw-p" && inode == "0" && fields.next().is_none_or(|name| name == "[heap]");
    let number = |text| usize::from_str_radix(text, 16).ok();
    is_ours.then_some(number(from)?..number(to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_of_our_own_is_taken() {
        let heap = "1000-2000 rw-p 00000000 00:00 0                          [heap]";
        assert_eq!(anonymous(heap), Some(0x1000..0x2000));
        assert_eq!(anonymous("7f00-8000 rw-p 00000000 00:00 0 "), Some(0x7f00..0x8000));
        for other in [
            "1000-2000 r-xp 00000000 fe:00 1234 /usr/lib/libc.so.6",
            "1000-2000 rw-p 00000000 00:00 0 [stack]",
            "1000-2000 r--p 00000000 00:00 0",
            "",
        ] {
            assert_eq!(anonymous(other), None, "{other}");
        }
    }
}
