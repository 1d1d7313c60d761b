//! A worker ends with its host.

use std::io;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

pub(super) fn end_with(host: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before the line above.
    if getppid() == Some(host) { Ok(()) } else { Err(io::Error::other("the host ended first")) }
}
