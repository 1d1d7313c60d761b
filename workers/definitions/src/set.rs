//! A directory with definitions: its files, their digests, and the version that follows from them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lazaret_model::{DefinitionsFile, DefinitionsFileName, DefinitionsVersion};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::DefinitionsError;
use crate::header::{HEADER_BYTES, Header};

/// What libclamav 1.4 loads from a directory (`CLI_DBEXT` in its readdb.h), and `sign`, by which 1.5 checks containers.
/// Everything else there is freshclam's own or an editor's.
const EXTENSIONS: &[&str] = &[
    "cat", "cbc", "cdb", "cfg", "cld", "crb", "cud", "cvd", "db", "fp", "ftm", "gdb", "hdb", "hdu", "hsb", "hsu",
    "idb", "ign", "ign2", "imp", "info", "ioc", "ldb", "ldu", "mdb", "mdu", "msb", "msu", "ndb", "ndu", "pdb", "pwdb",
    "rmd", "sdb", "sfp", "sign", "wdb", "yar", "yara", "zmd",
];

/// ClamAV's daily set, by whose age a whole set is judged.
const DAILY: &[&str] = &["daily.cvd", "daily.cld"];

/// Files of one set; ClamAV's own has four.
pub(crate) const MAX_FILES: usize = 200;

/// Bytes of one set. ClamAV's own has 0.3 GB; an agent's disk must hold two beside what it scans.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// Bytes of the digest that become part of a version's name.
const VERSION_DIGEST_BYTES: usize = 8;

/// The definitions of a directory, as they were when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionsSet {
    pub directory: PathBuf,
    /// By content: `daily-27456-<digest>`, or `set-<digest>` where there is no daily.
    pub version: DefinitionsVersion,
    /// By daily's header, else when the newest file was changed; never in the future.
    pub built_at: Timestamp,
    /// In the order of their names.
    pub files: Vec<DefinitionsFile>,
}

