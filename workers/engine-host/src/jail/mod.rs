//! What a worker may do: scan what it is handed, unpack into its own scratch, answer. Nothing else.
//!
//! One file a step, named after what it takes away or what the kernel calls it. The order is [`Step::HOST`], then, for each worker,
//! [`Step::FORK`] and [`Step::WORKER`]; `docs/sandbox.md` lists the steps in the same order, with what each stops.

mod capabilities;
mod descriptors;
mod dumpable;
mod environment;
mod identity;
mod landlock;
mod oom_score;
mod output;
mod parent_death;
mod privileges;
mod resource_limits;
mod seccomp;
mod step;
mod working_directory;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lazaret_engine_protocol::Limits;
use rustix::process::{Pid, getpid};

use crate::process;
pub use identity::Identity;
pub use step::Step;

/// What the jail must leave to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Reads what it is handed, unpacks into scratch, answers.
    Scan,
    /// Reads what it is handed and answers: no file is opened or made.
    Match,
}

#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// Not here, and nobody decided to do without.
    #[error(
        "this system lacks `{step}`, a step of the jail ({source}); whoever accepts that starts the engine with \
         `--allow-missing {step}`, a deployment sets LAZARET_JAIL_ALLOW_MISSING"
    )]
    Missing {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    /// The process must not go on.
    #[error("the jail's step `{step}` failed: {source}")]
    Failed {
        step: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Which of the optional steps this system has.
#[derive(Debug)]
pub struct Available {
    missing: Vec<Step>,
    identity: Option<Identity>,
}

impl Available {
    /// Looks, before anything is loaded. A step that the system lacks is an error, unless `allowed` names it.
    ///
    /// # Errors
    /// Names the first step that is missing.
    pub fn probe(allowed: &[Step]) -> Result<Self, JailError> {
        let mut missing = Vec::new();
        let identity = available(Step::Identity, identity::plan(), allowed, &mut missing)?.flatten();
        available(Step::Landlock, landlock::probe(), allowed, &mut missing)?;
        available(Step::Seccomp, seccomp::probe(), allowed, &mut missing)?;
        Ok(Self { missing, identity })
    }

    /// Whom workers run as, and whose their scratch directories must be; `None` if they run as the host does.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }
}

/// What is the same for all workers of a host.
#[derive(Debug)]
pub struct Jail {
    host: Pid,
    limits: Limits,
    available: Available,
    oom_score: oom_score::OomScore,
    null: File,
    filters: seccomp::Filters,
    /// Of the host when it forks: the definitions, above all. A worker's limit counts from there.
    mapped_bytes: u64,
}

impl Jail {
    /// In the host, once it is loaded and warm: what the steps need that cannot be had later.
    ///
    /// # Errors
    /// Names the step that cannot be prepared.
    pub fn prepare(available: Available, limits: &Limits, profile: Profile) -> Result<Self, JailError> {
        let null = File::options().read(true).write(true).open("/dev/null");
        Ok(Self {
            host: getpid(),
            limits: *limits,
            available,
            oom_score: failing(Step::OomScore, oom_score::OomScore::open())?,
            null: failing(Step::Descriptors, null)?,
            filters: failing(Step::Seccomp, seccomp::Filters::compile(profile))?,
            mapped_bytes: failing(Step::ResourceLimits, resource_limits::mapped_bytes())?,
        })
    }

    /// The steps that are left out.
    pub fn missing(&self) -> Vec<String> {
        self.available.missing.iter().map(|step| step.name().to_owned()).collect()
    }

    /// In the host: the steps for itself. `scratch` is the directory that holds the workers'.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn enter_host(&self, scratch: &Path) -> Result<(), JailError> {
        for step in Step::HOST.iter().filter(|step| !self.available.missing.contains(step)) {
            let taken = match step {
                Step::Environment => environment::clear(),
                Step::Privileges => privileges::gain_none(),
                Step::Dumpable => dumpable::forbid_dumps(),
                Step::Capabilities => {
                    let identity = self.available.identity;
                    capabilities::keep(identity.map_or(capabilities::NONE, |_| identity::NEEDED))
                }
                Step::Landlock => landlock::confine(scratch),
                Step::Seccomp => seccomp::apply(&self.filters.host),
                _ => unreachable!("the host does not take `{}`", step.name()),
            };
            failing(*step, taken)?;
        }
        Ok(())
    }

    /// Starts a worker with all of [`Step::FORK`]; `work` runs in it, and its number is the exit status.
    ///
    /// # Errors
    /// If there is no memory or no process left.
    pub fn fork(&self, socket: OwnedFd, scratch: &Path, work: impl FnOnce(BorrowedFd<'_>) -> i32) -> io::Result<Pid> {
        self.oom_score.raised(|| {
            process::fork(|| {
                let entered = descriptors::keep_only(socket, self.null.as_fd())
                    .and_then(|socket| working_directory::enter(scratch).map(|()| socket));
                match entered {
                    Ok(socket) => work(socket),
                    Err(error) => {
                        eprintln!("a worker cannot start: {error}");
                        libc::EXIT_FAILURE
                    }
                }
            })
        })
    }

    /// In a worker: all of [`Step::WORKER`] that are not missing. After them it can only scan.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn enter(&self) -> Result<(), JailError> {
        self.enter_only(Step::WORKER)
    }

    /// Some steps only, always in the jail's order: for the tests which show that each one holds alone.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn enter_only(&self, steps: &[Step]) -> Result<(), JailError> {
        let wanted = |step: &&Step| steps.contains(step) && !self.available.missing.contains(step);
        for step in Step::WORKER.iter().filter(wanted) {
            let taken = match step {
                Step::Environment => environment::check(),
                Step::Identity => identity::take(self.available.identity),
                Step::ParentDeath => parent_death::end_with(self.host),
                Step::Privileges => privileges::gain_none(),
                Step::Dumpable => dumpable::forbid_dumps(),
                Step::ResourceLimits => resource_limits::set(&self.limits, self.mapped_bytes),
                Step::Landlock => landlock::confine(Path::new(working_directory::SCRATCH)),
                Step::Output => output::discard(),
                Step::Seccomp => seccomp::apply(&self.filters.worker),
                _ => unreachable!("a worker does not take `{}`", step.name()),
            };
            failing(*step, taken)?;
        }
        Ok(())
    }
}

/// A worker's scratch directory, as the worker names it.
pub const SCRATCH: &str = working_directory::SCRATCH;

/// What a probe found; `None` if there is nothing, and that is allowed.
fn available<T>(
    step: Step,
    probed: io::Result<T>,
    allowed: &[Step],
    missing: &mut Vec<Step>,
) -> Result<Option<T>, JailError> {
    match probed {
        Ok(found) => Ok(Some(found)),
        Err(error) if allowed.contains(&step) => {
            eprintln!(
                "THE JAIL IS INCOMPLETE: this system lacks `{}` ({error}), and `--allow-missing` says to do without",
                step.name()
            );
            missing.push(step);
            Ok(None)
        }
        Err(source) => Err(JailError::Missing { step: step.name(), source }),
    }
}

fn failing<T>(step: Step, result: io::Result<T>) -> Result<T, JailError> {
    result.map_err(|source| JailError::Failed { step: step.name(), source })
}
