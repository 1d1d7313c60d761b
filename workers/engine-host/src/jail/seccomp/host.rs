//! What the host may not ask of the kernel. It forks workers, speaks over sockets that it has, empties scratch: nothing of this.
//!
//! A list of what is forbidden, not of what is allowed: the host parses no file, and its workers inherit its filter beside their own.

use libc::c_long;
use seccompiler::{BackendError, BpfProgram, SeccompAction};

use super::{Call, always, filter, masked, number};

const FORBIDDEN: &[c_long] = &[
    // the network: sockets in pairs are all that the host makes
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // other programs
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    // other processes: their memory, their descriptors
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // namespaces; `clone3` keeps its flags where no filter sees them, and the C library forks without it
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_clone3,
    // the file system's shape
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_mknodat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // the kernel: parts of it that are large, or that were a way in before
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    // names and clocks of the machine
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// What only x86-64 has: older forms of the above, and ports.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] = &[
    libc::SYS_mknod,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[c_long] = &[libc::SYS_kexec_file_load];

/// x86-64 kernels may know a second form of each call, with this bit, and some more with numbers of their own.
#[cfg(target_arch = "x86_64")]
const X32_BIT: c_long = 0x4000_0000;
#[cfg(target_arch = "x86_64")]
const X32_OWN: std::ops::RangeInclusive<c_long> = 512..=547;

#[cfg(target_arch = "x86_64")]
fn second_forms() -> Vec<Call> {
    let forbidden = [FORBIDDEN, FORBIDDEN_HERE].concat();
    forbidden.into_iter().chain(X32_OWN).map(|call| always(&(call | X32_BIT))).collect()
}
#[cfg(not(target_arch = "x86_64"))]
fn second_forms() -> Vec<Call> {
    Vec::new()
}

/// A fork into a namespace of its own.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

fn fork_into_namespaces() -> Result<Call, BackendError> {
    let rules = NAMESPACES.iter().map(|flag| masked(0, number(*flag), number(*flag)));
    Ok((libc::SYS_clone, rules.collect::<Result<_, _>>()?))
}

pub(super) fn filters() -> Result<Vec<BpfProgram>, BackendError> {
    let forbidden = [FORBIDDEN, FORBIDDEN_HERE].concat();
    let calls = forbidden.iter().map(always).chain(second_forms()).chain([fork_into_namespaces()?]);
    Ok(vec![filter(calls, SeccompAction::KillProcess, SeccompAction::Allow)?])
}
