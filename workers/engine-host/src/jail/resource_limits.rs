//! What a worker can use up: memory, the size of a file, descriptors, processes. Its time is the host's to watch.

use std::fs;
use std::io;

use lazaret_engine_protocol::{Limits, MAX_FILE_BYTES};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a worker may have: its socket, the file, and what is unpacked, one for each level of nesting and some.
const FILES: u64 = 256;

/// `mapped_bytes` is what the worker shares with its host.
pub(super) fn set(limits: &Limits, mapped_bytes: u64) -> io::Result<()> {
    // A file that is mapped counts like any other memory, so the largest that there may be is added.
    let file_bytes = limits.max_file_bytes.max(limits.max_member_bytes).min(MAX_FILE_BYTES);
    let memory_bytes = mapped_bytes.saturating_add(file_bytes).saturating_add(limits.memory_bytes);
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Fsize, limits.max_member_bytes)?;
    limit(Resource::Nofile, FILES)?;
    limit(Resource::Nproc, 0)?; // counts for all users but root
    limit(Resource::Memlock, 0)?;
    limit(Resource::Msgqueue, 0)
}

/// Never above what the container grants.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let value = getrlimit(resource).maximum.map_or(value, |most| most.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Addresses that this process has in use.
pub(super) fn mapped_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.strip_suffix("kB")?.trim().parse().ok());
    size.and_then(|kib: u64| kib.checked_mul(1024)).ok_or_else(|| io::Error::other("unreadable /proc/self/status"))
}
