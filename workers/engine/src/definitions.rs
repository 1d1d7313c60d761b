//! The directory with ClamAV's definitions: what makes it usable, and a name for its content.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Why there is nothing to scan with. Never a silent start: without signatures everything would look clean.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    #[error("cannot read the definitions directory `{}`: {source}", directory.display())]
    Unreadable {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the definitions directory `{}` holds no signatures", directory.display())]
    Empty { directory: PathBuf },
    #[error("libclamav cannot load the definitions in `{}`: {reason}", directory.display())]
    Invalid { directory: PathBuf, reason: String },
}

/// ClamAV's own containers begin with a header of this size, which names their version and carries their checksum.
const CVD_HEADER_BYTES: u64 = 512;

/// A short text that differs where the definitions differ: a digest over names and contents.
///
/// Of ClamAV's signed containers only the header is read, which changes with each version; other files are read whole.
///
/// # Errors
/// If the directory, or a file in it, cannot be read, or if there is no file at all.
pub fn fingerprint(directory: &Path) -> Result<String, DefinitionsError> {
    let unreadable = |source| DefinitionsError::Unreadable { directory: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if fs::metadata(entry.path()).map_err(unreadable)?.is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(DefinitionsError::Empty { directory: directory.to_owned() });
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update([0]);
        digest.update(file_digest(&file).map_err(unreadable)?);
    }
    Ok(hex(&digest.finalize()[..6]))
}

fn file_digest(path: &Path) -> io::Result<[u8; 32]> {
    let signed = path.extension().is_some_and(|extension| ["cvd", "cld"].iter().any(|known| extension == *known));
    let mut file = File::open(path)?.take(if signed { CVD_HEADER_BYTES } else { u64::MAX });
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_or_name_has_another_fingerprint() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("a.ndb"), "one").expect("written");
        let one = fingerprint(directory.path()).expect("readable");
        assert_eq!(one, fingerprint(directory.path()).expect("readable"));
        fs::write(directory.path().join("a.ndb"), "two").expect("written");
        let two = fingerprint(directory.path()).expect("readable");
        fs::rename(directory.path().join("a.ndb"), directory.path().join("b.ndb")).expect("renamed");
        let three = fingerprint(directory.path()).expect("readable");
        assert!(one != two && two != three, "{one} {two} {three}");
    }

    #[test]
    fn no_files_and_no_directory_are_errors_that_name_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let empty = fingerprint(directory.path()).expect_err("empty");
        assert!(matches!(empty, DefinitionsError::Empty { .. }));
        let missing = fingerprint(&directory.path().join("missing")).expect_err("missing");
        assert!(missing.to_string().contains("/missing`"), "{missing}");
    }
}
