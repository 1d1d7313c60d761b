//! Parts of root's power, of which the host keeps what its workers' life needs, and a worker nothing.

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

pub(super) const NONE: CapabilitySet = CapabilitySet::empty();

pub(super) fn effective() -> io::Result<CapabilitySet> {
    Ok(capabilities(None)?.effective)
}

/// Drops all but `kept`; also what a program that is started could gain, if this process may change that.
pub(super) fn keep(kept: CapabilitySet) -> io::Result<()> {
    if effective()?.contains(CapabilitySet::SETPCAP) {
        bound(kept)?;
    }
    clear_ambient_capability_set()?;
    Ok(set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: NONE })?)
}

/// The set that no program which is started can go beyond.
pub(super) fn bound(kept: CapabilitySet) -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !kept.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            Err(Errno::INVAL) => break, // beyond the last one that this kernel knows
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
