//! Standard error writes nothing from here on: what a worker says while it parses is the file's, not ours.

use std::io;

use crate::process::redirect;

pub(super) fn discard() -> io::Result<()> {
    // Since the step `descriptors`, standard output is `/dev/null`.
    redirect(libc::STDOUT_FILENO, libc::STDERR_FILENO)
}
