//! One directory, and nothing else of the file system; no TCP; no signals and no abstract sockets to the outside.
//!
//! The file system is required; what newer kernels add (4: TCP, 6: signals and abstract sockets) is taken where it is there,
//! since seccomp forbids it in any case.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};

/// `landlock_create_ruleset` answers with the version of its interface if it is asked with this flag.
const CREATE_RULESET_VERSION: libc::c_uint = 1;

/// Whether there is a landlock, and it is switched on.
pub(super) fn probe() -> io::Result<()> {
    // SAFETY: with a null pointer, no size and this flag the call reads and writes no memory.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, CREATE_RULESET_VERSION)
    };
    if version >= 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What may be done in the directory. No program is run, no link, socket, pipe or device is made, nothing is moved.
fn granted() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir})
}

/// From here on this process and those that it forks see only `directory`; what is open already stays open.
pub(super) fn confine(directory: &Path) -> io::Result<()> {
    let directory = PathFd::new(directory).map_err(io::Error::other)?;
    match restrict(directory).map_err(io::Error::other)? {
        RulesetStatus::NotEnforced => Err(io::Error::other("not enforced")),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

fn restrict(directory: PathFd) -> Result<RulesetStatus, RulesetError> {
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rule(PathBeneath::new(directory, granted()))?
        .restrict_self()?;
    Ok(restricted.ruleset)
}
