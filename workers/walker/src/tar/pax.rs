//! What goes before a member to say more of it than its header can: pax records, and GNU's long names.

use super::header::{GNU_LONG_NAME, PAX_GLOBAL, PAX_MEMBER, text};
use crate::unread::Fault;

/// What is known of the next member, and of all members.
#[derive(Default)]
pub(super) struct Extensions {
    member: Records,
    global: Records,
    gnu_name: Option<Vec<u8>>,
}

#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    bytes: Option<u64>,
    is_sparse: bool,
}

impl Extensions {
    pub(super) fn add(&mut self, kind: u8, content: &[u8]) -> Result<(), Fault> {
        match kind {
            GNU_LONG_NAME => self.gnu_name = Some(text(content).to_vec()),
            PAX_MEMBER => self.member.add(content)?,
            PAX_GLOBAL => self.global.add(content)?,
            _ => {} // where a link goes
        }
        Ok(())
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        let names = [&self.member.path, &self.gnu_name, &self.global.path];
        names.into_iter().flatten().next().map(Vec::as_slice)
    }

    pub(super) fn bytes(&self) -> Option<u64> {
        self.member.bytes.or(self.global.bytes)
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.member.is_sparse || self.global.is_sparse
    }

    /// Forgets what was said of one member.
    pub(super) fn clear_member(&mut self) {
        self.member = Records::default();
        self.gnu_name = None;
    }
}

impl Records {
    /// Takes `<length> <key>=<value>\n`, as often as it comes.
    fn add(&mut self, mut content: &[u8]) -> Result<(), Fault> {
        while !matches!(content, [] | [0, ..]) {
            let (record, rest) = record(content).ok_or(Fault::BadHeader)?;
            content = rest;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(Fault::BadHeader)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"size" => self.bytes = Some(decimal(value).ok_or(Fault::BadHeader)?),
                _ => {}
            }
            self.is_sparse |= key.starts_with(b"GNU.sparse.");
        }
        Ok(())
    }
}

/// One record without its length and its line's end, and what follows it.
fn record(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = content.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&content[..space])?).ok()?;
    let record = content.get(space + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &content[length..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let mut records = Records::default();
        records.add(b"11 a=x\ny\nz\n12 path=\xffx\n\n20 size=99999999999\n\0\0").expect("three records");
        assert_eq!((records.path, records.bytes), (Some(b"\xffx\n".to_vec()), Some(99_999_999_999)));
        assert!(!records.is_sparse);
        records = Records::default();
        records.add(b"22 GNU.sparse.major=1\n").expect("one");
        assert!(records.is_sparse);
        for bad in
            [&b"x"[..], b"5 ab\n", b"99999999999999999999999 a=b\n", b"2 ", b"0 ", b"9 size=a\n", b"10 size=+1\n"]
        {
            assert!(Records::default().add(bad).is_err(), "{bad:?}");
        }
    }
}
