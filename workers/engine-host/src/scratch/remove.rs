//! Removing what hostile hands may have made: links, directories without permissions, a million of either, any depth.
//!
//! By descriptors and never by paths that a worker could bend; links themselves go, and not what they point to.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, fchmod, openat, unlinkat};
use rustix::io::{Errno, Result};

/// Directories within directories that a living worker may leave; each costs a descriptor and some stack. libclamav leaves few.
const MAX_DEPTH: u32 = 32;

/// Empties the directory of a worker that lives, and may change things meanwhile.
pub(super) fn while_it_lives(directory: &Path) -> Result<()> {
    empty(&open(CWD, directory)?, MAX_DEPTH)
}

fn empty(directory: &OwnedFd, depth: u32) -> Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_dots(name) || !is_directory_left(directory, name)? {
            continue;
        }
        let below = open(directory, name)?;
        empty(&below, depth.checked_sub(1).ok_or(Errno::LOOP)?)?;
        unlinkat(directory, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Removes a directory, if it is there, with all in it. Its worker has ended: nobody changes anything meanwhile.
///
/// One descriptor and no recursion, so that no depth of directories is too much; permissions that are in the way are changed.
pub(super) fn after_its_end(directory: &Path) -> Result<()> {
    let name = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| Errno::INVAL);
    let parent = open(CWD, directory.parent().ok_or(Errno::INVAL)?)?;
    let mut names = vec![name(directory.file_name().ok_or(Errno::INVAL)?)?];
    match is_directory_left(&parent, &names[0]) {
        Ok(true) => {}
        Ok(false) | Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut here = open_by_force(&parent, &names[0])?;
    while let Some(name) = names.last() {
        if let Some(below) = first_directory(&here)? {
            here = open_by_force(&here, &below)?;
            names.push(below);
        } else {
            here = open(&here, c"..")?;
            unlinkat(&here, name, AtFlags::REMOVEDIR)?;
            names.pop();
        }
    }
    Ok(())
}

/// Removes files and empty directories up to the first directory that is not empty; its name.
fn first_directory(directory: &OwnedFd) -> Result<Option<CString>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_dots(name) && is_directory_left(directory, name)? {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Removes a file, a link or an empty directory; whether it is a directory that is not empty.
fn is_directory_left(parent: &OwnedFd, name: &CStr) -> Result<bool> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(true),
            removed => removed.map(|()| false),
        },
        removed => removed.map(|()| false),
    }
}

fn open(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Opens a directory of a worker that has ended, with all permissions.
fn open_by_force(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd> {
    let opened = match open(parent, name) {
        Err(Errno::ACCESS) => {
            // Follows links, but this is a directory, and nobody is left who could put a link in its place.
            chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open(parent, name)?
        }
        opened => opened?,
    };
    fchmod(&opened, Mode::RWXU)?;
    Ok(opened)
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::mkdirat;

    use super::*;

    /// A scratch directory beside something that must stay.
    fn scratch() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("kept")).expect("made");
        fs::write(directory.path().join("kept/file"), "stays").expect("written");
        let scratch = directory.path().join("scratch");
        fs::create_dir(&scratch).expect("made");
        (directory, scratch)
    }

    fn deep(scratch: &Path, levels: usize) {
        let mut here = open(CWD, scratch).expect("open");
        for _ in 0..levels {
            mkdirat(&here, "d", Mode::RWXU).expect("made");
            here = open(&here, c"d").expect("open");
        }
    }

    #[test]
    fn links_go_and_what_they_point_to_stays() {
        for remove in [while_it_lives, after_its_end] {
            let (directory, scratch) = scratch();
            fs::create_dir(scratch.join("below")).expect("made");
            symlink("../kept", scratch.join("relative")).expect("linked");
            symlink(directory.path().join("kept"), scratch.join("below/absolute")).expect("linked");
            symlink("nowhere", scratch.join("below/nowhere")).expect("linked");
            fs::hard_link(directory.path().join("kept/file"), scratch.join("hard")).expect("linked");
            remove(&scratch).expect("removed");
            assert!(!scratch.exists() || fs::read_dir(&scratch).expect("readable").next().is_none());
            assert_eq!(fs::read_to_string(directory.path().join("kept/file")).expect("there"), "stays");
        }
    }

    #[test]
    fn a_scratch_directory_that_became_a_link_leads_nowhere() {
        let (directory, scratch) = scratch();
        fs::remove_dir(&scratch).expect("removed");
        symlink("kept", &scratch).expect("linked");
        assert!(while_it_lives(&scratch).is_err());
        after_its_end(&scratch).expect("removed");
        assert!(fs::symlink_metadata(&scratch).is_err() && directory.path().join("kept/file").exists());
    }

    #[test]
    fn directories_without_permissions_go_with_their_worker() {
        // Root may pass them anyway; the test of the image's user runs this for another.
        let (_directory, scratch) = scratch();
        fs::create_dir_all(scratch.join("closed/below")).expect("made");
        fs::write(scratch.join("closed/below/file"), "left").expect("written");
        for path in ["closed/below", "closed", ""] {
            fs::set_permissions(scratch.join(path), Permissions::from_mode(0o000)).expect("ours");
        }
        after_its_end(&scratch).expect("removed");
        assert!(!scratch.exists());
        after_its_end(&scratch).expect("nothing is left to do");
    }

    #[test]
    fn no_depth_is_too_much_once_the_worker_has_ended() {
        let (_directory, scratch) = scratch();
        deep(&scratch, 3_000);
        assert_eq!(while_it_lives(&scratch), Err(Errno::LOOP));
        after_its_end(&scratch).expect("removed");
        assert!(!scratch.exists());
    }
}
