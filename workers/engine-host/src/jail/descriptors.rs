//! Nothing is open but the worker's socket, and `/dev/null` in place of standard input and output.
//!
//! The agent's socket is among what is closed: as long as a worker had it, it could speak to the agent as if it were the host, and
//! the agent could not see the host's end.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::process::redirect;

/// Where a worker has its socket.
pub(super) const SOCKET: RawFd = 3;

/// The socket, at its place, for as long as the process lives: its end is then what tells the host that the worker ended, and the
/// status is known by that time. Standard error stays until the step `output`.
pub(super) fn keep_only(socket: OwnedFd, null: BorrowedFd<'_>) -> io::Result<BorrowedFd<'static>> {
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        redirect(null.as_raw_fd(), standard)?;
    }
    if socket.as_raw_fd() != SOCKET {
        redirect(socket.as_raw_fd(), SOCKET)?;
    }
    // The kernel closes it, with all others, in the next step.
    std::mem::forget(socket);
    let first = libc::c_uint::try_from(SOCKET + 1).expect("a small number");
    // SAFETY: closes descriptors that the host's values in this copy still name; none of these is used or dropped here, since
    // the worker only uses its socket, and ends with `_exit`.
    if unsafe { libc::close_range(first, libc::c_uint::MAX, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and stays so: whatever had its number before was replaced or forgotten, and nothing owns it.
    Ok(unsafe { BorrowedFd::borrow_raw(SOCKET) })
}
