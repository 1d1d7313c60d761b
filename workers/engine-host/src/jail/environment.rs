//! No variable: what an agent's environment holds, its credentials above all, is nothing to a parser.
//!
//! The agent starts the host without any. Were it started otherwise, the host would clear what there is, and overwrite it:
//! the texts lie at the end of the stack, where every worker could read them.

use std::ffi::{CStr, c_char};
use std::{io, ptr};

unsafe extern "C" {
    /// The C library's list, which ends in a null pointer; null itself once it is cleared.
    static mut environ: *mut *mut c_char;
}

/// In the host.
pub(super) fn clear() -> io::Result<()> {
    let mut names = Vec::new();
    // SAFETY: the host has one thread, so nobody else reads or changes the list. Its entries are texts that end in a zero byte,
    // in memory that is the process's own and writable. Nothing keeps pointers into them: Rust copies what it hands out.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = CStr::from_ptr(*entry).to_bytes();
            let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
            names.push(String::from_utf8_lossy(name).escape_debug().to_string());
            let bytes = text.len();
            ptr::write_bytes(*entry, 0, bytes);
            entry = entry.add(1);
        }
        libc::clearenv();
    }
    if !names.is_empty() {
        eprintln!("the engine's environment was not empty: {} cleared", names.join(", "));
    }
    Ok(())
}

/// In a worker.
pub(super) fn check() -> io::Result<()> {
    // SAFETY: a worker has one thread; only the list's first pointer is read.
    let is_empty = unsafe { environ.is_null() || (*environ).is_null() };
    if is_empty { Ok(()) } else { Err(io::Error::other("the environment is not empty")) }
}
