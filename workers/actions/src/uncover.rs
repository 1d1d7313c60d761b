//! Uncover: what a key shows once a version of it is deleted by its id.
//!
//! In a bucket with versions the one before it becomes the current one. It was not listed, so nobody scanned it: a row that
//! said no more than "done" would make a person believe that the key is clean or empty.

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::ObjectRef;

use crate::retry;

/// Why an action that was done is no `Done`.
pub const UNCOVERED: &str = "it was done, and an older version of this key came up, which this job did not scan";

/// Whether the key of `object`, which is no longer there, shows an older version of itself. One that its owner wrote since is
/// no matter of this job.
pub async fn older_version(store: &dyn ObjectStore, object: &ObjectRef) -> Result<bool, StoreError> {
    let page = match retry::store(|| store.list_page(&object.bucket, &object.key, None)).await {
        Ok(page) => page,
        Err(StoreError::NoSuchBucket(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    // a key stands before all others that begin with it
    let current = page.objects.first().filter(|current| current.key == object.key);
    // S3 counts seconds: one of the same second was there before, since the listing showed ours
    Ok(current.is_some_and(|current| current.last_modified <= object.last_modified))
}
