//! The directories that engines unpack into: one for each worker, emptied by the host.

mod remove;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::jail::Identity;

/// How long to wait for an engine before this one to let go: its workers hold the lock until they are reaped.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The engine's own scratch directory.
#[derive(Debug)]
pub struct Scratch {
    directory: PathBuf,
    /// Whose the workers' directories are, if not the host's.
    owner: Option<Identity>,
    /// Holds the lock; two engines in one directory would remove each other's files.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error("another engine uses the scratch directory `{}`", .0.display())]
    Taken(PathBuf),
    #[error("cannot use the scratch directory `{}`: {source}", directory.display())]
    Unusable {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Scratch {
    /// Makes the directory if it is missing, and removes what an engine that was killed left in it.
    ///
    /// # Errors
    /// If another engine uses it, or if it cannot be written.
    pub fn claim(directory: &Path, owner: Option<Identity>) -> Result<Self, ScratchError> {
        let unusable = |source| ScratchError::Unusable { directory: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
        // libclamav keeps the path: a relative one would break with a change of directory.
        let directory = fs::canonicalize(directory).map_err(unusable)?;
        let lock = File::open(&directory).map_err(unusable)?;
        let patience = Instant::now() + LOCK_PATIENCE;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            match error {
                Errno::INTR => {}
                Errno::WOULDBLOCK if Instant::now() < patience => sleep(Duration::from_millis(20)),
                Errno::WOULDBLOCK => return Err(ScratchError::Taken(directory)),
                error => return Err(unusable(error.into())),
            }
        }
        let scratch = Self { directory, owner, _lock: lock };
        scratch.remove_workers().map_err(unusable)?;
        Ok(scratch)
    }

    /// What holds the workers' directories.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// A fresh, empty directory for one worker. The one before it must have ended.
    ///
    /// # Errors
    /// If what is there cannot be removed, or the directory not be made.
    pub fn worker(&self, index: usize) -> io::Result<PathBuf> {
        let directory = self.directory.join(format!("{WORKER_PREFIX}{index}"));
        remove::after_its_end(&directory)?;
        DirBuilder::new().mode(0o700).create(&directory)?;
        if let Some(Identity { user, group }) = self.owner {
            chown(&directory, Some(user.as_raw()), Some(group.as_raw()))?;
        }
        Ok(directory)
    }

    fn remove_workers(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(WORKER_PREFIX.as_bytes()) {
                remove::after_its_end(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.remove_workers() {
            eprintln!("cannot empty the scratch directory `{}`: {error}", self.directory.display());
        }
    }
}

const WORKER_PREFIX: &str = "worker-";

/// Removes what a worker left in its directory; usually there is nothing.
///
/// The worker still lives. What it may do to be in the way, such as taking its own permissions from a directory, is an error: it
/// is to be ended then, and [`Scratch::worker`] removes the rest.
///
/// # Errors
/// If something cannot be removed.
pub fn empty(directory: &Path) -> io::Result<()> {
    Ok(remove::while_it_lives(directory)?)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_workers_go_and_other_files_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("scratch");
        fs::create_dir_all(path.join("worker-7/deep")).expect("made");
        fs::write(path.join("worker-7/deep/left"), "over").expect("written");
        fs::write(path.join("notes"), "not ours").expect("written");
        let scratch = Scratch::claim(&path, None).expect("claimed");
        assert!(!path.join("worker-7").exists() && path.join("notes").exists());
        let worker = scratch.worker(0).expect("made");
        fs::write(worker.join("left"), "over").expect("written");
        empty(&worker).expect("emptied");
        assert_eq!(fs::read_dir(&worker).expect("readable").count(), 0);
        drop(scratch);
        assert!(!worker.exists());
    }

    #[test]
    fn a_directory_serves_one_engine_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Scratch::claim(directory.path(), None).expect("claimed");
        let second = flock(File::open(directory.path()).expect("open"), FlockOperation::NonBlockingLockExclusive);
        assert_eq!(second, Err(Errno::WOULDBLOCK));
        drop(first);
        Scratch::claim(directory.path(), None).expect("free again");
    }
}
