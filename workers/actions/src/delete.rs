//! Delete: the version that was scanned, and no other.

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::{ActionOutcome, ResultRow};

use crate::error::ActError;
use crate::retry;

/// Deletes the version that the row is of.
pub async fn delete(store: &dyn ObjectStore, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    match retry::store(|| store.delete(&row.object)).await {
        Ok(()) => Ok(ActionOutcome::Done),
        // what was asked for holds; whether by an attempt of ours whose answer was lost, nobody can tell
        Err(StoreError::NotFound | StoreError::NoSuchBucket(_)) => Ok(ActionOutcome::Done),
        Err(StoreError::PreconditionFailed) => Ok(ActionOutcome::Gone),
        Err(error) => Err(ActError::Delete(error)),
    }
}
