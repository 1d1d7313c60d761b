//! The reader of members on their way from one engine to another: whatever the file and whatever size it is said to have, no panic, no
//! end without one, and nothing beyond what was said. An input is eight bytes of that size, then the file.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use lazaret_engine_protocol::bundle::{Entry, MAGIC, Reader, header};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

/// What stands before a path.
const LENGTHS_BYTES: u64 = 12;

thread_local! {
    /// One file for all runs.
    static BUNDLE: RefCell<File> =
        RefCell::new(memfd_create("bundle", MemfdFlags::CLOEXEC).expect("a file in memory").into());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((said, content)) = bytes.split_first_chunk::<8>() else { return };
    // The worker that wrote a bundle says how large it is: a lie as often as not.
    let length = content.len() as u64;
    let said = u64::from_le_bytes(*said);
    for claimed in [length, said, length.wrapping_add(said % 64).wrapping_sub(32)] {
        read(content, claimed);
    }
    write(content);
});

/// Reads what may be a bundle.
fn read(content: &[u8], claimed: u64) {
    with_file(content, |file| {
        let Ok(mut reader) = Reader::open(file, claimed) else { return };
        assert!(content.starts_with(MAGIC));
        let mut end = MAGIC.len() as u64;
        let mut whole = true;
        for entry in &mut reader {
            assert!(whole, "an error is the last");
            let Ok(Entry { path, start, bytes }) = entry else {
                whole = false;
                continue;
            };
            // Each begins where the one before it ended, and what it says of itself is what stands there.
            let before = header(&path, bytes);
            assert_eq!(start, end + LENGTHS_BYTES + path.len() as u64);
            let at = |position: u64| usize::try_from(position).expect("within the file");
            assert_eq!(content[at(end)..at(start)], before);
            end = start.checked_add(bytes).expect("within what was claimed");
            assert!(end <= claimed);
        }
        assert!(!whole || end == claimed, "{end} of {claimed} bytes");
        assert!(reader.next().is_none());
    });
}

/// Writes members and reads them back: the input's parts between zero bytes are paths and contents by turns.
fn write(content: &[u8]) {
    let mut parts = content.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let mut bundle = MAGIC.to_vec();
    let mut members = Vec::new();
    while let (Some(path), Some(member)) = (parts.next(), parts.next()) {
        let path = String::from_utf8_lossy(&path).into_owned();
        bundle.extend(header(&path, member.len() as u64));
        members.push((path, bundle.len() as u64, member.len() as u64));
        bundle.extend(member);
    }
    with_file(&bundle, |file| {
        let entries = Reader::open(file, bundle.len() as u64).expect("a bundle").collect::<Result<Vec<_>, _>>();
        let entries = entries.expect("what was written");
        assert_eq!(entries.len(), members.len());
        for (entry, (path, start, bytes)) in entries.iter().zip(&members) {
            assert_eq!((entry.start, entry.bytes), (*start, *bytes));
            assert!(path.starts_with(&entry.path), "a path is cut, and not changed");
        }
    });
}

fn with_file(content: &[u8], work: impl FnOnce(&File)) {
    BUNDLE.with_borrow(|file| {
        file.set_len(0).expect("in memory");
        file.write_all_at(content, 0).expect("in memory");
        work(file);
    });
}
