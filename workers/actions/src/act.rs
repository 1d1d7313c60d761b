//! Act: what a row says is to be done.

use lazaret_aws::ObjectStore;
use lazaret_model::tags::TagKeys;
use lazaret_model::{ActionKind, ActionOutcome, ResultRow};
use tracing::warn;

use crate::delete::delete;
use crate::error::ActError;
use crate::promotion::Promotions;
use crate::quarantine::quarantine;
use crate::tag::tag;
use crate::uncover::{UNCOVERED, older_version};

/// Who acts.
#[derive(Clone, Copy)]
pub struct Actor<'a> {
    pub store: &'a dyn ObjectStore,
    /// None where no state machine is known: a row that asks for a promotion then fails, and its object stays in staging.
    pub promotions: Option<&'a Promotions>,
}

/// Does what the row says is to be done; the object's tags are named as `keys` says. A row without an action is a `Done`.
///
/// # Errors
/// If a step failed. Where the error is retryable the action may be begun anew; else [`give_up`] says what the row becomes.
pub async fn act(actor: Actor<'_>, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    let store = actor.store;
    match row.action.as_ref().map(|action| &action.kind) {
        None => Ok(ActionOutcome::Done),
        Some(ActionKind::Tag) => tag(store, keys, row).await,
        Some(ActionKind::Move { to_bucket, to_key }) => {
            let moved = quarantine(store, keys, row, to_bucket, to_key).await?;
            look_behind(store, row, moved).await
        }
        Some(ActionKind::Delete) => look_behind(store, row, delete(store, row).await?).await,
        Some(ActionKind::Promote { record }) => {
            let promotions = actor.promotions.ok_or(ActError::NoStateMachine)?;
            promotions.start(store, row, record).await.map(|()| ActionOutcome::Done)
        }
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
        Some(ActionKind::Move { .. } | ActionKind::Delete | ActionKind::Promote { .. }) => {
            match tag(store, keys, row).await {
                Ok(ActionOutcome::Done) => "; it is tagged instead".to_owned(),
                Ok(_) => "; it is no longer there to be tagged".to_owned(),
                Err(error) => format!("; nor could it be tagged: {error}"),
            }
        }
        Some(ActionKind::Tag) | None => String::new(),
    };
    let why = format!("{failed}{instead}");
    warn!(
        object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(), verdict = row.verdict.name(),
        why = %why.escape_debug(), "An action failed"
    );
    ActionOutcome::Failed(why)
}
