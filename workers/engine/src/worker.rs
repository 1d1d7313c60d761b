//! The scanning process: one file at a time, until its socket closes.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use lazaret_engine_protocol::{
    FailureReason, HostFrame, MAX_FILE_BYTES, ScanReply, ScanRequest, ScanVerdict, UnscannableReason, socket,
};
use rustix::fs::{FileType, fstat};
use rustix::process::Pid;

use crate::gzip;
use crate::libclamav::Engine;
use crate::mapping::Mapping;
use crate::process::{harden_worker, silence};
use crate::verdict::judge;

/// A worker's first datagram: it is set up.
pub const GREETING: &[u8] = b"ready";

/// A worker's whole life; the number is its exit status.
pub fn run(engine: &mut Engine, socket: &OwnedFd, scratch: &Path, host: Pid) -> i32 {
    let ready = engine
        .set_scratch(scratch)
        .and_then(|()| harden_worker(host).map_err(|error| error.to_string()))
        .and_then(|()| silence().map_err(|error| error.to_string()))
        .and_then(|()| socket::send(socket, GREETING, None).map_err(|error| error.to_string()));
    if let Err(error) = ready {
        eprintln!("a worker cannot start: {error}");
        return libc::EXIT_FAILURE;
    }
    while let Ok(Some(received)) = socket::receive(socket) {
        let (Ok(request), Some(file)) = (ScanRequest::decode(&received.frame), received.file) else {
            return libc::EXIT_FAILURE; // the host asks properly, or not at all
        };
        let started = Instant::now();
        let verdict = examine(engine, &File::from(file), request.size);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reply = HostFrame::Reply(ScanReply { id: request.id, verdict, milliseconds });
        if socket::send(socket, &reply.encode(), None).is_err() {
            break; // the host is gone
        }
    }
    libc::EXIT_SUCCESS
}

/// Looks at one file of which the agent says that it has `size` bytes.
fn examine(engine: &Engine, file: &File, size: u64) -> ScanVerdict {
    let failed = |text: String| ScanVerdict::failed(FailureReason::EngineFailed, text);
    let status = match fstat(file) {
        Ok(status) => status,
        Err(error) => return failed(format!("cannot look at the file: {error}")),
    };
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return failed("not a regular file".to_owned());
    }
    let found = u64::try_from(status.st_size).unwrap_or_default();
    if found != size {
        return failed(format!("the file has {found} bytes, not {size}"));
    }
    if size == 0 {
        return ScanVerdict::Clean; // nothing to match, and nothing that could be mapped
    }
    if size > MAX_FILE_BYTES {
        let detail = format!("{size} bytes, and the engine takes {MAX_FILE_BYTES}");
        return ScanVerdict::unscannable(UnscannableReason::TooLarge, detail);
    }
    let mapping = match Mapping::new(file, usize::try_from(size).expect("at most 2 GiB")) {
        Ok(mapping) => mapping,
        Err(error) => return failed(format!("cannot map the file: {error}")),
    };
    let (outcome, observation) = engine.scan(&mapping);
    // Cut meanwhile: the rest of its last page read as zeros, without a signal.
    if fstat(file).map_or(true, |status| u64::try_from(status.st_size) != Ok(size)) {
        return failed("the file changed its size while it was scanned".to_owned());
    }
    let verdict = judge(&outcome, &observation, size);
    // Last, since it costs time: malware found, or another reason, needs no second one.
    if verdict == ScanVerdict::Clean
        && let Some(defect) = gzip::defect(file, MAX_FILE_BYTES)
    {
        return ScanVerdict::unscannable(UnscannableReason::Incomplete, defect);
    }
    verdict
}
