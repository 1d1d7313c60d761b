//! A file's bytes in memory, for C to read.

use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping begins at a multiple of this: the largest page of any kernel (arm64).
const GRANULE_BYTES: u64 = 64 << 10;

/// A file or a stretch of it, mapped for reading.
///
/// It is never a `&[u8]`: whoever holds the file could still write to it or cut it short. A write changes what libclamav sees,
/// as it would with `read`; a cut raises SIGBUS, which ends this worker and nothing else.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    /// Bytes before those that were asked for: the kernel maps whole pages.
    before: usize,
    bytes: usize,
}

impl Mapping {
    /// # Errors
    /// If the file cannot be mapped, or `bytes` is 0.
    pub fn new(file: impl AsFd, start: u64, bytes: usize) -> io::Result<Self> {
        if bytes == 0 {
            return Err(io::Error::other("nothing to map"));
        }
        let before = start % GRANULE_BYTES;
        let aligned = start - before;
        let before = usize::try_from(before).expect("less than GRANULE_BYTES");
        // SAFETY: the kernel chooses a free range for a null hint, so nothing that exists is replaced. The range is only
        // handed out as a raw pointer, hence no reference can see the bytes change.
        let start =
            unsafe { mmap(ptr::null_mut(), before + bytes, ProtFlags::READ, MapFlags::PRIVATE, file, aligned)? };
        Ok(Self { start, before, bytes })
    }

    /// Valid for `len()` bytes for as long as the mapping lives.
    pub fn as_ptr(&self) -> *const c_void {
        // SAFETY: the mapping has `before + bytes` bytes, and `bytes` is not 0.
        unsafe { self.start.add(self.before) }
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
        let _ = unsafe { munmap(self.start, self.before + self.bytes) };
    }
}
