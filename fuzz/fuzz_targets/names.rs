//! Names of members: whatever the bytes, one bounded line of readable text that leads nowhere.
#![no_main]

use lazaret_walker::MemberPath;
use lazaret_walker::name::{MAX_NAME_BYTES, MAX_PATH_BYTES, base_name, escape, is_made_up};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut path = MemberPath::root();
    for name in bytes.split(|byte| *byte == b'|') {
        let text = escape(name);
        check(&text, MAX_NAME_BYTES);
        path.push(name);
        check(path.as_str(), MAX_PATH_BYTES);
        assert!(!path.is_root());
        assert!(base_name(name).len() <= name.len());
        let _ = is_made_up(name);
    }
});

fn check(text: &str, most: usize) {
    assert!(text.len() <= most, "{} bytes", text.len());
    assert!(!text.starts_with('/'), "{text:?}");
    assert!(text.split('/').all(|folder| folder != ".."), "{text:?}");
    // The escapes are such that nothing else is left that `Debug` would escape, but for the marks that join with a character.
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{ad}']), "{text:?}");
}
