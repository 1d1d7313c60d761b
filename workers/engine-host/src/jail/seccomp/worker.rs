//! What a worker may ask of the kernel. Who needs a call stands beside it; a call that is not here ends the worker with SIGSYS.
//!
//! Paths are landlock's to judge: a filter sees only the pointer.

use libc::c_long;
use seccompiler::{BackendError, BpfProgram, SeccompAction};

use super::{Call, always, equals, filter, masked, number};
use crate::jail::{Profile, descriptors};

/// Every engine.
const ALWAYS: &[c_long] = &[
    // The file, and what was unpacked of it: libclamav reads, the walker reads at a position.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx, // Rust's form of the two before
    libc::SYS_close,
    libc::SYS_dup, // libclamav, for libraries that close what they are handed
    // A panic's message, to standard error, which is `/dev/null`; and what is unpacked.
    libc::SYS_write,
    libc::SYS_writev,
    // Memory: the allocators of C and Rust. `mmap` and `mprotect` are below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap, // large vectors grow with it
    libc::SYS_madvise,
    // Time, where the kernel's page for it is not mapped.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_times, // libclamav
    // The keys of Rust's hash maps.
    libc::SYS_getrandom,
    libc::SYS_sched_yield, // locks of C and Rust that are taken twice
    // A panic's message names the thread; libclamav's names of temporary files come of the process.
    libc::SYS_gettid,
    libc::SYS_getpid,
    // The handlers for SIGSEGV and SIGBUS that Rust and wasmtime install tell a stack that ran over from other faults, then give
    // the signal back to the kernel, which ends the worker.
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    // The end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Engines that unpack into scratch.
const UNPACKING: &[c_long] = &[
    libc::SYS_openat, // landlock says where
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_getdents64, // libclamav lists the directories that it unpacks archives into
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_faccessat,
    libc::SYS_getcwd, // libxml2, for documents that libclamav opens under a name
    libc::SYS_fchmod,
    libc::SYS_fchmodat, // libclamav, to remove what it unpacked without permissions
];

/// The same, as programs for x86-64 have called them since before the forms above. No other machine has these.
#[cfg(target_arch = "x86_64")]
const UNPACKING_BY_PATH: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_chmod,
];
#[cfg(not(target_arch = "x86_64"))]
const UNPACKING_BY_PATH: &[c_long] = &[];

#[cfg(target_arch = "x86_64")]
const TIME: &[c_long] = &[libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const TIME: &[c_long] = &[];

/// Neither allowed nor deadly: libraries ask for these, and go on by other means where there are none.
const ABSENT: &[c_long] = &[
    libc::SYS_copy_file_range, // Rust's copy from file to file reads and writes instead
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_sysinfo, // the C library's `qsort` asks how much memory there is
];

/// What `fcntl` may do: tell about descriptors and copy them. Not: locks, leases, seals, signals, or changing the state that the
/// agent shares with the worker through the file.
const DESCRIPTOR_COMMANDS: &[libc::c_int] =
    &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];

/// What `futex` may do: wait and wake, without the kinds that lend priorities and move waiters.
const FUTEX_OPERATIONS: &[libc::c_int] =
    &[libc::FUTEX_WAIT, libc::FUTEX_WAKE, libc::FUTEX_WAIT_BITSET, libc::FUTEX_WAKE_BITSET];

fn under_conditions() -> Result<Vec<Call>, BackendError> {
    let not_executable = || masked(2, number(libc::PROT_EXEC), 0);
    let on_the_socket = || equals(0, number(descriptors::SOCKET));
    let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    Ok(vec![
        // The file, the members, large allocations. Nothing that is written can be run.
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]), // the C library's second heap
        // Requests and replies. A descriptor that a request brought is no socket to speak to.
        (libc::SYS_recvmsg, vec![on_the_socket()?]),
        (libc::SYS_sendmsg, vec![on_the_socket()?]),
        (
            libc::SYS_fcntl,
            DESCRIPTOR_COMMANDS.iter().map(|command| equals(1, number(*command))).collect::<Result<_, _>>()?,
        ),
        (
            libc::SYS_futex,
            FUTEX_OPERATIONS
                .iter()
                .map(|operation| masked(1, u64::from(u32::MAX) & !number(flags), number(*operation)))
                .collect::<Result<_, _>>()?,
        ),
    ])
}

pub(super) fn filters(profile: Profile) -> Result<Vec<BpfProgram>, BackendError> {
    let mut allowed: Vec<Call> = [ALWAYS, TIME, ABSENT].concat().iter().map(always).collect();
    allowed.extend(under_conditions()?);
    match profile {
        Profile::Scan => allowed.extend([UNPACKING, UNPACKING_BY_PATH].concat().iter().map(always)),
        Profile::Match => {}
    }
    let no_such_call = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    Ok(vec![
        filter(ABSENT.iter().map(always), no_such_call, SeccompAction::Allow)?,
        filter(allowed, SeccompAction::Allow, SeccompAction::KillProcess)?,
    ])
}
