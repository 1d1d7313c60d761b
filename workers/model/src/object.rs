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

/// A storage class, by S3's name (`STANDARD`, `GLACIER`, …).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorageClass(pub String);

impl StorageClass {
    pub fn standard() -> Self {
        Self("STANDARD".into())
    }

    /// Whether a GET fails until the object is restored. `GLACIER_IR` and intelligent tiering's archive tiers are not
    /// told apart by a listing: the first can be read at once, the second fails at the fetch and is skipped there.
    pub fn is_archived(&self) -> bool {
        matches!(self.0.as_str(), "GLACIER" | "DEEP_ARCHIVE")
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
