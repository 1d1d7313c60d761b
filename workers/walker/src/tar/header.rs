//! A member's header: one block, with numbers as octal text.

use crate::unread::Fault;

pub(crate) const BLOCK_BYTES: usize = 512;

/// GNU's letters for names that don't fit, and those of pax.
pub(super) const GNU_LONG_NAME: u8 = b'L';
const GNU_LONG_LINK: u8 = b'K';
pub(super) const PAX_MEMBER: u8 = b'x';
pub(super) const PAX_GLOBAL: u8 = b'g';
const GNU_SPARSE: u8 = b'S';
const GNU_CONTINUED: u8 = b'M';

/// Whether a tar begins so: one header with the right checksum, and with a name.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.first_chunk().is_some_and(|block| block[0] != 0 && matches!(Header::parse(block), Ok(Some(_))))
}

pub(super) struct Header<'block> {
    block: &'block [u8; BLOCK_BYTES],
    pub(super) kind: u8,
    pub(super) bytes: u64,
}

impl<'block> Header<'block> {
    /// None if the block is all zeros, which ends the archive.
    pub(super) fn parse(block: &'block [u8; BLOCK_BYTES]) -> Result<Option<Self>, Fault> {
        let expected = number(&block[148..156]);
        // The field itself counts as spaces. Old tars took bytes for signed.
        let sums = block.iter().enumerate().map(|(index, byte)| match index {
            148..156 => (u64::from(b' '), i64::from(b' ')),
            _ => (u64::from(*byte), i64::from(byte.cast_signed())),
        });
        let (sum, signed_sum) =
            sums.fold((0, 0), |(sum, signed_sum), (byte, signed)| (sum + byte, signed_sum + signed));
        if sum == 8 * u64::from(b' ') && block[148..156] == [0; 8] {
            return Ok(None);
        }
        if expected != Some(sum) && expected.map(u64::cast_signed) != Some(signed_sum) {
            return Err(Fault::BadHeader);
        }
        let bytes = number(&block[124..136]).ok_or(Fault::BadHeader)?;
        Ok(Some(Self { block, kind: block[156], bytes }))
    }

    /// The name, with the folders that did not fit beside it.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = if &self.block[257..263] == b"ustar\0" { text(&self.block[345..500]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// Says something of the entry behind it.
    pub(super) fn is_extension(&self) -> bool {
        matches!(self.kind, GNU_LONG_NAME | GNU_LONG_LINK | PAX_MEMBER | PAX_GLOBAL)
    }

    /// A link, a device, a folder, a pipe: of these, some readers take no data, whatever size they have.
    pub(super) fn has_no_data(&self) -> bool {
        matches!(self.kind, b'1'..=b'6')
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.kind == GNU_SPARSE
    }

    /// Whether blocks with more of a sparse file's map follow.
    pub(super) fn sparse_map_goes_on(&self) -> bool {
        self.block[482] != 0
    }

    /// The end of a file that began on another volume.
    pub(super) fn is_continued(&self) -> bool {
        self.kind == GNU_CONTINUED
    }
}

/// Whether yet another block of a sparse file's map follows this one.
pub(super) fn is_sparse_map_extended(block: &[u8; BLOCK_BYTES]) -> bool {
    block[504] != 0
}

/// What comes before the first zero.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal text, or a number of 95 bits with the first bit set.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] if rest.len() <= 8 => {
            Some(rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_last_chunk::<8>()?;
            high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
        }
        [first, ..] if *first > 0x80 => None, // negative, or more than 64 bits
        _ => octal(field).or_else(|| python_octal(field)),
    }
}

/// What Python takes besides: white space of all kinds, a sign, `0o`, and `_` between digits.
fn python_octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text(field)).ok()?.trim().as_bytes();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let prefixed = text.strip_prefix(b"0o").or_else(|| text.strip_prefix(b"0O"));
    let digits = prefixed.map_or(text, |digits| digits.strip_prefix(b"_").unwrap_or(digits));
    let groups = digits.split(|byte| *byte == b'_');
    groups
        .clone()
        .all(|group| matches!(group, [b'0'..=b'7', ..]))
        .then(|| octal(&groups.collect::<Vec<_>>().concat()))?
}

/// Digits with spaces or zeros around them; no digits are 0.
fn octal(field: &[u8]) -> Option<u64> {
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
    let digits = field[start..].split(is_filler).next().unwrap_or_default();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"     17 \0\0\0\0"), Some(15));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"00000000018\0"), None);
        for python in [&b"1_7\0"[..], b"\t17\x0b\n", b"+17", b"0o17\0", b"0O_1_7\09", b"\x80\0\0\0\0\0\0\x0f"] {
            assert_eq!(number(python), Some(15), "{python:x?}");
        }
        for none in [&b"1__7"[..], b"_17", b"17_", b"0o", b"+", b"-17", b"1 _7x", b"x"] {
            assert_eq!(number(none).filter(|number| *number != 1), None, "{none:x?}");
        }
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]), Some((2 << 32) + 1));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
