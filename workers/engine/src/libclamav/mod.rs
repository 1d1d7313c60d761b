//! A wrapper around libclamav: loads definitions once, scans mapped files.
//!
//! libclamav starts no threads and keeps no state between scans but its clean cache, which is off here: a hit in it would skip
//! callbacks and members. Hence one loaded engine may be shared by forked processes, each of which scans one file at a time.

mod callbacks;
mod sscanf;

use std::ffi::{CStr, CString, c_int, c_longlong, c_uint, c_ulong};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use clamav_sys::cl_engine_field as Field;
use clamav_sys::cl_error_t as Code;
use clamav_sys::{self as sys};
use lazaret_engine_protocol::{Limits, MAX_FILE_BYTES};

use crate::definitions::DefinitionsError;
use crate::watch::Watch;
use lazaret_engine_host::mapping::Mapping;

/// The limits: generous, since what they stop is never called clean, and time is bounded from outside. The first line of defence are
/// our own ([`crate::meter`]). A limit that libclamav applies in silence is the file limit itself, so that nothing is left out that
/// the file limit let in.
fn limits(limits: &Limits) -> [(Field, u64); 17] {
    // Normalised forms of the same bytes count as well. Above 100 it refuses.
    let recursion = (u64::from(limits.max_depth) * 2 + 8).min(100);
    [
        (Field::CL_ENGINE_DISABLE_CACHE, 1),
        (Field::CL_ENGINE_MAX_FILESIZE, MAX_FILE_BYTES),
        // Beyond what a file may unpack to, itself and other forms of it.
        (Field::CL_ENGINE_MAX_SCANSIZE, limits.max_unpacked_bytes.saturating_mul(2).saturating_add(MAX_FILE_BYTES)),
        (Field::CL_ENGINE_MAX_FILES, limits.max_members.saturating_mul(2).clamp(1, u64::from(u32::MAX))),
        (Field::CL_ENGINE_MAX_RECURSION, recursion),
        // Its own time limit is soft: 8 s let a scan run 42 s. The host's is exact.
        (Field::CL_ENGINE_MAX_SCANTIME, 0),
        // Silent ones. HTML above the first would be matched in no form at all: neither normalised nor raw.
        (Field::CL_ENGINE_MAX_HTMLNORMALIZE, MAX_FILE_BYTES),
        (Field::CL_ENGINE_MAX_HTMLNOTAGS, MAX_FILE_BYTES),
        (Field::CL_ENGINE_MAX_SCRIPTNORMALIZE, MAX_FILE_BYTES),
        (Field::CL_ENGINE_MAX_EMBEDDEDPE, MAX_FILE_BYTES),
        (Field::CL_ENGINE_MAX_ZIPTYPERCG, MAX_FILE_BYTES),
        (Field::CL_ENGINE_MAX_PARTITIONS, 1_000_000), // of a disk image; the default is 50
        (Field::CL_ENGINE_MAX_ICONSPE, 10_000),       // of a program; the default is 100
        (Field::CL_ENGINE_MAX_RECHWP3, 1_000),        // within a Hangul document; the default is 16
        (Field::CL_ENGINE_PCRE_MAX_FILESIZE, MAX_FILE_BYTES),
        // Steps of one regular expression; a hundred times and fifty times the defaults, about a second. Beyond them it counts as no
        // match: the one silent limit that stays, since without it a single expression could take all of a file's time.
        (Field::CL_ENGINE_PCRE_MATCH_LIMIT, 10_000_000),
        (Field::CL_ENGINE_PCRE_RECMATCH_LIMIT, 100_000),
    ]
}

/// How much freed memory the allocator keeps: libclamav takes and frees a megabyte or so for each scan. By default glibc hands it back to
/// the kernel each time, sixteen times a scan of 4 KiB, and the pages must be cleared anew: a third of a small file's time.
const ALLOCATOR: [(c_int, c_int); 3] = [
    (libc::M_TRIM_THRESHOLD, 16 << 20), // of the 32 MiB that a worker may have of its own
    (libc::M_TOP_PAD, 1 << 20),
    (libc::M_MMAP_THRESHOLD, 4 << 20),
];

/// All matches, with heuristics in the place where they arise; and findings for what is not read to its end.
const OPTIONS: sys::cl_scan_options = sys::cl_scan_options {
    general: sys::CL_SCAN_GENERAL_ALLMATCHES
        | sys::CL_SCAN_GENERAL_HEURISTICS
        | sys::CL_SCAN_GENERAL_HEURISTIC_PRECEDENCE,
    parse: !0,
    heuristic: sys::CL_SCAN_HEURISTIC_EXCEEDS_MAX
        | sys::CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE
        | sys::CL_SCAN_HEURISTIC_ENCRYPTED_DOC,
    mail: 0,
    dev: 0,
};

/// libclamav with definitions.
#[derive(Debug)]
pub struct Engine {
    engine: NonNull<sys::cl_engine>,
    signatures: u64,
}

/// What a scan returned, beside what was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was found, as far as it was read: `CL_CLEAN`.
    Clean,
    /// Something was found, which the observation names: `CL_VIRUS`.
    Found,
    /// A limit was reached.
    Limit(String),
    /// Anything else, in libclamav's words.
    Error(String),
}

