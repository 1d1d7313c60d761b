//! Takes a copy away, and says what Object Lock says.

use jiff::Timestamp;
use lazaret_actions::restore::{RemoveError, remove};

use crate::cloud::Cloud;

/// What became of the copy.
pub enum Removed {
    Gone,
    /// Object Lock keeps it until then.
    Locked(Timestamp),
}

/// Deletes a copy with its record.
///
/// # Errors
/// If S3 does not let it, and not for Object Lock.
pub async fn take_away(cloud: &Cloud, key: &str) -> Result<Removed, RemoveError> {
    let bucket = cloud.quarantine_bucket.as_str();
    let error = match remove(cloud.store.as_ref(), bucket, key).await {
        Ok(()) => return Ok(Removed::Gone),
        Err(error) if error.is_denied() => error,
        Err(error) => return Err(error),
    };
    // S3 answers a lock as it answers a missing right; who may not look either has no right
    match cloud.buckets.retained_until(bucket, &error.key, error.version_id.as_deref()).await {
        Ok(Some(until)) => Ok(Removed::Locked(until)),
        _ => Err(error),
    }
}
