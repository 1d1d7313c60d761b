//! Processes, files and their sizes: what a worker can use up.

use std::io;

use lazaret_engine_protocol::Limits;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Descriptors that a worker may have: its socket, the file, and what is unpacked, one for each level of nesting and some.
const FILES: u64 = 256;

pub(super) fn set(limits: &Limits) -> io::Result<()> {
    limit(Resource::Nproc, 0)?;
    limit(Resource::Fsize, limits.max_member_bytes)?;
    limit(Resource::Nofile, FILES)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}
