//! A file's bytes in memory, for C to read.

use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A whole file, mapped for reading.
///
/// It is never a `&[u8]`: whoever holds the file could still write to it or cut it short. A write changes what libclamav sees,
/// as it would with `read`; a cut raises SIGBUS, which ends this worker and nothing else.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    bytes: usize,
}

impl Mapping {
    /// # Errors
    /// If the file cannot be mapped, or `bytes` is 0.
    pub fn new(file: impl AsFd, bytes: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses a free range for a null hint, so nothing that exists is replaced. The range is only
        // handed out as a raw pointer, hence no reference can see the bytes change.
        let start = unsafe { mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
        Ok(Self { start, bytes })
    }

    /// Valid for `len()` bytes for as long as the mapping lives.
    pub fn as_ptr(&self) -> *const c_void {
        self.start
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range came from `mmap` with this length, is unmapped only here, and its pointers do not outlive it.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}
