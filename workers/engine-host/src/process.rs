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

/// Numbers from here on are neither standard ones nor a worker's socket.
const FIRST_FREE: RawFd = 4;

/// Starts a copy of this process; `work` runs in it, and its number is the exit status.
///
/// # Errors
/// If there is no memory or no process left.
pub fn fork(work: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the host has one thread, so no lock is held by a thread that the copy lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Nothing may unwind into the host's frames: the copy would go on as a second host.
            let status = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: ends the copy at once, without the host's exit handlers or destructors.
            unsafe { libc::_exit(status.unwrap_or(PANICKED)) }
        }
        pid => Ok(Pid::from_raw(pid).expect("fork answers the parent with a pid")),
    }
}

/// Makes the number `to` name what `from` names.
pub(crate) fn redirect(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: `dup2` touches no memory. The numbers replaced are the standard ones and, in a worker, its socket's, which no value
    // that is used there owns.
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
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), FIRST_FREE)?;
    // Number 0 must stay taken, or the next descriptor would become somebody's standard input.
    let null = File::open("/dev/null")?;
    redirect(null.as_raw_fd(), libc::STDIN_FILENO)?;
    Ok(socket)
}
