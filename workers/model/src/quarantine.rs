//! Where an infected version stands in quarantine.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::object::ObjectRef;

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
    let room = KEY_BYTES - object.bucket.len() - digits.len() - 2;
    let mut end = object.key.len().min(room);
    while !object.key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}/{}/{digits}", object.bucket, &object.key[..end])
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
            prop_assert!(one.len() <= KEY_BYTES);
            prop_assert_eq!(&one, &quarantine_key(&object(&key, Some("1"))));
            prop_assert_ne!(&one, &quarantine_key(&object(&key, Some("2"))));
            prop_assert_ne!(&one, &quarantine_key(&object(&key, None)));
        }
    }
}
