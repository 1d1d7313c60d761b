//! Sets for the tests of this crate.

use std::fs;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::publish::Tried;

pub const BUCKET: &str = "results";

/// A header as ClamAV writes it.
pub fn header(version: u32, built_seconds: i64) -> Vec<u8> {
    let text = format!("ClamAV-VDB:07 Nov 2024 17-20 +0000:{version}:2000000:90:md5:signature:builder:{built_seconds}");
    format!("{text:<512}").into_bytes()
}

/// A directory with these files.
pub fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        fs::write(directory.path().join(name), content).expect("written");
    }
    directory
}

/// A directory with a daily set of that time, and one more file.
pub fn daily(version: u32, built_seconds: i64) -> TempDir {
    let mut content = header(version, built_seconds);
    content.extend_from_slice(&version.to_le_bytes());
    directory(&[("daily.cvd", &content), ("own.ndb", b"Own.Rule:0:*:aabbccdd\n")])
}

pub fn tried() -> Tried {
    Tried { signatures: 3, engine_version: "ClamAV 1.4.6".into() }
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}
