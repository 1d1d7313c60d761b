//! A worker of root's host is not root: it has a user that owns nothing but its scratch directory, no group, no capability.
//!
//! A host that is not root has nobody to become, and its workers stay its user; so it is in the deployed image, whose user owns
//! nothing but scratch either.

use std::io;

use rustix::process::{Gid, Uid, geteuid, getuid};
use rustix::thread::{CapabilitySet, set_thread_groups, set_thread_res_gid, set_thread_res_uid, set_thread_uid};

use super::capabilities;

/// The user and the group of nobody, by convention of the kernel and of all distributions.
const NOBODY: u32 = 65_534;

/// What root's host needs to start workers of another user, to end them, and to clear up after them.
pub(super) const NEEDED: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP) // to empty the workers' bounding set
    .union(CapabilitySet::CHOWN) // to make them scratch directories
    .union(CapabilitySet::DAC_OVERRIDE) // to empty these,
    .union(CapabilitySet::FOWNER) // sticky ones as well
    .union(CapabilitySet::KILL);

/// Whom workers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub user: Uid,
    pub group: Gid,
}

/// Whom workers are to run as; an error if the host is root and cannot become anybody else.
pub(super) fn plan() -> io::Result<Option<Identity>> {
    if !getuid().is_root() && !geteuid().is_root() {
        return Ok(None);
    }
    let lacking = NEEDED.difference(capabilities::effective()?);
    if !lacking.is_empty() {
        let names: Vec<_> = lacking.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
        return Err(io::Error::other(format!("root without {}", names.join(", "))));
    }
    Ok(Some(Identity { user: Uid::from_raw(NOBODY), group: Gid::from_raw(NOBODY) }))
}

pub(super) fn take(identity: Option<Identity>) -> io::Result<()> {
    if let Some(Identity { user, group }) = identity {
        capabilities::bound(capabilities::NONE)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
    }
    capabilities::keep(capabilities::NONE)?;
    if identity.is_some() && set_thread_uid(Uid::ROOT).is_ok() {
        return Err(io::Error::other("the worker could become root again"));
    }
    Ok(())
}
