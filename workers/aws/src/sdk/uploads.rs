//! Open uploads in parts.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{EncodingType, MultipartUpload};
use lazaret_model::Upload;

use super::encoding::listed_key;
use super::fault::store_error;
use super::store::timestamp;
use crate::StoreError;
use crate::uploads::Uploads;

/// Uploads through the SDK.
#[derive(Debug, Clone)]
pub struct S3Uploads {
    s3: Client,
}

impl S3Uploads {
    pub(super) fn new(s3: Client) -> Self {
        Self { s3 }
    }
}

#[async_trait]
impl Uploads for S3Uploads {
    async fn open(&self, bucket: &str, prefix: &str, limit: usize) -> Result<Vec<Upload>, StoreError> {
        let mut found = Vec::new();
        let mut next: Option<(String, String)> = None;
        loop {
            let list = self.s3.list_multipart_uploads().bucket(bucket).encoding_type(EncodingType::Url);
            let list = list.set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()));
            let (key, id) = next.clone().unzip();
            let page = list.set_key_marker(key).set_upload_id_marker(id).send().await;
            let page = page.map_err(|error| store_error(error, bucket))?;
            let encoded = page.encoding_type() == Some(&EncodingType::Url);
            let decoded = |key: &str| if encoded { listed_key(key) } else { Some(key.to_owned()) };
            for upload in page.uploads() {
                found.push(listed(upload, decoded).ok_or_else(unreadable)?);
            }
            if found.len() >= limit || page.is_truncated() != Some(true) {
                found.truncate(limit);
                return Ok(found);
            }
            let key = page.next_key_marker().and_then(decoded).ok_or_else(unreadable)?;
            let after = Some((key, page.next_upload_id_marker().unwrap_or_default().to_owned()));
            if after == next {
                return Err(StoreError::Permanent("a truncated list of uploads without a way to go on".into()));
            }
            next = after;
        }
    }
}

fn listed(upload: &MultipartUpload, decoded: impl Fn(&str) -> Option<String>) -> Option<Upload> {
    Some(Upload {
        key: upload.key().and_then(decoded)?,
        upload_id: upload.upload_id()?.to_owned(),
        initiated: upload.initiated().and_then(timestamp)?,
    })
}

/// An upload left out would be an object left out.
fn unreadable() -> StoreError {
    StoreError::Permanent("a listed upload without a readable key, id or date".into())
}
