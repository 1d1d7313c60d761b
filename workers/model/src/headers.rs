//! What S3 keeps beside an object's bytes and is not ours: its content headers and its owner's metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes that the names and values of an object's own metadata may have together (S3 user guide: 2 KB).
pub const USER_METADATA_BYTES: usize = 2048;

/// Kept through every copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectHeaders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// As S3 gives it: an HTTP date, or whatever its owner wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect_location: Option<String>,
    /// `x-amz-meta-…`, without that.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl ObjectHeaders {
    /// Bytes of the owner's metadata, as S3 counts them.
    pub fn metadata_bytes(&self) -> usize {
        self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Adds `name` if there is room for it; whatever had that name gives way.
    pub fn add_metadata(&mut self, name: &str, value: &str) -> bool {
        let before = self.metadata.remove(name);
        if self.metadata_bytes() + name.len() + value.len() <= USER_METADATA_BYTES {
            self.metadata.insert(name.to_owned(), value.to_owned());
            return true;
        }
        if let Some(before) = before {
            self.metadata.insert(name.to_owned(), before);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_added_only_where_s3_would_take_it() {
        let mut headers = ObjectHeaders::default();
        headers.metadata.insert("mine".into(), "x".repeat(2000));
        assert!(headers.add_metadata("a", &"y".repeat(43)));
        assert_eq!(headers.metadata_bytes(), USER_METADATA_BYTES);
        assert!(!headers.add_metadata("b", "z"));
        assert!(headers.add_metadata("a", "z"));
        assert!(!headers.add_metadata("a", &"y".repeat(44)));
        assert_eq!(headers.metadata["a"], "z");
    }
}
