//! Sound files of this very system, thousands of them: none may be called anything but clean.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt};
use lazaret_engine_protocol::ScanVerdict;
use support::TestEngine;

/// Programs, libraries, documents, source text.
const FOLDERS: &[&str] =
    &["/usr/bin", "/usr/share/doc", "/usr/lib/python3", "/usr/share/perl", "/usr/include", "/etc", "/usr/lib"];

/// Files of at most this many bytes are small; of these and of the larger ones, so many are taken of each folder.
const SMALL_BYTES: u64 = 128 << 10;
const SMALL_FILES: usize = 600;
const LARGE_FILES: usize = 100;

/// Larger ones only cost time.
const MAX_BYTES: u64 = 16 << 20;

/// Extensions of which all files are taken: packed once more, so that most can go wrong.
const PACKED: &[&str] = &["gz", "xz", "bz2", "zip", "jar", "whl", "tar", "tgz"];

fn files_below(folder: &Path, found: &mut Vec<(u64, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.is_dir() {
            files_below(&entry.path(), found);
        } else if metadata.is_file() && metadata.len() <= MAX_BYTES {
            found.push((metadata.len(), entry.path()));
        }
    }
}

/// Files spread over the folder, in both sizes, and all that are packed.
fn sample(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files_below(Path::new(folder), &mut found);
    let is_packed = |path: &Path| path.extension().is_some_and(|end| PACKED.iter().any(|packed| end == *packed));
    let (packed, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, path)| is_packed(path));
    let (small, large): (Vec<_>, Vec<_>) = others.into_iter().partition(|(bytes, _)| *bytes <= SMALL_BYTES);
    let spread = |files: Vec<(u64, PathBuf)>, most: usize| {
        let step = files.len().div_ceil(most).max(1);
        files.into_iter().step_by(step)
    };
    spread(small, SMALL_FILES).chain(spread(large, LARGE_FILES)).chain(packed).map(|(_, path)| path).collect()
}

#[tokio::test]
#[ignore = "what is installed differs from machine to machine: `make test-corpus`"]
async fn sound_files_of_this_system_are_clean() {
    let test = TestEngine::start().await;
    let paths: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| sample(folder)).collect();
    let count = paths.len();
    let scans = paths.into_iter().map(|path| async {
        let content = fs::read(&path).ok()?;
        Some((test.scan(&content).await, path))
    });
    let verdicts: Vec<(ScanVerdict, PathBuf)> =
        stream::iter(scans).buffer_unordered(4).filter_map(std::future::ready).collect().await;
    let alarms: Vec<_> = verdicts.iter().filter(|(verdict, _)| *verdict != ScanVerdict::Clean).collect();
    println!("{} of {count} files read", verdicts.len());
    assert!(alarms.is_empty(), "{} false alarms: {alarms:#?}", alarms.len());
}