impl Engine {
    /// Loads all definitions in the directory. Takes 15 s and 1 GB for ClamAV's own.
    ///
    /// # Errors
    /// If libclamav cannot be set up, a file of definitions is damaged, or there is no signature.
    pub fn load(directory: &Path, bounds: &Limits) -> Result<Self, DefinitionsError> {
        let invalid = |reason: String| DefinitionsError::Invalid { directory: directory.to_owned(), reason };
        for (parameter, value) in ALLOCATOR {
            // SAFETY: sets a number of the allocator's own.
            if unsafe { libc::mallopt(parameter, value) } == 0 {
                return Err(invalid(format!("the allocator refuses parameter {parameter}")));
            }
        }
        let path = CString::new(directory.as_os_str().as_bytes()).map_err(|error| invalid(error.to_string()))?;
        // SAFETY: called once, before all else, in a process with one thread; the callback is a function of this program,
        // so it lives as long as libclamav may call it.
        let engine = unsafe {
            sys::cl_set_clcb_msg(Some(callbacks::message));
            check(sys::cl_init(sys::CL_INIT_DEFAULT)).map_err(invalid)?;
            sys::cl_engine_new()
        };
        let engine = NonNull::new(engine).ok_or_else(|| invalid("out of memory".to_owned()))?;
        let mut engine = Self { engine, signatures: 0 };
        for (field, value) in limits(bounds) {
            let value = c_longlong::try_from(value).unwrap_or(c_longlong::MAX);
            // SAFETY: the engine is live and not yet compiled; the fields take numbers.
            check(unsafe { sys::cl_engine_set_num(engine.engine.as_ptr(), field, value) }).map_err(invalid)?;
        }
        let mut signatures: c_uint = 0;
        // SAFETY: the engine is live, the path ends in a zero byte, the counter outlives the call.
        let loaded = unsafe { sys::cl_load(path.as_ptr(), engine.engine.as_ptr(), &mut signatures, sys::CL_DB_STDOPT) };
        check(loaded).map_err(invalid)?;
        if signatures == 0 {
            return Err(DefinitionsError::Empty { directory: directory.to_owned() });
        }
        engine.signatures = signatures.into();
        callbacks::install(engine.engine);
        // SAFETY: the engine is live, loaded, and compiled only here.
        check(unsafe { sys::cl_engine_compile(engine.engine.as_ptr()) }).map_err(invalid)?;
        Ok(engine)
    }

    pub fn signatures(&self) -> u64 {
        self.signatures
    }

    /// The version of ClamAV's daily set, and when it was built, in seconds since 1970; `None` without that set.
    pub fn daily(&self) -> Option<(u64, i64)> {
        let number = |field| {
            // SAFETY: the engine is live, the fields are numbers, and a null pointer for the error is allowed.
            unsafe { sys::cl_engine_get_num(self.engine.as_ptr(), field, ptr::null_mut()) }
        };
        let version = u64::try_from(number(Field::CL_ENGINE_DB_VERSION)).ok().filter(|version| *version > 0)?;
        Some((version, number(Field::CL_ENGINE_DB_TIME)))
    }

    /// Where to unpack; called in a worker, for which the engine is its own copy.
    ///
    /// # Errors
    /// In libclamav's words.
    pub fn set_scratch(&mut self, directory: &Path) -> Result<(), String> {
        let directory = CString::new(directory.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        // SAFETY: the engine is live and no scan runs (`&mut`); libclamav copies the text, which ends in a zero byte.
        check(unsafe { sys::cl_engine_set_str(self.engine.as_ptr(), Field::CL_ENGINE_TMPDIR, directory.as_ptr()) })
    }

    /// Scans what is mapped; what it says of it goes to the watch.
    pub fn scan(&self, content: &Mapping, watch: &mut Watch<'_>) -> Outcome {
        // SAFETY: the mapping is valid for its length, and outlives the map, which is closed below.
        let map = unsafe { sys::cl_fmap_open_memory(content.as_ptr(), content.len()) };
        if map.is_null() {
            return Outcome::Error("cannot map the file".to_owned());
        }
        let mut options = OPTIONS;
        let mut name = ptr::null();
        let mut scanned: c_ulong = 0;
        let context = ptr::from_mut(watch);
        // SAFETY: map and engine are live; a null name is allowed; options, name, count and watch outlive the call. The
        // callbacks turn the context back into the watch, which nothing else touches until the call returns.
        let code = unsafe {
            sys::cl_scanmap_callback(
                map,
                ptr::null(),
                &mut name,
                &mut scanned,
                self.engine.as_ptr(),
                &mut options,
                context.cast(),
            )
        };
        // SAFETY: opened above, closed once, and not used after.
        unsafe { sys::cl_fmap_close(map) };
        outcome(code)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: the engine is live, and this was its only reference. The code could only say that it was null.
        let _ = unsafe { sys::cl_engine_free(self.engine.as_ptr()) };
    }
}

/// `ClamAV 1.4.6`.
pub fn version() -> String {
    // SAFETY: returns a text of the library's own, which ends in a zero byte and is never freed.
    let version = unsafe { CStr::from_ptr(sys::cl_retver()) };
    format!("ClamAV {}", version.to_string_lossy())
}

fn outcome(code: Code) -> Outcome {
    match code {
        Code::CL_CLEAN => Outcome::Clean,
        Code::CL_VIRUS => Outcome::Found,
        Code::CL_EMAXREC | Code::CL_EMAXSIZE | Code::CL_EMAXFILES | Code::CL_ETIMEOUT => Outcome::Limit(text(code)),
        code => Outcome::Error(text(code)),
    }
}

fn check(code: Code) -> Result<(), String> {
    if code == Code::CL_SUCCESS { Ok(()) } else { Err(text(code)) }
}

fn text(code: Code) -> String {
    // SAFETY: for any code it returns a constant text that ends in a zero byte.
    unsafe { CStr::from_ptr(sys::cl_strerror(code)) }.to_string_lossy().into_owned()
}
