//! When memory runs out, a worker goes before the host with the definitions, and before the agent.

use std::{fs, io};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

pub(super) fn go_first() -> io::Result<()> {
    // What is not dumpable belongs to root in /proc, so that any other user could not write this. Nothing of a file was read
    // yet: there is nothing to dump.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    fs::write("/proc/self/oom_score_adj", "1000")?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
