//! No program that this process could run gains privileges; seccomp needs that as well.

use std::io;

pub(super) fn gain_none() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}
