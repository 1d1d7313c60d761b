//! What the host asks of the kernel for itself and its workers: fork, descriptors, signals.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use rustix::process::Pid;

/// The status of a worker that panicked.
const PANICKED: i32 = 101;

/// Where a worker has its socket.
const WORKER_SOCKET: RawFd = 3;

/// Starts a worker: a copy of this process that has `socket` and standard error and no other descriptor.
///
/// `work` runs in the copy; its number is the worker's exit status.
///
/// # Errors
/// If there is no memory or no process left.
pub fn fork_worker(socket: OwnedFd, work: impl FnOnce(OwnedFd) -> i32) -> io::Result<Pid> {
    // SAFETY: the host has one thread, so no lock is held by a thread that the copy lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Nothing may unwind into the host's frames: the copy would go on as a second host.
            let status = catch_unwind(AssertUnwindSafe(|| match keep_only(socket) {
                Ok(socket) => work(socket),
                Err(error) => {
                    eprintln!("a worker cannot close the host's descriptors: {error}");
                    libc::EXIT_FAILURE
                }
            }));
            // SAFETY: ends the copy at once, without the host's exit handlers or destructors.
            unsafe { libc::_exit(status.unwrap_or(PANICKED)) }
        }
        pid => Ok(Pid::from_raw(pid).expect("fork answers the parent with a pid")),
    }
}

/// Closes all descriptors but the socket and standard error; standard input and output read and write nothing.
///
/// The agent's socket among them: as long as a worker had it, the agent could not see the host's end.
fn keep_only(socket: OwnedFd) -> io::Result<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        redirect(null.as_raw_fd(), standard)?;
    }
    if socket.as_raw_fd() != WORKER_SOCKET {
        redirect(socket.as_raw_fd(), WORKER_SOCKET)?;
    }
    // The kernel closes it, with all others, in the next step.
    std::mem::forget((null, socket));
    let first = libc::c_uint::try_from(WORKER_SOCKET + 1).expect("a small number");
    // SAFETY: closes descriptors that the host's values in this copy still name; none of these is used or dropped here, since
    // the worker only uses its socket, and ends with `_exit`.
    if unsafe { libc::close_range(first, libc::c_uint::MAX, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and whatever had its number before was replaced or forgotten.
    Ok(unsafe { OwnedFd::from_raw_fd(WORKER_SOCKET) })
}

/// Standard error writes nothing from here on: what a worker says while it parses is the file's, not ours.
///
/// # Errors
/// If `/dev/null` cannot be opened.
pub fn silence() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    redirect(null.as_raw_fd(), libc::STDERR_FILENO)
}

fn redirect(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: `dup2` touches no memory. The numbers replaced are the standard ones and the worker's socket, which no value
    // of the worker's owns.
    if unsafe { libc::dup2(from, to) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// From here on SIGTERM and SIGINT do not end the process, nor the workers forked after: they can be read here instead.
///
/// # Errors
/// If there is no descriptor left.
pub fn catch_termination() -> io::Result<OwnedFd> {
    let mut signals = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that the calls after it read; none keeps the pointer.
    let descriptor = unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGINT);
        if libc::sigprocmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, signals.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The agent's socket, which is descriptor 0.
///
/// # Errors
/// If it is no such socket: a person started the program by hand.
pub fn take_agent_socket() -> io::Result<OwnedFd> {
    let kind = rustix::net::sockopt::socket_type(io::stdin())?;
    if kind != rustix::net::SocketType::SEQPACKET {
        return Err(io::Error::other("not a SOCK_SEQPACKET socket"));
    }
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), WORKER_SOCKET + 1)?;
    // Number 0 must stay taken, or the next descriptor would become somebody's standard input.
    let null = File::open("/dev/null")?;
    redirect(null.as_raw_fd(), libc::STDIN_FILENO)?;
    Ok(socket)
}
