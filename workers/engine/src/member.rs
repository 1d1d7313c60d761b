//! Names of members as text: hostile bytes in, one readable line out.

/// Stands for a part that has no name of its own: a stream of a PDF, what an executable unpacks to.
pub const EMBEDDED: &str = "(embedded)";

/// Between an archive and its member.
pub const SEPARATOR: char = '!';

/// The name with everything escaped that is not readable text, or that would be mistaken for a separator or an escape.
///
/// `!` becomes `\!`, `\` becomes `\\`; bytes that are not UTF-8 become `\xNN`; control, bidirectional and invisible characters become `\u{…}`.
pub fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == SEPARATOR || character == '\\' {
                text.extend(['\\', character]);
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
    text
}

/// Characters that change how a line reads without being seen.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
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
    use super::*;

    #[test]
    fn readable_names_stay_and_hostile_ones_are_escaped() {
        assert_eq!(escape("dir/Übersicht 2.doc".as_bytes()), "dir/Übersicht 2.doc");
        assert_eq!(escape(b"a!b\\c\n\xff"), r"a\!b\\c\u{a}\xff");
        assert_eq!(escape("exe.\u{202e}fdp".as_bytes()), r"exe.\u{202e}fdp");
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
}
