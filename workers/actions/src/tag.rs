//! Tag: the verdict's tags, merged into the object's own.

use lazaret_aws::ObjectStore;
use lazaret_model::tags::{TagKeys, merge_tags, verdict_tags};
use lazaret_model::{ActionOutcome, ResultRow};

use crate::error::{ActError, is_gone, is_pinned};
use crate::retry;

/// Tags the version that the row is of.
pub async fn tag(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    let existing = match retry::store(|| store.tags(&row.object)).await {
        Ok(existing) => existing,
        Err(error) if is_gone(&error) => return Ok(ActionOutcome::Gone),
        Err(error) => return Err(ActError::ReadTags(error)),
    };
    let ours = verdict_tags(keys, &row.verdict, row.scanned_at);
    let merged = merge_tags(keys, &existing, &ours).ok_or(ActError::NoRoomForTags)?;
    // an earlier delivery wrote them; on this very version only where a version id says so
    if merged == existing && is_pinned(&row.object) {
        return Ok(ActionOutcome::Done);
    }
    match retry::store(|| store.put_tags(&row.object, &merged)).await {
        Ok(()) => Ok(ActionOutcome::Done),
        Err(error) if is_gone(&error) => Ok(ActionOutcome::Gone),
        Err(error) => Err(ActError::WriteTags(error)),
    }
}
