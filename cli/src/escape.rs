//! Hostile text on a terminal: keys, member names, error texts of services.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a terminal may do more with `c` than show it: C0, DEL and C1 controls, line and paragraph separators, and the
/// marks that turn the direction of the text around them ("Trojan Source", CVE-2021-42574).
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` with every such character spelled out, line breaks included: one line, whatever it was.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// The same for text of our own with line breaks that are meant. Whatever hostile went into it must have gone through [`line`].
pub fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// JSON in which such characters stand as `\uXXXX`: the same document, which a terminal shows and does not obey.
///
/// They can only stand inside of strings, and serde has escaped those below U+0020 already.
pub fn json(document: &str) -> Cow<'_, str> {
    let raw = |c: char| c != '\n' && is_hostile(c);
    if !document.contains(raw) {
        return document.into();
    }
    let mut out = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if raw(c) {
            // all of them lie in the basic plane: four digits
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// Passes JSON on through [`json`]. Takes whole strings, as serde writes them.
pub struct JsonSafe<W>(pub W);

impl<W: Write> Write for JsonSafe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\r\n\u{7f}\u{9b}31m\u{202e}gpj.exe";

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(line(HOSTILE), "a\\u{1b}[2J\\r\\n\\u{7f}\\u{9b}31m\\u{202e}gpj.exe");
        assert_eq!(line("plain / ü 🦠 %20"), "plain / ü 🦠 %20");
        assert_eq!(lines("two\nlines\u{7}"), "two\nlines\\u{7}");
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let document = serde_json::to_string(&HOSTILE).expect("JSON");
        let escaped = json(&document);
        assert!(!escaped.contains(is_hostile), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), HOSTILE);
        let mut out = Vec::new();
        serde_json::to_writer(JsonSafe(&mut out), HOSTILE).expect("JSON");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), escaped);
    }
}
