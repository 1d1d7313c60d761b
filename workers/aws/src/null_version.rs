//! Deleting the version `null`, the only one that a PUT can put another object in place of.
//!
//! S3 holds the condition of a DELETE against the current version, whatever version the DELETE names. So that one is looked at
//! first: where versions are suspended, what somebody stores in between becomes the current version, and the condition fails. What
//! remains: the newer object has the very bytes of the version that was current before; or no version was current, which leaves a
//! key whose `null` a PUT replaces only after somebody suspends the versions in between.

use async_trait::async_trait;
use lazaret_model::object::{ETag, ObjectRef};

use crate::StoreError;
use crate::tagging::TagSteps;

/// The version id of objects that were written while their bucket had no versions, or had them suspended.
pub(crate) const NULL_VERSION: &str = "null";
/// Looks before it is given up for now: each further one is somebody else's write in between.
const ROUNDS: usize = 5;

/// The single calls to S3, beside the look at the version that is meant.
#[async_trait]
pub(crate) trait NullSteps: TagSteps {
    /// The ETag of the current version of the key; None if there is none, or a delete marker.
    async fn current(&self, object: &ObjectRef) -> Result<Option<ETag>, StoreError>;
    /// Deletes the version `null` of the key if its current version has this ETag: `PreconditionFailed` or `NotFound` if it has not.
    async fn delete_null(&self, object: &ObjectRef, current: Option<&ETag>) -> Result<(), StoreError>;
}

/// Whether the version id alone names one version for ever.
pub(crate) fn is_pinned(object: &ObjectRef) -> bool {
    object.version_id.as_deref().is_some_and(|id| id != NULL_VERSION)
}

/// Deletes the version `null` that `object` names, and none that came after it.
pub(crate) async fn delete_null(steps: &impl NullSteps, object: &ObjectRef) -> Result<(), StoreError> {
    for _ in 0..ROUNDS {
        let current = steps.current(object).await?;
        steps.check(object).await?;
        match steps.delete_null(object, current.as_ref()).await {
            // another version is the current one by now; ours may still be there
            Err(StoreError::PreconditionFailed | StoreError::NotFound) => {}
            done => return done,
        }
    }
    Err(StoreError::Transient("the versions of its key kept changing".into()))
}
