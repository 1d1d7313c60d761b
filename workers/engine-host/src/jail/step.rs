//! The steps: their names, their order, and which of them a kernel may lack.

/// One step, in a file of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    OomScore,
    Descriptors,
    WorkingDirectory,
    Environment,
    Capabilities,
    Identity,
    ParentDeath,
    Privileges,
    Dumpable,
    ResourceLimits,
    Landlock,
    Output,
    Seccomp,
}

impl Step {
    /// The host's own, once it is loaded and before it forks.
    pub const HOST: &'static [Self] = &[
        Self::Environment,
        Self::Privileges,
        Self::Dumpable,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp, // after all that it forbids
    ];

    /// As a worker is forked, before anything of an engine runs in it.
    pub const FORK: &'static [Self] = &[
        Self::OomScore,
        Self::Descriptors,
        Self::WorkingDirectory, // while it still may enter it: what leads there may be root's alone
    ];

    /// In the worker, once the engine has its scratch directory.
    pub const WORKER: &'static [Self] = &[
        Self::Environment,
        Self::Identity,
        Self::ParentDeath, // a change of identity undoes it
        Self::Privileges,
        Self::Dumpable, // a change of identity may undo it
        Self::ResourceLimits,
        Self::Landlock,
        Self::Output, // from here on errors are seen as exit statuses alone
        Self::Seccomp,
    ];

    /// Those that a kernel, or a container, may lack, and that an owner may decide to do without.
    pub const OPTIONAL: &'static [Self] = &[Self::Identity, Self::Landlock, Self::Seccomp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::OomScore => "oom_score",
            Self::Descriptors => "descriptors",
            Self::WorkingDirectory => "working_directory",
            Self::Environment => "environment",
            Self::Capabilities => "capabilities",
            Self::Identity => "identity",
            Self::ParentDeath => "parent_death",
            Self::Privileges => "privileges",
            Self::Dumpable => "dumpable",
            Self::ResourceLimits => "resource_limits",
            Self::Landlock => "landlock",
            Self::Output => "output",
            Self::Seccomp => "seccomp",
        }
    }

    /// An optional step, as `--allow-missing` names it.
    pub fn optional(name: &str) -> Option<Self> {
        Self::OPTIONAL.iter().copied().find(|step| step.name() == name)
    }

    /// A step of a worker.
    pub fn of_worker(name: &str) -> Option<Self> {
        Self::WORKER.iter().copied().find(|step| step.name() == name)
    }
}
