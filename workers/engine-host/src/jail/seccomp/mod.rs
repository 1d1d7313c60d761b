//! The system calls: a worker has a list of those that it may make, the host one of those that it may not. Any other ends it.

mod host;
mod worker;

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use super::Profile;

/// One call, under a condition or always.
type Call = (libc::c_long, Vec<SeccompRule>);

/// Compiled in the host, so that a worker has nothing to do but to hand them to the kernel.
pub(super) struct Filters {
    pub(super) host: Vec<BpfProgram>,
    pub(super) worker: Vec<BpfProgram>,
}

impl std::fmt::Debug for Filters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Filters").finish_non_exhaustive()
    }
}

impl Filters {
    pub(super) fn compile(profile: Profile) -> io::Result<Self> {
        Ok(Self {
            host: host::filters().map_err(io::Error::other)?,
            worker: worker::filters(profile).map_err(io::Error::other)?,
        })
    }
}

/// Whether this kernel has filters that can end a process.
pub(super) fn probe() -> io::Result<()> {
    let action = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the kernel reads one number, which outlives the call.
    let known =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, std::ptr::from_ref(&action)) };
    if known == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From here on, and for good. Of several filters the strictest answer counts.
pub(super) fn apply(filters: &[BpfProgram]) -> io::Result<()> {
    filters.iter().try_for_each(|filter| apply_filter(filter).map_err(io::Error::other))
}

/// `matching` happens to the calls in the list, `other` to the rest; and whatever speaks another machine's calls is killed.
fn filter(
    calls: impl IntoIterator<Item = Call>,
    matching: SeccompAction,
    other: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, when) in calls {
        rules.insert(call, when);
    }
    SeccompFilter::new(rules, other, matching, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// The call, whatever its arguments are.
fn always(call: &libc::c_long) -> Call {
    (*call, Vec::new())
}

/// That the argument, a 32-bit number, is `value`.
fn equals(argument: u8, value: u64) -> Result<SeccompRule, BackendError> {
    rule(argument, SeccompCmpOp::Eq, value)
}

/// That of the argument, a 32-bit number, the bits of `mask` are those of `value`.
fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
    rule(argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
}

/// A constant of C as the filter compares it.
const fn number(value: libc::c_int) -> u64 {
    value.cast_unsigned() as u64
}
