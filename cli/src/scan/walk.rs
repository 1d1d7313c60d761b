//! The files below an argument, in the order of their names.
//!
//! Links are followed where an argument is one, and nowhere below: so there are no loops. What is neither file nor folder is
//! named and left out, and so are file systems that the kernel makes up.

use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What lies below an argument.
#[derive(Debug)]
pub enum Found {
    File {
        path: PathBuf,
        /// It is the argument itself: a link is followed.
        named: bool,
    },
    /// A link below the argument.
    Link,
    /// Not to be scanned, and why.
    Skipped { path: PathBuf, why: &'static str },
    /// A folder or an argument that can't be read: what is in it was not scanned.
    Unreadable { path: PathBuf, error: io::Error },
}

/// File systems whose files are questions to the kernel: some never end, some do things when they are read.
const KERNELS: &[(i64, &str)] = &[
    (0x0000_9fa0, "the kernel's processes (procfs)"),
    (0x6265_6572, "the kernel's devices (sysfs)"),
    (0x6462_6720, "the kernel's debug files (debugfs)"),
    (0x7472_6163, "the kernel's traces (tracefs)"),
    (0x6367_7270, "the kernel's control groups"),
    (0x0027_e0eb, "the kernel's control groups"),
    (0x7363_6673, "the kernel's security files (securityfs)"),
    (0xcafe_4a11, "the kernel's BPF programs"),
];

/// Tells what lies below `argument` until `tell` does not want to hear more. Blocks.
pub fn walk(argument: &Path, mut tell: impl FnMut(Found) -> bool) {
    let kind = match fs::metadata(argument) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => {
            tell(Found::Unreadable { path: argument.to_owned(), error });
            return;
        }
    };
    if kind.is_file() {
        tell(Found::File { path: argument.to_owned(), named: true });
    } else if kind.is_dir() {
        walk_folder(argument.to_owned(), &mut tell);
    } else {
        // whoever names it wants to know what is in it: leaving it out is no success
        let error = io::Error::new(io::ErrorKind::InvalidInput, format!("it is {}", special(kind)));
        tell(Found::Unreadable { path: argument.to_owned(), error });
    }
}

/// Depth first, without recursion: a folder may be as deep as it likes.
fn walk_folder(root: PathBuf, tell: &mut impl FnMut(Found) -> bool) {
    let mut stack: Vec<(PathBuf, std::vec::IntoIter<Entry>)> = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(folder) = next.take() {
            match open(&folder) {
                Ok(Opened::Entries(entries)) => stack.push((folder, entries.into_iter())),
                Ok(Opened::Kernels(why)) => {
                    if !tell(Found::Skipped { path: folder, why }) {
                        return;
                    }
                }
                Err(error) => {
                    if !tell(Found::Unreadable { path: folder, error }) {
                        return;
                    }
                }
            }
        }
        let Some((folder, entries)) = stack.last_mut() else { return };
        let Some(Entry { name, kind }) = entries.next() else {
            stack.pop();
            continue;
        };
        let path = folder.join(name);
        let found = match kind {
            Ok(kind) if kind.is_dir() => {
                next = Some(path);
                continue;
            }
            Ok(kind) if kind.is_file() => Found::File { path, named: false },
            Ok(kind) if kind.is_symlink() => Found::Link,
            Ok(kind) => Found::Skipped { path, why: special(kind) },
            Err(error) => Found::Unreadable { path, error },
        };
        if !tell(found) {
            return;
        }
    }
}

/// A name in a folder. Its kind is usually known without another call.
struct Entry {
    name: OsString,
    kind: io::Result<FileType>,
}

enum Opened {
    Entries(Vec<Entry>),
    Kernels(&'static str),
}

fn open(folder: &Path) -> io::Result<Opened> {
    let kind = rustix::fs::statfs(folder)?.f_type;
    #[allow(clippy::useless_conversion, reason = "the type differs between platforms")]
    let kind = i64::from(kind);
    if let Some((_, why)) = KERNELS.iter().find(|(magic, _)| *magic == kind) {
        return Ok(Opened::Kernels(why));
    }
    let entry = |entry: DirEntry| Entry { name: entry.file_name(), kind: entry.file_type() };
    let mut entries: Vec<Entry> = fs::read_dir(folder)?.map(|found| found.map(entry)).collect::<io::Result<_>>()?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Opened::Entries(entries))
}

fn special(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "no file",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn below(argument: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        walk(argument, |found| {
            let name = |path: &Path| path.strip_prefix(argument).expect("below").display().to_string();
            lines.push(match &found {
                Found::File { path, named } => format!("file {} {named}", name(path)),
                Found::Link => "link".into(),
                Found::Skipped { path, why } => format!("skipped {}: {why}", name(path)),
                Found::Unreadable { path, .. } => format!("unreadable {}", name(path)),
            });
            true
        });
        lines
    }

    #[test]
    fn all_files_are_found_in_order_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for (name, text) in [("b", "1"), ("a/z", "2"), ("a/y/x", ""), ("c", "3")] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        symlink(root, root.join("a/loop")).expect("linked");
        symlink("nowhere", root.join("dangling")).expect("linked");
        let pipe = root.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let expected = [
            "link",
            "file a/y/x false",
            "file a/z false",
            "file b false",
            "file c false",
            "link",
            "skipped pipe: a pipe",
        ];
        assert_eq!(below(root), expected);
        assert_eq!(below(&root.join("b")), ["file  true"]);
        assert_eq!(below(&pipe), ["unreadable "]);
        assert_eq!(below(&root.join("missing")), ["unreadable "]);
        let link = root.join("link-to-a");
        symlink(root.join("a"), &link).expect("linked");
        assert_eq!(below(&link).len(), 3, "an argument that is a link is followed");
    }

    #[test]
    fn what_the_kernel_makes_up_is_named_and_left_out() {
        assert_eq!(below(Path::new("/proc")), ["skipped : the kernel's processes (procfs)"]);
    }

    #[test]
    fn a_walk_ends_when_nobody_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let mut heard = 0;
        walk(folder.path(), |_| {
            heard += 1;
            heard < 2
        });
        assert_eq!(heard, 2);
    }
}
