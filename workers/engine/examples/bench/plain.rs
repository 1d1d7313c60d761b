//! libclamav as any program would call it: no callbacks, no checks of ours, the same options and limits.

use std::ffi::{CString, c_uint, c_ulong};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use clamav_sys::{self as sys, cl_engine_field as Field, cl_error_t as Code};
use lazaret_engine_host::mapping::Mapping;

pub struct Plain(*mut sys::cl_engine);

impl Plain {
    pub fn load(directory: &Path) -> Result<Self, String> {
        let path = CString::new(directory.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let mut signatures: c_uint = 0;
        // SAFETY: called once, before all else; the path ends in a zero byte, the counter outlives the call.
        unsafe {
            check(sys::cl_init(sys::CL_INIT_DEFAULT))?;
            let engine = sys::cl_engine_new();
            for (field, value) in [
                (Field::CL_ENGINE_DISABLE_CACHE, 1),
                (Field::CL_ENGINE_MAX_FILESIZE, (2 << 30) - 3),
                (Field::CL_ENGINE_MAX_SCANSIZE, 16 << 30),
                (Field::CL_ENGINE_MAX_FILES, 1_000_000),
                (Field::CL_ENGINE_MAX_RECURSION, 40),
                (Field::CL_ENGINE_MAX_SCANTIME, 0),
            ] {
                check(sys::cl_engine_set_num(engine, field, value))?;
            }
            check(sys::cl_load(path.as_ptr(), engine, &mut signatures, sys::CL_DB_STDOPT))?;
            check(sys::cl_engine_compile(engine))?;
            Ok(Self(engine))
        }
    }

    pub fn scan(&self, file: &File) -> Result<(), String> {
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        let size = usize::try_from(size).map_err(|error| error.to_string())?;
        let mapping = Mapping::new(file, 0, size).map_err(|error| error.to_string())?;
        let mut options = sys::cl_scan_options {
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
        let (mut name, mut scanned): (_, c_ulong) = (ptr::null(), 0);
        // SAFETY: engine and mapping are live; options, name and count outlive the call; the map is closed once.
        let code = unsafe {
            let map = sys::cl_fmap_open_memory(mapping.as_ptr(), mapping.len());
            let code = sys::cl_scanmap_callback(
                map,
                ptr::null(),
                &mut name,
                &mut scanned,
                self.0,
                &mut options,
                ptr::null_mut(),
            );
            sys::cl_fmap_close(map);
            code
        };
        check(code)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // SAFETY: the engine is live, and this was its only reference.
        let _ = unsafe { sys::cl_engine_free(self.0) };
    }
}

fn check(code: Code) -> Result<(), String> {
    if code == Code::CL_SUCCESS { Ok(()) } else { Err(format!("libclamav says {code:?}")) }
}
