//! Act: what a row says is to be done, within the agent's bounds; what fails now may be done by the next delivery.

use lazaret_actions::{ActError, Actor, act, give_up};
use lazaret_model::{ActionOutcome, ResultRow};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::policies::PolicyBook;

/// Actions of one agent at once. An action is two to three calls of 20 to 50 ms, so that this many keep up with two scan
/// workers on small objects, and stay far below what one S3 prefix takes.
pub const ACTIONS: usize = 32;

/// What is needed to act on a row.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    pub actor: Actor<'a>,
    pub policies: &'a PolicyBook,
    /// Of the whole agent: [`ACTIONS`].
    pub actions: &'a Semaphore,
    /// The message does not come again: what fails now has failed for good.
    pub last_delivery: bool,
}

impl Act<'_> {
    /// What came of the row's action: `Pending` if it failed for a reason that passes, and the message comes again.
    pub async fn outcome(&self, row: &ResultRow) -> ActionOutcome {
        match self.attempt(row).await {
            Ok(outcome) => outcome,
            Err(error) if error.retryable() && !self.last_delivery => {
                warn!(
                    object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(),
                    verdict = row.verdict.name(), why = %error.to_string().escape_debug(),
                    "An action failed; the message's next delivery tries again"
                );
                ActionOutcome::Pending
            }
            Err(error) => self.give_up(row, &error).await,
        }
    }

    /// Does it, once its turn has come.
    pub async fn attempt(&self, row: &ResultRow) -> Result<ActionOutcome, ActError> {
        let _turn = self.actions.acquire().await.expect("never closed");
        let policies = self.policies.current();
        act(self.actor, &policies.of(&row.object.bucket).tag_keys, row).await
    }

    /// What an action becomes that failed and is not tried again.
    pub async fn give_up(&self, row: &ResultRow, error: &ActError) -> ActionOutcome {
        let _turn = self.actions.acquire().await.expect("never closed");
        let policies = self.policies.current();
        give_up(self.actor.store, &policies.of(&row.object.bucket).tag_keys, row, error).await
    }
}

/// Whether there is something left to do.
pub fn is_pending(row: &ResultRow) -> bool {
    row.action.as_ref().is_some_and(|action| action.outcome == ActionOutcome::Pending)
}
