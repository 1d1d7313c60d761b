//! Names of members as text: hostile bytes in, one readable and bounded line out.
//!
//! The text is for people and for records; nothing is ever opened by it. It is still made so that a program which did, and which
//! takes `/` for a separator, could not be led out of its folder.

use std::fmt;

/// Stands for a part that has no name of its own: what a gzip file unpacks to, a stream of a PDF.
pub const EMBEDDED: &str = "(embedded)";

/// Between an archive and its member, and between folder and file.
pub const SEPARATOR: char = '/';

/// Bytes of one member's name as text.
pub const MAX_NAME_BYTES: usize = 512;

/// Bytes of a whole path as text; S3 itself takes keys of as many.
pub const MAX_PATH_BYTES: usize = 1_024;

/// Stands for what was cut out.
const MARK: &str = "…";

/// Bytes of a name that are looked at from either end. Each becomes at least one byte of text, so more can't be shown.
const SHOWN_BYTES: usize = MAX_NAME_BYTES;

/// Where a member lies: the names of the archives around it and its own, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberPath(String);

impl MemberPath {
    /// The file itself, which has no path.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A path that is text of this kind already: joined of what [`escape`] made.
    pub const fn from_text(path: String) -> Self {
        Self(path)
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of that name within this one.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        Self(join(&self.0, &escape(name)))
    }

    /// The part without a name within this one.
    #[must_use]
    pub fn embedded(&self) -> Self {
        Self(join(&self.0, EMBEDDED))
    }

    pub fn push(&mut self, name: &[u8]) {
        *self = self.join(name);
    }

    /// Empty for the file itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The path of a member within `parent`; both are text already. At most [`MAX_PATH_BYTES`], cut in the middle.
///
/// A part without a name in another adds nothing for a reader, so that of several in a row one is shown.
pub fn join(parent: &str, name: &str) -> String {
    let name = if name.is_empty() { EMBEDDED } else { name };
    if name == EMBEDDED && parent.rsplit(SEPARATOR).next() == Some(EMBEDDED) {
        return parent.to_owned();
    }
    if parent.is_empty() {
        return cut(name, MAX_PATH_BYTES);
    }
    cut(&format!("{parent}{SEPARATOR}{name}"), MAX_PATH_BYTES)
}

/// The name as text of at most [`MAX_NAME_BYTES`], cut in the middle, with everything escaped that is not readable, or that would be
/// mistaken for a way out or for an escape.
///
/// `\` becomes `\\`; bytes that are not UTF-8 become `\xNN`; control, bidirectional and invisible characters become `\u{…}`; the folder
/// `..` becomes `\.\.` (`.` stays: many tars begin every name with `./`); a leading `/` becomes `\/`.
pub fn escape(name: &[u8]) -> String {
    if name.len() <= 2 * SHOWN_BYTES {
        return cut(&escape_all(name), MAX_NAME_BYTES);
    }
    // Both halves begin or end at a character, so that a cut does not show as broken UTF-8.
    let mut head = SHOWN_BYTES;
    while head > SHOWN_BYTES - 4 && is_continuation(name[head]) {
        head -= 1;
    }
    let mut tail = name.len() - SHOWN_BYTES;
    while tail < name.len() - SHOWN_BYTES + 4 && is_continuation(name[tail]) {
        tail += 1;
    }
    cut_pair(&escape_all(&name[..head]), &escape_rest(&name[tail..]), MAX_NAME_BYTES)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

fn escape_all(name: &[u8]) -> String {
    match name.strip_prefix(b"/") {
        Some(rest) => format!("\\/{}", escape_rest(rest)),
        None => escape_rest(name),
    }
}

fn escape_rest(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for (index, folder) in name.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            text.push(SEPARATOR);
        }
        match folder {
            b".." => text.push_str("\\.\\."),
            _ => escape_folder(folder, &mut text),
        }
    }
    text
}

fn escape_folder(folder: &[u8], text: &mut String) {
    for chunk in folder.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push_str("\\\\");
            } else if character.is_control() || is_invisible(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

/// Characters that change how a line reads without being seen.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text, or its two ends with `…` between them if it has more than `most` bytes.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { cut_pair(text, text, most) }
}

/// The beginning of `head` and the end of `tail` with `…` between them: whole characters and whole escapes, at most `most` bytes.
///
/// The end gets a little more than the beginning: a file's name, of 255 bytes at most on most systems, is worth more than its folders.
fn cut_pair(head: &str, tail: &str, most: usize) -> String {
    let room = most - MARK.len();
    let end = boundaries(head).take_while(|end| *end <= room / 2).last().unwrap_or(0);
    let start = boundaries(tail).find(|start| tail.len() - start <= room - end).unwrap_or(tail.len());
    format!("{}{MARK}{}", &head[..end], &tail[start..])
}

/// Where a text of [`escape`] may be cut: between characters, and not within an escape.
fn boundaries(text: &str) -> impl Iterator<Item = usize> {
    let mut position = Some(0);
    std::iter::from_fn(move || {
        let here = position?;
        position = (here < text.len()).then(|| here + unit_bytes(&text[here..]));
        Some(here)
    })
}

