//! `lazaret-old-kernel STEP PROGRAM ARGUMENT…`: runs the program as on a system that lacks what this step of the jail needs.
//!
//! For the tests.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(step), Some(program)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: lazaret-old-kernel STEP PROGRAM ARGUMENT…");
        return ExitCode::FAILURE;
    };
    eprintln!("lazaret-old-kernel: {}", run(&step, program, arguments));
    ExitCode::FAILURE
}

/// Returns only if it fails.
fn run(step: &OsString, program: OsString, arguments: impl Iterator<Item = OsString>) -> Box<dyn Error> {
    if let Err(error) = remove(&step.to_string_lossy()) {
        return error;
    }
    Command::new(program).args(arguments).exec().into()
}

fn remove(step: &str) -> Result<(), Box<dyn Error>> {
    let calls = match step {
        "landlock" => {
            vec![libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self]
        }
        "seccomp" => vec![libc::SYS_seccomp],
        // A container that took it from its root.
        "identity" => return Ok(remove_capability_from_bounding_set(CapabilitySet::SETUID)?),
        _ => return Err("no step that can be missing".into()),
    };
    let no_such_call = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let rules: BTreeMap<_, _> = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, no_such_call, std::env::consts::ARCH.try_into()?)?;
    let filter: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&filter)?)
}
