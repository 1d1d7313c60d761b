//! Tag: the verdict's tags, merged into the object's own.

use lazaret_aws::ObjectStore;
use lazaret_model::tags::{Tag, TagKeys, merge_tags, tag_value, verdict_tags};
use lazaret_model::{ActionOutcome, ResultRow};

use crate::error::{ActError, is_gone, is_pinned};
use crate::retry;

/// Tags the version that the row is of.
pub async fn tag(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    write(store, keys, row, verdict_tags(keys, &row.verdict, row.scanned_at)).await
}

/// The same, with the reason for which the version stays where it is in place of any message of the verdict's.
pub async fn tag_held(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    why: &str,
) -> Result<ActionOutcome, ActError> {
    let mut tags = verdict_tags(keys, &row.verdict, row.scanned_at);
    tags.retain(|tag| tag.key != keys.message);
    tags.insert(1, Tag { key: keys.message.clone(), value: tag_value(why) });
    write(store, keys, row, tags).await
}

async fn write(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    ours: Vec<Tag>,
) -> Result<ActionOutcome, ActError> {
    let existing = match retry::store(|| store.tags(&row.object)).await {
        Ok(existing) => existing,
        Err(error) if is_gone(&error) => return Ok(ActionOutcome::Gone),
        Err(error) => return Err(ActError::ReadTags(error)),
    };
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
