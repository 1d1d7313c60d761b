//! The runner's settings, all read at the start.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where the runner listens, what it may run, and where it leaves its files.
#[derive(Debug, Clone)]
pub struct Config {
    /// `LAZARET_RUNNER_SOCKET`: the Unix socket of the API.
    pub socket: PathBuf,
    /// `LAZARET_RUNNER_IMAGES`: the image list, read again for each container (see [`crate::images`]).
    pub images: PathBuf,
    /// `LAZARET_RUNNER_DIR`: holds `logs/`, `work/`, `running/` and `usage.jsonl`.
    pub directory: PathBuf,
}

impl Config {
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
        Ok(Self {
            socket: path("LAZARET_RUNNER_SOCKET")?,
            images: path("LAZARET_RUNNER_IMAGES")?,
            directory: path("LAZARET_RUNNER_DIR")?,
        })
    }

    /// One file a container, named after it; kept when the container is removed.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// One scratch directory a container: its working directory, HOME and TMPDIR; gone with the container.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// One file `<name>.pid` for each container that runs now: for tests that kill a worker, and for people.
    #[must_use]
    pub fn running(&self) -> PathBuf {
        self.directory.join("running")
    }

    /// One JSON line for each finished container.
    #[must_use]
    pub fn usage(&self) -> PathBuf {
        self.directory.join("usage.jsonl")
    }

    pub(crate) fn create_directories(&self) -> anyhow::Result<()> {
        // A runner that was killed could not clear these two: nothing in them is alive any more.
        for stale in [self.work(), self.running()] {
            remove_tree(&stale)?;
        }
        for directory in [self.logs(), self.work(), self.running()] {
            std::fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        }
        Ok(())
    }
}

fn remove_tree(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
