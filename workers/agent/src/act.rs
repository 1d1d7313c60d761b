//! Act: tag, move to quarantine, delete. Each is pinned to the version that was scanned, and safe to repeat.

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::tags::{TAGS_PER_OBJECT, Tag, TagKeys, merge_tags, verdict_tags};
use lazaret_model::{ActionKind, ActionOutcome, ObjectRef, ResultRow};
use tracing::warn;

use crate::retry;
use crate::uncover::{UNCOVERED, older_version};

/// Does what the row says is to be done; the object's tags are named as `keys` says. A row without an action is a `Done`.
///
/// # Errors
/// If a step failed. Where the error is retryable the action may be begun anew; else [`give_up`] says what the row becomes.
pub async fn act(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    match row.action.as_ref().map(|action| &action.kind) {
        None => Ok(ActionOutcome::Done),
        Some(ActionKind::Tag) => tag(store, keys, row).await,
        Some(ActionKind::Move { to_bucket, to_key }) => {
            let moved = quarantine(store, keys, row, to_bucket, to_key).await?;
            look_behind(store, row, moved).await
        }
        Some(ActionKind::Delete) => look_behind(store, row, delete(store, row).await?).await,
    }
}

/// Whether the version that was deleted was the last of its key. Any delivery that finds it gone looks, not only the one that
/// deleted it, so that all come to one outcome.
async fn look_behind(store: &dyn ObjectStore, row: &ResultRow, done: ActionOutcome) -> Result<ActionOutcome, ActError> {
    let versioned = row.object.version_id.is_some();
    if done != ActionOutcome::Done || !versioned {
        return Ok(done);
    }
    if !older_version(store, &row.object).await.map_err(ActError::LookBehind)? {
        return Ok(done);
    }
    warn!(
        object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(), verdict = row.verdict.name(),
        "An older version of an infected object's key came up, which this job did not scan"
    );
    Ok(ActionOutcome::Failed(UNCOVERED.to_owned()))
}

/// The outcome of an action that failed and is not tried again. What should have left its bucket and did not is tagged, as far
/// as that goes, even where the policy has no tags: a `Clean` of an earlier scan must not stand on it.
pub async fn give_up(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow, failed: &ActError) -> ActionOutcome {
    let instead = match row.action.as_ref().map(|action| &action.kind) {
        Some(ActionKind::Move { .. } | ActionKind::Delete) => match tag(store, keys, row).await {
            Ok(ActionOutcome::Done) => "; it is tagged instead".to_owned(),
            Ok(_) => "; it is no longer there to be tagged".to_owned(),
            Err(error) => format!("; nor could it be tagged: {error}"),
        },
        Some(ActionKind::Tag) | None => String::new(),
    };
    let why = format!("{failed}{instead}");
    warn!(
        object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(), verdict = row.verdict.name(),
        why = %why.escape_debug(), "An action failed"
    );
    ActionOutcome::Failed(why)
}

/// A step that failed, after its retries.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("reading its tags: {0}")]
    ReadTags(#[source] StoreError),
    #[error("writing its tags: {0}")]
    WriteTags(#[source] StoreError),
    #[error("it has {TAGS_PER_OBJECT} tags of its owner's: no room for the result")]
    NoRoomForTags,
    #[error("copying it to quarantine: {0}")]
    Copy(#[source] StoreError),
    #[error("looking for it in quarantine: {0}")]
    Look(#[source] StoreError),
    #[error("it stands in quarantine, and was not deleted: {0}")]
    DeleteMoved(#[source] StoreError),
    #[error("deleting it: {0}")]
    Delete(#[source] StoreError),
    #[error("it was done, and whether an older version of its key came up could not be seen: {0}")]
    LookBehind(#[source] StoreError),
}

impl ActError {
    /// Whether a later delivery of the packet may fare better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::NoRoomForTags => false,
            Self::ReadTags(error)
            | Self::WriteTags(error)
            | Self::Copy(error)
            | Self::Look(error)
            | Self::DeleteMoved(error)
            | Self::Delete(error)
            | Self::LookBehind(error) => error.retryable(),
        }
    }
}

/// Whether the version that was scanned is no longer there.
fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound | StoreError::PreconditionFailed | StoreError::NoSuchBucket(_))
}

/// Whether the version id alone names one version for ever, which that of objects older than their bucket's versions does not.
fn is_pinned(object: &ObjectRef) -> bool {
    object.version_id.as_deref().is_some_and(|id| id != "null")
}

async fn tag(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
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

/// Copies, then deletes. Where the source is gone, the copy says whether an earlier attempt got there.
async fn quarantine(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    to_bucket: &str,
    to_key: &str,
) -> Result<ActionOutcome, ActError> {
    let own = match retry::store(|| store.tags(&row.object)).await {
        Ok(own) => own,
        Err(error) if is_gone(&error) => return already_moved(store, to_bucket, to_key).await,
        Err(error) => return Err(ActError::ReadTags(error)),
    };
    let tags = quarantine_tags(keys, &own, row);
    match retry::store(|| store.copy(&row.object, to_bucket, to_key, &tags)).await {
        Ok(()) => {}
        // a quarantine bucket that does not exist is not a version that went away
        Err(error @ StoreError::NoSuchBucket(_)) => return Err(ActError::Copy(error)),
        Err(error) if is_gone(&error) => return already_moved(store, to_bucket, to_key).await,
        Err(error) => return Err(ActError::Copy(error)),
    }
    match retry::store(|| store.delete(&row.object)).await {
        Ok(()) => Ok(ActionOutcome::Done),
        // the copy stands, and the version it is of no longer does: by another agent's hand, or its owner's
        Err(error) if is_gone(&error) => Ok(ActionOutcome::Done),
        Err(error) => Err(ActError::DeleteMoved(error)),
    }
}

async fn already_moved(store: &dyn ObjectStore, to_bucket: &str, to_key: &str) -> Result<ActionOutcome, ActError> {
    let copy = retry::store(|| store.tags_at(to_bucket, to_key)).await.map_err(ActError::Look)?;
    Ok(if copy.is_some() { ActionOutcome::Done } else { ActionOutcome::Gone })
}

/// The verdict's tags before the owner's: in quarantine it is the result that must not be missing.
fn quarantine_tags(keys: &TagKeys, own: &[Tag], row: &ResultRow) -> Vec<Tag> {
    let ours = [&keys.result, &keys.date, &keys.virus, &keys.message];
    let mut tags = verdict_tags(keys, &row.verdict, row.scanned_at);
    tags.extend(own.iter().filter(|tag| !ours.contains(&&tag.key)).cloned());
    tags.truncate(TAGS_PER_OBJECT);
    tags
}

async fn delete(store: &dyn ObjectStore, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    match retry::store(|| store.delete(&row.object)).await {
        Ok(()) => Ok(ActionOutcome::Done),
        // what was asked for holds; whether by an attempt of ours whose answer was lost, nobody can tell
        Err(StoreError::NotFound | StoreError::NoSuchBucket(_)) => Ok(ActionOutcome::Done),
        Err(StoreError::PreconditionFailed) => Ok(ActionOutcome::Gone),
        Err(error) => Err(ActError::Delete(error)),
    }
}