/// Bytes of the character or escape that the text begins with.
fn unit_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes {
        [b'\\', b'x', ..] => bytes.len().min(4),
        [b'\\', b'u', ..] => text.find('}').map_or(bytes.len(), |end| end + 1),
        [b'\\', _, ..] => 2,
        _ => text.chars().next().map_or(1, char::len_utf8),
    }
}

/// What follows the last `/`, a trailing one aside.
pub fn base_name(name: &[u8]) -> &[u8] {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
}

/// Whether libclamav made the name up: `clamav-<32 hex digits>.tmp`.
pub fn is_made_up(name: &[u8]) -> bool {
    base_name(name)
        .strip_prefix(b"clamav-")
        .and_then(|rest| rest.strip_suffix(b".tmp"))
        .is_some_and(|middle| middle.len() == 32 && middle.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readable_names_stay_and_hostile_ones_are_escaped() {
        for (name, text) in [
            ("dir/Übersicht 2.doc".as_bytes(), "dir/Übersicht 2.doc"),
            (b"a!b\\c\n\xff", r"a!b\\c\u{a}\xff"),
            ("exe.\u{202e}fdp".as_bytes(), r"exe.\u{202e}fdp"),
            (b"../../etc/passwd", r"\.\./\.\./etc/passwd"),
            (b"a/../b/./c/...", r"a/\.\./b/./c/..."),
            (b"/etc/passwd", r"\/etc/passwd"),
            (b"//../x", r"\//\.\./x"),
            (b"..\\..\\x.exe", r"..\\..\\x.exe"),
            (b"a/..\0/b", r"a/..\u{0}/b"),
            (b"", ""),
        ] {
            assert_eq!(escape(name), text);
        }
    }

    #[test]
    fn long_names_are_cut_in_the_middle_and_keep_their_end() {
        let name = format!("{}/invoice.pdf.exe", "folder/".repeat(2_000));
        let text = escape(name.as_bytes());
        assert!(text.len() <= MAX_NAME_BYTES && text.starts_with("folder/folder/"), "{text}");
        assert!(text.contains('…') && text.ends_with("folder//invoice.pdf.exe"), "{text}");

        let whole = "é".repeat(MAX_NAME_BYTES / 2);
        assert_eq!(escape(whole.as_bytes()), whole);
        let text = escape("é".repeat(5_000).as_bytes());
        assert!(text.chars().all(|character| "é…".contains(character)), "{text}");
    }

    #[test]
    fn escapes_are_never_cut_in_two() {
        for shift in 0..8 {
            let text = escape(&[vec![b'a'; shift], vec![0xff; 3_000]].concat());
            let rest = text.replace("\\xff", "");
            assert!(rest.chars().all(|character| "a…".contains(character)), "{text}");
        }
    }

    #[test]
    fn paths_are_joined_and_bounded() {
        let mut path = MemberPath::root();
        assert!(path.is_root());
        path.push(b"outer.zip");
        assert_eq!(path.join(b"dir/inner.exe").to_string(), "outer.zip/dir/inner.exe");
        assert_eq!(path.embedded().as_str(), "outer.zip/(embedded)");
        assert_eq!(path.join(b"").as_str(), "outer.zip/(embedded)");
        assert_eq!(path.embedded().embedded().join(b"x").as_str(), "outer.zip/(embedded)/x");
        for _ in 0..100 {
            path.push(&[b'x'; 300]);
        }
        path.push(b"evil.exe");
        assert!(path.as_str().len() <= MAX_PATH_BYTES);
        assert!(path.as_str().starts_with("outer.zip/x") && path.as_str().ends_with("x/evil.exe"), "{path}");
    }

    #[test]
    fn names_that_libclamav_made_up_are_known() {
        assert!(is_made_up(b"clamav-0123456789abcdef0123456789abcdef.tmp"));
        assert!(is_made_up(b"/x/clamav-0123456789abcdef0123456789abcdef.tmp"));
        assert!(!is_made_up(b"clamav-0123.tmp"));
    }

    #[test]
    fn base_names() {
        assert_eq!(base_name(b"a/b/c"), b"c");
        assert_eq!(base_name(b"a/b/"), b"b");
        assert_eq!(base_name(b"c"), b"c");
    }

    /// Bytes that are likely to be trouble.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"..".to_vec()),
            Just(b"/".to_vec()),
            Just(b"\\".to_vec()),
            Just(b".".to_vec()),
            Just("\u{202e}".as_bytes().to_vec()),
            Just("…".as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..40),
            "[a-z]{1,300}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_its_folder_or_breaks_its_line(names in prop::collection::vec(hostile(), 1..6)) {
            let mut path = MemberPath::root();
            for name in &names {
                let text = escape(name);
                prop_assert!(text.len() <= MAX_NAME_BYTES);
                path.push(name);
                let text = path.as_str();
                prop_assert!(!text.is_empty() && text.len() <= MAX_PATH_BYTES);
                prop_assert!(!text.starts_with('/'));
                prop_assert!(!text.chars().any(|character| character.is_control() || is_invisible(character)), "{text}");
                prop_assert!(text.split('/').all(|folder| folder != ".."), "{text}");
            }
        }

        #[test]
        fn short_names_differ_if_their_bytes_do(mut one in hostile(), mut other in hostile(), length in 0..50_usize) {
            one.truncate(length);
            other.truncate(length);
            prop_assert_eq!(escape(&one) == escape(&other), one == other);
        }
    }
}
