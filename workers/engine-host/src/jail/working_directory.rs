//! A worker's scratch directory is its working directory, and the only one that it names.
//!
//! So nobody has to open the way there to the workers' user: whoever is in a directory needs no leave to pass those above it.

use std::io;
use std::path::Path;

/// How a worker names its scratch directory.
pub(super) const SCRATCH: &str = ".";

pub(super) fn enter(scratch: &Path) -> io::Result<()> {
    Ok(rustix::process::chdir(scratch)?)
}
