//! Numbers in fixed places, least byte first; and the fields of zip64.

/// Says that the number is in the zip64 field.
pub(super) const IN_ZIP64: u32 = u32::MAX;

const ZIP64: u16 = 1;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Replaces those of the numbers that are too large for their 32 bits by what the extra field says. It has them in this order, and
/// only those. What is missing stays as it is, which is then a size that can't be right.
pub(super) fn widen<const COUNT: usize>(numbers: [u32; COUNT], extra: &[u8]) -> [u64; COUNT] {
    let mut wide = zip64(extra);
    numbers.map(|number| match wide.split_first_chunk() {
        Some((bytes, rest)) if number == IN_ZIP64 => {
            wide = rest;
            u64::from_le_bytes(*bytes)
        }
        _ => u64::from(number),
    })
}

/// The content of the zip64 field. Some tools pad the extra fields with zeros, or with too few bytes for one more.
fn zip64(mut extra: &[u8]) -> &[u8] {
    while extra.len() >= 4 {
        let (id, end) = (u16_at(extra, 0), 4 + usize::from(u16_at(extra, 2)));
        if id == ZIP64 {
            return extra.get(4..end).unwrap_or_default();
        }
        extra = extra.get(end..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_do_not_fit_are_taken_from_zip64() {
        let extra = [&[9, 9, 1, 0, 7, 1, 0, 16, 0][..], &5_u64.to_le_bytes(), &6_u64.to_le_bytes(), &[0; 3]].concat();
        assert_eq!(widen([IN_ZIP64, 1, IN_ZIP64], &extra), [5, 1, 6]);
        assert_eq!(widen([IN_ZIP64; 3], &extra), [5, 6, u64::from(IN_ZIP64)]);
        assert_eq!(widen([IN_ZIP64], &[]), [u64::from(IN_ZIP64)]);
        assert_eq!(widen([IN_ZIP64], &[1, 0, 255, 255, 1]), [u64::from(IN_ZIP64)]);
    }
}
