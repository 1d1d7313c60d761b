//! The scanning process: one file at a time, until its socket closes.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Instant;

use lazaret_engine_protocol::{Content, FailureReason, HostFrame, ScanReply, ScanRequest, ScanVerdict, socket};
use rustix::fs::{FileType, fstat};

use crate::backend::{Backend, Finished};
use crate::jail::{self, Jail};

/// A worker's first datagram: it is set up.
pub const GREETING: &[u8] = b"ready";

/// A worker's whole life, from [`Jail::fork`] on; the number is its exit status.
pub fn run(backend: &mut impl Backend, socket: BorrowedFd<'_>, jail: &Jail) -> i32 {
    let ready = backend
        .enter_worker(Path::new(jail::SCRATCH))
        .and_then(|()| jail.enter().map_err(|error| error.to_string()))
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
        let Finished { verdict, notes, members } = examine(backend, &File::from(file), &request);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (bundle, members) = members.unzip();
        let reply = HostFrame::Reply(ScanReply { id: request.id, verdict, notes, members, milliseconds });
        if socket::send(socket, &reply.encode(), bundle.as_ref().map(AsFd::as_fd)).is_err() {
            break; // the host is gone
        }
    }
    libc::EXIT_SUCCESS
}

/// Looks at one file of which the agent says how many bytes it has.
fn examine(backend: &mut impl Backend, file: &File, request: &ScanRequest) -> Finished {
    let failed = |text: String| ScanVerdict::failed(FailureReason::EngineFailed, text).into();
    let status = match fstat(file) {
        Ok(status) => status,
        Err(error) => return failed(format!("cannot look at the file: {error}")),
    };
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return failed("not a regular file".to_owned());
    }
    let (found, size) = (u64::try_from(status.st_size).unwrap_or_default(), request.size);
    if found != size {
        return failed(format!("the file has {found} bytes, not {size}"));
    }
    if size == 0 && request.content == Content::File {
        return ScanVerdict::Clean.into(); // nothing to match, and nothing that could be mapped
    }
    let finished = backend.scan(file, request);
    // Cut meanwhile: the rest of its last page read as zeros, without a signal.
    if fstat(file).map_or(true, |status| u64::try_from(status.st_size) != Ok(size)) {
        return failed("the file changed its size while it was scanned".to_owned());
    }
    finished
}
