//! The header of ClamAV's own containers (`.cvd`, `.cld`): 512 bytes of text with `:` between its fields.
//!
//! ```text
//! ClamAV-VDB:16 Sep 2021 08-32 -0400:62:6647427:90:<md5>:<signature>:sigmgr:1631795562
//! ```

use jiff::Timestamp;

pub(crate) const HEADER_BYTES: usize = 512;

const MAGIC: &[u8] = b"ClamAV-VDB";

/// What Lazaret wants to know of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Counted up with each release; daily has one a day.
    pub version: u32,
    pub built_at: Timestamp,
}

impl Header {
    /// Reads the beginning of a file; `None` if it is no container, or says no time.
    pub fn parse(beginning: &[u8]) -> Option<Self> {
        let text = &beginning[..beginning.len().min(HEADER_BYTES)];
        let mut fields = text.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
        if fields.next()? != MAGIC {
            return None;
        }
        let version = number(fields.nth(1)?)?; // after the date, which the last field says without a time zone
        let seconds: i64 = number(fields.nth(5)?)?; // after signatures, level, MD5, signature and builder
        Some(Self { version, built_at: Timestamp::from_second(seconds).ok()? })
    }
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header;

    #[test]
    fn a_header_says_version_and_time() {
        let parsed = Header::parse(&header(27_456, 1_731_000_000)).expect("a header");
        assert_eq!((parsed.version, parsed.built_at.as_second()), (27_456, 1_731_000_000));
    }

    #[test]
    fn what_is_none_says_nothing() {
        let mut cut = header(1, 1_731_000_000);
        cut.truncate(60);
        for bad in [&b""[..], b"ClamAV-VDB", b"Eicar:0:0:aa", &cut, &header(1, i64::MAX)] {
            assert_eq!(Header::parse(bad), None);
        }
    }
}
