//! Upload: a clean file goes where its sender wants it, if that is allowed.
//!
//! What is stored are the bytes that were scanned: they are read from the same file, which nobody can write to any more, and S3 is told
//! their SHA-256 and refuses others. Nothing that is there is overwritten.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lazaret_model::Verdict;
use lazaret_model::tags::{Tag, TagKeys, tag_value, verdict_tags};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::problem::Problem;

/// 2 GiB at 20 MB/s, and the time that S3 takes to answer.
const PATIENCE: Duration = Duration::from_secs(180);
/// S3's limit on a key.
const KEY_BYTES_MAX: usize = 1_024;
/// The tag that names who brought a file.
const UPLOADED_BY: &str = "uploaded-by";

/// A bucket that callers may store in, and a prefix that ends with a slash or is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub bucket: String,
    prefix: String,
}

impl Target {
    /// Reads `bucket`, `bucket/prefix` or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// If it is not one of `allowed`.
    pub fn read(text: &str, allowed: &[String]) -> Result<Self, Problem> {
        let text = text.trim();
        let path = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if !allowed.iter().any(|name| name == bucket) {
            return Err(Problem::bad_request("files may not be stored in that bucket"));
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            return Err(Problem::bad_request("the prefix to store below is none"));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    /// The key of a file: its name without the folders that it had where it came from.
    ///
    /// # Errors
    /// If that is no name.
    pub fn key(&self, file_name: &str) -> Result<String, Problem> {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        let key = format!("{}{name}", self.prefix);
        if is_plain(name) && key.len() <= KEY_BYTES_MAX {
            Ok(key)
        } else {
            Err(Problem::bad_request("a file can't be stored under its name"))
        }
    }
}

/// Whether it is safe as a step of a path, wherever the object is copied to one day.
fn is_plain(step: &str) -> bool {
    !matches!(step, "" | "." | "..") && !step.chars().any(char::is_control)
}

/// A file on its way.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    pub file: &'a OwnedFd,
    pub size: u64,
    pub sha256: [u8; 32],
    pub bucket: &'a str,
    pub key: &'a str,
    pub tags: &'a [Tag],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("there is an object of that name")]
    Exists,
    #[error("{0}")]
    Failed(String),
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Exists => Self::bad_request("it was not stored: there is an object of that name already"),
            UploadError::Failed(error) => {
                tracing::error!(%error, "A clean file could not be stored");
                Self::Internal("it is clean, and could not be stored")
            }
        }
    }
}

/// Where clean files are stored.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Stores a file where nothing is yet. Returns its version, where the bucket has versions.
    async fn store(&self, parcel: Parcel<'_>) -> Result<Option<String>, UploadError>;
}

/// What a stored file says of itself.
pub fn tags(keys: &TagKeys, user: &str, at: Timestamp) -> Vec<Tag> {
    let mut tags = verdict_tags(keys, &Verdict::Clean, at);
    tags.push(Tag { key: UPLOADED_BY.to_owned(), value: tag_value(user) });
    tags
}

/// S3.
pub struct S3Uploads(pub Client);

#[async_trait]
impl Uploads for S3Uploads {
    async fn store(&self, parcel: Parcel<'_>) -> Result<Option<String>, UploadError> {
        let failed = |error: &dyn std::error::Error| UploadError::Failed(lazaret_agent::error::chain(error));
        // by this name each try reads from the beginning, through a descriptor of its own
        let path = format!("/proc/self/fd/{}", parcel.file.as_raw_fd());
        let body = ByteStream::read_from().path(path).length(Length::Exact(parcel.size)).build().await;
        let timeouts = TimeoutConfig::builder().read_timeout(PATIENCE).build();
        let put = self.0.put_object().bucket(parcel.bucket).key(parcel.key).if_none_match("*");
        let put = put.checksum_sha256(STANDARD.encode(parcel.sha256)).tagging(tagging(parcel.tags));
        let put = put.body(body.map_err(|error| failed(&error))?).customize();
        let sent = put.config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts)).send().await;
        match sent {
            Ok(put) => Ok(put.version_id),
            // 409: another upload of that name was on its way at the same time
            Err(SdkError::ServiceError(error)) if matches!(error.raw().status().as_u16(), 409 | 412) => {
                self.stored_before(parcel).await
            }
            Err(error) => Err(UploadError::Failed(DisplayErrorContext(&error).to_string())),
        }
    }
}

impl S3Uploads {
    /// A try whose answer was lost, or a request that is sent again, finds the very file: then it is stored.
    async fn stored_before(&self, parcel: Parcel<'_>) -> Result<Option<String>, UploadError> {
        let head = self.0.head_object().bucket(parcel.bucket).key(parcel.key).checksum_mode(ChecksumMode::Enabled);
        match head.send().await {
            Ok(head) if head.checksum_sha256() == Some(STANDARD.encode(parcel.sha256).as_str()) => Ok(head.version_id),
            _ => Err(UploadError::Exists),
        }
    }
}

fn tagging(tags: &[Tag]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = tags.iter().map(|tag| format!("{}={}", encode(&tag.key), encode(&tag.value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        vec!["clean-files".to_owned()]
    }

    #[test]
    fn a_target_is_an_allowed_bucket_and_a_plain_prefix() {
        for (text, expected) in [
            ("clean-files", "f"),
            ("clean-files/", "f"),
            ("clean-files/a/b", "a/b/f"),
            (" s3://clean-files/a/ ", "a/f"),
        ] {
            let target = Target::read(text, &allowed()).expect(text);
            assert_eq!((target.bucket.as_str(), target.key("f").expect(text).as_str()), ("clean-files", expected));
        }
        for text in [
            "",
            "other",
            "clean-file",
            "clean-files-2",
            "s3://other/clean-files",
            "clean-files/../x",
            "clean-files//x",
            "clean-files/./x",
            "clean-files/a\nb",
        ] {
            assert!(Target::read(text, &allowed()).is_err(), "{text:?}");
        }
        assert!(Target::read("clean-files", &[]).is_err());
    }

    #[test]
    fn a_file_is_stored_under_its_bare_name() {
        let target = Target::read("clean-files/in", &allowed()).expect("allowed");
        for (name, expected) in [
            ("report.pdf", Some("in/report.pdf")),
            ("../../etc/passwd", Some("in/passwd")),
            (r"C:\Users\a\naïve.txt", Some("in/naïve.txt")),
            ("a/", None),
            ("..", None),
            ("a\0b", None),
            (&"x".repeat(1_022), None),
        ] {
            assert_eq!(target.key(name).ok().as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn tags_name_the_verdict_and_the_user() {
        let tags = tags(&TagKeys::default(), "anna<x>", Timestamp::UNIX_EPOCH);
        assert_eq!(
            tagging(&tags),
            "scan%2Dresult=Clean&date%2Dscanned=1970%2D01%2D01T00%3A00%3A00Z&uploaded%2Dby=anna%5Fx%5F"
        );
    }
}
