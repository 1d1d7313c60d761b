//! What the arguments of `lazaret scan` name.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use lazaret_model::BucketScope;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-`
    Stdin,
    /// A file, or a folder with all that is in it.
    Path(PathBuf),
    /// `s3://BUCKET/PREFIX`
    Bucket(BucketScope),
}

impl Target {
    /// # Errors
    /// If it is an address in S3 that names no bucket.
    pub fn parse(argument: &OsStr) -> anyhow::Result<Self> {
        if argument == "-" {
            return Ok(Self::Stdin);
        }
        match argument.to_str() {
            Some(text) if text.starts_with("s3://") => {
                let scope = BucketScope::parse(text);
                ensure!(!scope.name.is_empty(), "`{text}` names no bucket: s3://BUCKET or s3://BUCKET/PREFIX");
                Ok(Self::Bucket(scope))
            }
            _ => Ok(Self::Path(argument.into())),
        }
    }
}

/// A path as text: what is not UTF-8 in it is spelled out, byte for byte (`\xff`).
pub fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // a String takes everything
        }
    }
    text
}

/// An object's address.
pub fn object_text(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_bucket_is_told_from_a_path_by_its_scheme() {
        let parse = |text: &str| Target::parse(OsStr::new(text)).expect("a target");
        assert_eq!(parse("-"), Target::Stdin);
        assert_eq!(parse("s3:/x"), Target::Path("s3:/x".into()));
        assert_eq!(parse("./s3://b"), Target::Path("./s3://b".into()));
        let scope = |name: &str, prefix: &str| BucketScope { name: name.into(), prefix: prefix.into() };
        assert_eq!(parse("s3://b"), Target::Bucket(scope("b", "")));
        assert_eq!(parse("s3://b/p/q"), Target::Bucket(scope("b", "p/q")));
        assert!(Target::parse(OsStr::new("s3://")).is_err());
        assert!(Target::parse(OsStr::new("s3:///p")).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(path_text(Path::new("a/ü 🦠")), "a/ü 🦠");
        assert_eq!(path_text(Path::new(OsStr::from_bytes(b"a\xff\xfe/b\xc3"))), "a\\xff\\xfe/b\\xc3");
    }
}
