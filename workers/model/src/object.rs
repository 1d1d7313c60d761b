//! One exact version of an object.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An ETag as S3 gives it, quotes included or not: compared without them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ETag(String);

impl ETag {
    /// Without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With quotes, as `If-Match` wants it.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl From<String> for ETag {
    fn from(text: String) -> Self {
        Self(text.trim_matches('"').to_owned())
    }
}

impl From<&str> for ETag {
    fn from(text: &str) -> Self {
        Self(text.trim_matches('"').to_owned())
    }
}

impl From<ETag> for String {
    fn from(etag: ETag) -> Self {
        etag.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A storage class, by S3's name (`STANDARD`, `GLACIER`, …), with [`StorageClass::RESTORED`] behind it while a restored copy can be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorageClass(pub String);

impl StorageClass {
    /// S3 keeps the name of an archived class when it restores an object for some days.
    const RESTORED: &str = " (restored)";

    pub fn standard() -> Self {
        Self("STANDARD".into())
    }

    /// The class of this name, of an object that a restored copy may be there of.
    pub fn named(name: &str, restored: bool) -> Self {
        let class = Self(name.into());
        if restored && class.is_archived() { Self(format!("{name}{}", Self::RESTORED)) } else { class }
    }

    /// Whether a GET fails until the object is restored. `GLACIER_IR` and intelligent tiering's archive tiers are not
    /// told apart by a listing: the first can be read at once, the second fails at the fetch and is skipped there.
    pub fn is_archived(&self) -> bool {
        matches!(self.0.as_str(), "GLACIER" | "DEEP_ARCHIVE")
    }

    /// S3's name of the class that a copy gets which is to be read at once; none is `STANDARD`.
    pub fn of_copy(&self) -> Option<&str> {
        let readable = *self != Self::standard() && !self.is_archived() && !self.0.ends_with(Self::RESTORED);
        readable.then_some(self.0.as_str())
    }
}

/// All that is needed to fetch one exact version again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    pub bucket: String,
    /// Hostile text: any Unicode, up to 1,024 bytes.
    pub key: String,
    /// Set where the bucket has versions and the version is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    pub etag: ETag,
    /// In bytes.
    pub size: u64,
    pub last_modified: Timestamp,
    pub storage_class: StorageClass,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_object_is_not_archived_and_its_copy_is_an_ordinary_one() {
        let class = |name, restored| StorageClass::named(name, restored);
        for name in ["GLACIER", "DEEP_ARCHIVE"] {
            assert!(class(name, false).is_archived() && !class(name, true).is_archived());
            assert_eq!((class(name, false).of_copy(), class(name, true).of_copy()), (None, None));
        }
        assert_eq!(class("GLACIER", true).0, "GLACIER (restored)");
        // S3 tells nothing of the sort of these
        assert_eq!(class("STANDARD_IA", true), class("STANDARD_IA", false));
        assert_eq!(
            (class("STANDARD_IA", false).of_copy(), StorageClass::standard().of_copy()),
            (Some("STANDARD_IA"), None)
        );
    }
}
