//! Uploads in parts that are neither completed nor aborted.

use async_trait::async_trait;
use lazaret_model::Upload;

use crate::StoreError;

/// S3, as to what is being uploaded.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// The open uploads below `prefix`, in the order of their keys; at most `limit`.
    async fn open(&self, bucket: &str, prefix: &str, limit: usize) -> Result<Vec<Upload>, StoreError>;
}
