//! Objects for a job, each with the verdict that it must get.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use bytes::Bytes;
use zip::unstable::write::FileOptionsExt;
use zip::write::SimpleFileOptions;

/// Where Debian's package `clamav-testfiles` puts its files.
const TEST_FILES: &str = "/usr/share/clamav-testfiles";
/// Files in that package (1.4.6).
pub const TEST_FILE_COUNT: usize = 44;
/// Ordinary files of any Debian system: programs, libraries, documents, source text.
const SYSTEM_FOLDERS: &[&str] =
    &["/usr/bin", "/usr/share/doc", "/usr/lib/python3", "/usr/share/perl", "/usr/include", "/etc"];
/// Larger system files are left out: the demo shows many objects, not large ones.
const SYSTEM_FILE_BYTES: u64 = 128 * 1024;

/// What a report must say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Clean,
    Infected,
    Unscannable(&'static str),
    Skipped(&'static str),
    /// No row: last modified outside the job's window.
    OutsideWindow,
}

impl Expected {
    /// The `result` and `reason` of the row; `None` if there must be none.
    pub fn row(self) -> Option<(&'static str, Option<&'static str>)> {
        match self {
            Self::Clean => Some(("Clean", None)),
            Self::Infected => Some(("Infected", None)),
            Self::Unscannable(reason) => Some(("Unscannable", Some(reason))),
            Self::Skipped(reason) => Some(("Skipped", Some(reason))),
            Self::OutsideWindow => None,
        }
    }
}

/// One object to be stored.
#[derive(Debug, Clone)]
pub struct Specimen {
    pub key: String,
    pub bytes: Bytes,
    /// `STANDARD` if none.
    pub storage_class: Option<&'static str>,
    pub expected: Expected,
}

impl Specimen {
    pub fn new(key: impl Into<String>, bytes: impl Into<Bytes>, expected: Expected) -> Self {
        Self { key: key.into(), bytes: bytes.into(), storage_class: None, expected }
    }
}

/// The EICAR test file, put together at run time so that no source or binary of ours holds it.
pub fn eicar() -> Vec<u8> {
    let parts = [r"X5O!P%@AP[4\PZX54(P^)", "7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
    parts.concat().into_bytes()
}

/// A zip with one deflated member.
///
/// # Errors
/// If the writer fails, which it does not in memory.
pub fn zip_of(member: &str, content: &[u8], password: Option<&[u8]>) -> anyhow::Result<Vec<u8>> {
    let mut options = SimpleFileOptions::default();
    if let Some(password) = password {
        options = options.with_deprecated_encryption(password)?;
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(member, options)?;
    zip.write_all(content)?;
    Ok(zip.finish()?.into_inner())
}

/// Keys that are legal in S3 and hostile everywhere else.
pub fn hostile_keys() -> Vec<String> {
    let long = format!("long/{}", "ü".repeat(447) + "x");
    assert_eq!(long.len(), 900);
    let mut keys: Vec<String> = [
        "hostile/with spaces and  two.txt",
        "hostile/plus+and%percent%2Bencoded.txt",
        "hostile/emoji-🦠-🚢.txt",
        "hostile/<script>alert(1)</script>.html",
        "hostile/\"quotes\" & 'apostrophes'.csv",
        "hostile/=cmd|' /C calc'!A0.csv",
        "hostile//double//slash",
        "hostile/../dots/./x",
        "hostile/trailing/",
        "hostile/right\u{202e}to-left.txt",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push(long);
    keys
}

/// Everything that must be found: Debian's test files and EICAR, bare, zipped, and under each hostile key.
///
/// # Errors
/// If the package `clamav-testfiles` is not installed as expected.
pub fn infected() -> anyhow::Result<Vec<Specimen>> {
    let mut specimens = Vec::new();
    for path in files_below(Path::new(TEST_FILES), u64::MAX)? {
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        specimens.push(Specimen::new(format!("clamav-testfiles/{name}"), std::fs::read(&path)?, Expected::Infected));
    }
    ensure!(
        specimens.len() == TEST_FILE_COUNT,
        "{} files in {TEST_FILES}, {TEST_FILE_COUNT} expected",
        specimens.len()
    );
    specimens.push(Specimen::new("eicar/eicar.com", eicar(), Expected::Infected));
    specimens.push(Specimen::new("eicar/eicar.zip", zip_of("folder/eicar.com", &eicar(), None)?, Expected::Infected));
    for key in hostile_keys() {
        specimens.push(Specimen::new(format!("eicar/{key}"), eicar(), Expected::Infected));
    }
    Ok(specimens)
}

/// What can't be scanned to the end or not at all, and clean objects under hostile keys.
///
/// # Errors
/// As [`zip_of`].
pub fn odd() -> anyhow::Result<Vec<Specimen>> {
    let mut specimens = vec![
        Specimen::new("odd/empty", Bytes::new(), Expected::Clean),
        Specimen::new(
            "odd/encrypted.zip",
            zip_of("secret.txt", b"nobody reads this without the password", Some(b"password"))?,
            Expected::Unscannable("encrypted"),
        ),
        Specimen {
            storage_class: Some("GLACIER"),
            ..Specimen::new("odd/archived.bin", eicar(), Expected::Skipped("archived"))
        },
        Specimen {
            storage_class: Some("DEEP_ARCHIVE"),
            ..Specimen::new("odd/deep-archived.bin", &b"cold"[..], Expected::Skipped("archived"))
        },
    ];
    for key in hostile_keys() {
        specimens.push(Specimen::new(key, &b"an ordinary text under an extraordinary key\n"[..], Expected::Clean));
    }
    Ok(specimens)
}

/// Up to `count` ordinary files of this machine, the same ones each time.
///
/// # Errors
/// If a folder can't be read.
pub fn system_files(count: usize) -> anyhow::Result<Vec<Specimen>> {
    let mut paths = Vec::new();
    for folder in SYSTEM_FOLDERS.iter().map(Path::new).filter(|folder| folder.is_dir()) {
        // an equal share of each, so that programs and documents are both there
        paths.extend(files_below(folder, SYSTEM_FILE_BYTES)?.into_iter().take(count / SYSTEM_FOLDERS.len() + 1));
    }
    paths.truncate(count);
    let specimen = |path: &PathBuf| -> anyhow::Result<Specimen> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Specimen::new(format!("system{}", path.display()), bytes, Expected::Clean))
    };
    paths.iter().map(specimen).collect()
}

/// Regular files below `folder`, sorted, symbolic links not followed, unreadable names left out.
fn files_below(folder: &Path, max_bytes: u64) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() && metadata.len() <= max_bytes && entry.path().to_str().is_some() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eicar_is_the_68_bytes_that_everybody_knows() {
        assert_eq!(eicar().len(), 68);
    }

    #[test]
    fn system_files_are_the_same_each_time_and_keys_are_unique() {
        let (one, two) = (system_files(60).expect("readable"), system_files(60).expect("readable"));
        let keys = |specimens: &[Specimen]| specimens.iter().map(|s| s.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&one), keys(&two));
        let unique: std::collections::BTreeSet<_> = keys(&one).into_iter().collect();
        assert_eq!(unique.len(), one.len());
    }
}
