//! Fake uploads in parts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lazaret_model::Upload;

use super::locked;
use crate::StoreError;
use crate::uploads::Uploads;

/// Those that a test began, by bucket.
#[derive(Debug, Clone, Default)]
pub struct FakeUploads {
    open: Arc<Mutex<BTreeMap<String, Vec<Upload>>>>,
}

impl FakeUploads {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn begin(&self, bucket: &str, upload: Upload) {
        locked(&self.open).entry(bucket.to_owned()).or_default().push(upload);
    }

    /// Completed or aborted.
    pub fn end(&self, bucket: &str, upload_id: &str) {
        locked(&self.open).entry(bucket.to_owned()).or_default().retain(|upload| upload.upload_id != upload_id);
    }
}

#[async_trait]
impl Uploads for FakeUploads {
    async fn open(&self, bucket: &str, prefix: &str, limit: usize) -> Result<Vec<Upload>, StoreError> {
        let open = locked(&self.open);
        let mut found: Vec<Upload> = open.get(bucket).cloned().unwrap_or_default();
        found.retain(|upload| upload.key.starts_with(prefix));
        found.sort();
        found.truncate(limit);
        Ok(found)
    }
}
