//! What libclamav calls while it scans: each call becomes one event of the [`Watch`] and its observation.
//!
//! A callback that panicked would end the process, since it may not unwind into C. That is a crash of one worker.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr::NonNull;

use clamav_sys::cl_error_t as Code;
use clamav_sys::{self as sys};

use lazaret_walker::name::escape;

use crate::layer::Listed;
use crate::region::Region;
use crate::watch::{Layer, Watch};

/// Sets all callbacks but the one for messages, which is the library's and not an engine's.
pub(super) fn install(engine: NonNull<sys::cl_engine>) {
    let engine = engine.as_ptr();
    // SAFETY: the engine is live and scans nothing yet; the callbacks are functions of this program, with the signatures that
    // the library's header declares.
    unsafe {
        sys::cl_engine_set_clcb_pre_cache(engine, Some(pre_cache));
        sys::cl_engine_set_clcb_file_inspection(engine, Some(file_inspection));
        sys::cl_engine_set_clcb_meta(engine, Some(meta));
        sys::cl_engine_set_clcb_virus_found(engine, Some(virus_found));
        sys::cl_engine_set_clcb_post_scan(engine, Some(post_scan));
    }
}

unsafe extern "C" fn pre_cache(_fd: c_int, kind: *const c_char, context: *mut c_void) -> Code {
    // SAFETY: libclamav passes the context of the scan and a type's name.
    if let Some(watch) = unsafe { watch(context) } {
        // SAFETY: as above.
        watch.observation.enter(unsafe { bytes(kind) }.unwrap_or_default());
    }
    Code::CL_SUCCESS
}

unsafe extern "C" fn file_inspection(
    _fd: c_int,
    _kind: *const c_char,
    _ancestors: *mut *const c_char,
    _parent_bytes: usize,
    name: *const c_char,
    file_bytes: usize,
    buffer: *const c_char,
    _level: u32,
    attributes: u32,
    context: *mut c_void,
) -> Code {
    // SAFETY: libclamav passes the context of the scan, and a name or null.
    let Some(watch) = (unsafe { watch(context) }) else { return Code::CL_SUCCESS };
    // SAFETY: as above.
    let name = unsafe { bytes(name) };
    // SAFETY: libclamav passes a buffer of that many bytes, or null; it is not freed before this callback returns.
    let content = (!buffer.is_null()).then(|| unsafe { Region::new(buffer.cast(), file_bytes) });
    let normalised = attributes & sys::LAYER_ATTRIBUTES_NORMALIZED != 0;
    match watch.inspect(name, file_bytes as u64, normalised, content.as_ref()) {
        Layer::Scan => Code::CL_SUCCESS,
        Layer::Skip => Code::CL_BREAK, // leaves the layer at once, through `post_scan`
    }
}

unsafe extern "C" fn meta(
    _container_kind: *const c_char,
    packed_bytes: c_ulong,
    name: *const c_char,
    unpacked_bytes: c_ulong,
    is_encrypted: c_int,
    position: c_uint,
    context: *mut c_void,
) -> Code {
    // SAFETY: libclamav passes the context of the scan, and a name or null.
    if let Some(watch) = unsafe { watch(context) } {
        // SAFETY: as above.
        let name = unsafe { bytes(name) }.unwrap_or_default();
        let encrypted = is_encrypted != 0;
        watch.observation.list(Listed { name, packed_bytes, bytes: unpacked_bytes, position, encrypted });
    }
    Code::CL_SUCCESS
}

unsafe extern "C" fn virus_found(_fd: c_int, name: *const c_char, context: *mut c_void) {
    // SAFETY: libclamav passes the context of the scan, and a signature's name.
    if let Some(watch) = unsafe { watch(context) } {
        // SAFETY: as above.
        watch.observation.find(unsafe { bytes(name) }.unwrap_or(b"(unnamed)"));
    }
}

unsafe extern "C" fn post_scan(_fd: c_int, _result: c_int, _name: *const c_char, context: *mut c_void) -> Code {
    // The result here is the whole scan's so far, not the layer's.
    // SAFETY: libclamav passes the context of the scan.
    if let Some(watch) = unsafe { watch(context) } {
        watch.observation.leave();
    }
    Code::CL_SUCCESS
}

/// Warnings and errors. Those of a scan belong to its watch; those of loading to the log.
pub(super) unsafe extern "C" fn message(
    severity: sys::cl_msg,
    full: *const c_char,
    _text: *const c_char,
    context: *mut c_void,
) {
    if severity != sys::cl_msg::CL_MSG_WARN && severity != sys::cl_msg::CL_MSG_ERROR {
        return;
    }
    // SAFETY: libclamav passes a message that ends in a zero byte.
    let text = unsafe { bytes(full) }.unwrap_or_default();
    // SAFETY: outside of a scan the context is null; in one it is the scan's.
    match unsafe { watch(context) } {
        Some(watch) => watch.observation.warn(text),
        None => eprintln!("{}", escape(text.trim_ascii())),
    }
}

/// The watch of the scan that runs.
///
/// # Safety
/// The context must be null, or the watch that `Engine::scan` passed in, whose call has not returned.
unsafe fn watch<'scan>(context: *mut c_void) -> Option<&'scan mut Watch<'scan>> {
    // SAFETY: by this function's contract it points to a live watch. libclamav has one thread and calls no callback from
    // within another, and `Engine::scan` does not touch it meanwhile, so this is the only reference.
    unsafe { context.cast::<Watch<'scan>>().as_mut() }
}

/// The text's bytes without the zero at its end; `None` for null.
///
/// # Safety
/// The pointer must be null, or point to a text that ends in a zero byte and lives as long as the callback runs.
unsafe fn bytes<'call>(text: *const c_char) -> Option<&'call [u8]> {
    // SAFETY: by this function's contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}