impl DefinitionsSet {
    /// Reads all files of the directory that ClamAV would load. Takes about a second for 300 MB.
    ///
    /// # Errors
    /// If the directory or a file can't be read, has no definitions, too many, or a name that can't be published.
    pub fn read(directory: &Path) -> Result<Self, DefinitionsError> {
        let mut files = Vec::new();
        let mut daily = None;
        let mut newest = Timestamp::UNIX_EPOCH;
        for (name, path) in definitions_in(directory)? {
            let (file, header, changed_at) = read_file(name, &path)?;
            if DAILY.contains(&file.name.as_str()) {
                daily = newer(daily, header);
            }
            newest = newest.max(changed_at);
            files.push(file);
        }
        if files.is_empty() {
            return Err(DefinitionsError::NoFiles(directory.to_owned()));
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        check_bounds(&files)?;
        // a clock that was wrong must not make a set fresh for years
        let built_at = daily.map_or(newest, |daily| daily.built_at).min(Timestamp::now());
        Ok(Self { directory: directory.to_owned(), version: version(&files, daily), built_at, files })
    }

    pub fn path(&self, file: &DefinitionsFileName) -> PathBuf {
        self.directory.join(file.as_str())
    }
}

/// That a set can be stored and fetched.
pub(crate) fn check_bounds(files: &[DefinitionsFile]) -> Result<(), DefinitionsError> {
    if files.len() > MAX_FILES {
        let what = format!("{} files", files.len());
        return Err(DefinitionsError::TooLarge { what, limit: format!("{MAX_FILES} files") });
    }
    let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    if bytes > MAX_BYTES {
        return Err(DefinitionsError::TooLarge { what: format!("{bytes} bytes"), limit: format!("{MAX_BYTES} bytes") });
    }
    Ok(())
}

/// Whether a file of this name is part of a set: one that libclamav loads.
pub fn is_definitions(path: &Path) -> bool {
    let is_hidden = path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b".");
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden && extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

fn definitions_in(directory: &Path) -> Result<Vec<(String, PathBuf)>, DefinitionsError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(DefinitionsError::file(directory))? {
        let path = entry.map_err(DefinitionsError::file(directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // a link to a file is one: freshclam's folder may be put together of links
        if is_definitions(&path) && fs::metadata(&path).map_err(DefinitionsError::file(&path))?.is_file() {
            found.push((name, path));
        }
    }
    Ok(found)
}

fn read_file(name: String, path: &Path) -> Result<(DefinitionsFile, Option<Header>, Timestamp), DefinitionsError> {
    let name = DefinitionsFileName::try_from(name)?;
    let mut file = File::open(path).map_err(DefinitionsError::file(path))?;
    let changed = file.metadata().and_then(|metadata| metadata.modified()).map_err(DefinitionsError::file(path))?;
    let mut digest = Sha256::new();
    let mut beginning = Vec::with_capacity(HEADER_BYTES);
    let mut buffer = vec![0_u8; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(DefinitionsError::file(path))?;
        if read == 0 {
            break;
        }
        let wanted = HEADER_BYTES.saturating_sub(beginning.len()).min(read);
        beginning.extend_from_slice(&buffer[..wanted]);
        digest.update(&buffer[..read]);
        bytes += read as u64;
    }
    let changed_at = Timestamp::try_from(changed).unwrap_or(Timestamp::UNIX_EPOCH);
    let file = DefinitionsFile { name, bytes, sha256: hex(&digest.finalize()) };
    Ok((file, Header::parse(&beginning), changed_at))
}

/// libclamav loads the newer one of `daily.cvd` and `daily.cld`.
fn newer(one: Option<Header>, other: Option<Header>) -> Option<Header> {
    [one, other].into_iter().flatten().max_by_key(|header| header.version)
}

fn version(files: &[DefinitionsFile], daily: Option<Header>) -> DefinitionsVersion {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(format!("{}:{}\n", file.name, file.sha256)); // no name has a `:` or a line's end
    }
    let digest = hex(&digest.finalize()[..VERSION_DIGEST_BYTES]);
    let text = daily.map_or(format!("set-{digest}"), |daily| format!("daily-{}-{digest}", daily.version));
    text.parse().expect("letters, digits and `-`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{daily, directory, header, time};

    #[test]
    fn a_version_follows_from_names_and_contents_alone() {
        let version =
            |files: &[(&str, &[u8])]| DefinitionsSet::read(directory(files).path()).expect("a set").version.to_string();
        let one = version(&[("a.ndb", b"1"), ("b.ndb", b"2")]);
        assert_eq!(one, version(&[("b.ndb", b"2"), ("a.ndb", b"1"), ("freshclam.dat", b"x"), (".c.ndb", b"x")]));
        assert_ne!(one, version(&[("a.ndb", b"2"), ("b.ndb", b"1")]));
        assert_ne!(one, version(&[("a.ndb", b"1"), ("c.ndb", b"2")]));
        assert!(one.starts_with("set-"), "{one}");
    }

    #[test]
    fn daily_gives_its_number_and_its_age() {
        let set = DefinitionsSet::read(daily(27_456, 1_731_000_000).path()).expect("a set");
        assert!(set.version.as_str().starts_with("daily-27456-"), "{}", set.version);
        assert_eq!(set.built_at, time(1_731_000_000));
        let both = directory(&[
            ("daily.cvd", &header(5, 100)),
            ("daily.cld", &header(6, 200)),
            ("main.cvd", &header(62, 900)),
        ]);
        assert_eq!(DefinitionsSet::read(both.path()).expect("a set").built_at, time(200));
    }

    #[test]
    fn without_daily_the_newest_file_gives_the_age_and_no_set_is_from_the_future() {
        let old = directory(&[("a.ndb", b"1"), ("b.ndb", b"2")]);
        let change = |name: &str, seconds| {
            let file = File::options().write(true).open(old.path().join(name)).expect("a file");
            file.set_modified(std::time::SystemTime::from(time(seconds))).expect("changed");
        };
        change("a.ndb", 1_000);
        change("b.ndb", 2_000);
        assert_eq!(DefinitionsSet::read(old.path()).expect("a set").built_at, time(2_000));
        change("b.ndb", 99_000_000_000);
        assert!(DefinitionsSet::read(old.path()).expect("a set").built_at <= Timestamp::now());
        let future = DefinitionsSet::read(daily(1, 99_000_000_000).path()).expect("a set");
        assert!(future.built_at <= Timestamp::now());
    }

    #[test]
    fn what_holds_no_definitions_is_an_error_that_names_it() {
        let empty = directory(&[("README.txt", b"x"), ("freshclam.dat", b"x")]);
        let error = DefinitionsSet::read(empty.path()).expect_err("no definitions").to_string();
        assert!(error.contains(&*empty.path().to_string_lossy()), "{error}");
        let missing = DefinitionsSet::read(&empty.path().join("missing")).expect_err("missing").to_string();
        assert!(missing.contains("/missing`"), "{missing}");
        let odd = directory(&[("my rules.ndb", b"x")]);
        let error = DefinitionsSet::read(odd.path()).expect_err("a name with a space").to_string();
        assert!(error.contains("my rules.ndb"), "{error}");
    }
}
