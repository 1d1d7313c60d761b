//! Where an infected version stands in quarantine.

use std::fmt::Write;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::headers::ObjectHeaders;
use crate::object::ObjectRef;
use crate::result::ResultRow;
use crate::tags::Tag;

/// S3's limit for a key, in bytes.
const KEY_BYTES: usize = 1024;

/// The key in the quarantine bucket: `<bucket>/<key>/<32 hex digits>`, the key cut to fit. The digits are derived from
/// bucket, key and version (else ETag), so that whoever meets the object again, after a crash or beside another agent,
/// finds the same place.
pub fn quarantine_key(object: &ObjectRef) -> String {
    let mut hash = Sha256::new();
    let version = object.version_id.as_deref().unwrap_or(object.etag.as_str());
    for part in [object.bucket.as_str(), object.key.as_str(), version] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut digits = String::with_capacity(32);
    for byte in &hash.finalize()[..16] {
        write!(digits, "{byte:02x}").expect("writing to a string");
    }
    let room = KEY_BYTES - object.bucket.len() - digits.len() - 2 - RECORD_SUFFIX.len();
    let mut end = object.key.len().min(room);
    while !object.key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}/{}/{digits}", object.bucket, &object.key[..end])
}

/// What the key of a record ends with; the part before it is the key of the copy that it tells of.
const RECORD_SUFFIX: &str = ".lazaret.json";

/// Where the record of the copy at `quarantine_key` lies, in the same bucket. Fits: [`quarantine_key`] leaves it room.
pub fn record_key(quarantine_key: &str) -> String {
    format!("{quarantine_key}{RECORD_SUFFIX}")
}

/// The copy that the record at `key` tells of, if it is a record.
pub fn copy_of_record(key: &str) -> Option<&str> {
    let copy = key.strip_suffix(RECORD_SUFFIX)?;
    let digits = copy.rsplit_once('/')?.1;
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(copy)
}

/// What stands beside a copy in quarantine: all that is needed to judge it and to put it back as it was. Written before the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineRecord {
    /// The version that was moved, its verdict, and what that rests on.
    #[serde(flatten)]
    pub row: ResultRow,
    pub quarantined_at: Timestamp,
    /// The owner's.
    pub headers: ObjectHeaders,
    pub tags: Vec<Tag>,
}

/// What a copy in quarantine says of itself in its metadata, the most telling first: name and value. Values are ASCII.
pub fn quarantine_metadata(row: &ResultRow) -> Vec<(&'static str, String)> {
    // what a header's value can carry, but for `%` itself
    const ENCODED: AsciiSet = CONTROLS.add(b'%').add(b' ');
    let encode = |text: &str| utf8_percent_encode(text, &ENCODED).to_string();
    let object = &row.object;
    let version = object.version_id.clone().unwrap_or_else(|| format!("etag:{}", object.etag));
    let threat = row.verdict.findings().first().map(|finding| finding.threat.chars().take(128).collect::<String>());
    [
        ("lazaret-bucket", Some(object.bucket.clone())),
        ("lazaret-version", Some(encode(&version))),
        ("lazaret-verdict", Some(row.verdict.name().to_owned())),
        ("lazaret-scanned-at", Some(row.scanned_at.to_string())),
        ("lazaret-threat", threat.map(|threat| encode(&threat))),
        ("lazaret-sha256", row.evidence.sha256.clone()),
        ("lazaret-key", Some(encode(&object.key))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{ETag, StorageClass};

    fn object(key: &str, version: Option<&str>) -> ObjectRef {
        ObjectRef {
            bucket: "b".repeat(63),
            key: key.into(),
            version_id: version.map(str::to_owned),
            etag: ETag::from("e"),
            size: 1,
            last_modified: jiff::Timestamp::UNIX_EPOCH,
            storage_class: StorageClass::standard(),
        }
    }

    proptest! {
        #[test]
        fn keys_fit_and_tell_versions_apart(key in "\\PC{1,500}") {
            let one = quarantine_key(&object(&key, Some("1")));
            let record = record_key(&one);
            prop_assert!(record.len() <= KEY_BYTES);
            prop_assert_eq!(copy_of_record(&record), Some(one.as_str()));
            prop_assert_eq!(copy_of_record(&one), None);
            prop_assert_eq!(&one, &quarantine_key(&object(&key, Some("1"))));
            prop_assert_ne!(&one, &quarantine_key(&object(&key, Some("2"))));
            prop_assert_ne!(&one, &quarantine_key(&object(&key, None)));
        }
    }
}
