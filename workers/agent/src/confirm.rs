//! Confirm: the part once more, with what came of its actions.

use futures::StreamExt;
use lazaret_actions::{Actor, act, give_up};
use lazaret_model::{ActionOutcome, ResultRow, WorkPacket};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::policies::PolicyBook;
use crate::record::{Part, Parts, RecordError};

/// Times that an agent takes up what others' writes left pending in one packet. Every round settles all there is; a new one
/// needs another agent that wrote a stronger verdict in between, which each of them does at most once.
const ROUNDS: u32 = 5;

/// What is needed to act on a part.
pub struct Confirm<'a> {
    pub actor: Actor<'a>,
    pub policies: &'a PolicyBook,
    pub parts: &'a Parts,
    /// Actions of the whole agent at once.
    pub actions: &'a Semaphore,
    /// The most that one packet takes of them.
    pub actions_at_once: usize,
    /// The packet does not come again: what fails now has failed for good.
    pub last_delivery: bool,
}

impl Confirm<'_> {
    /// Acts on all that is pending and writes the outcomes, until nothing is pending in what lies in S3.
    ///
    /// # Errors
    /// `Unfinished` if an action failed for a reason that passes: its row stays pending for the next delivery, all others are
    /// written.
    pub async fn settle(&self, packet: &WorkPacket, mut part: Part) -> Result<Part, RecordError> {
        for _ in 0..ROUNDS {
            let pending = part.rows.iter().filter(|row| is_pending(row)).count();
            if pending == 0 {
                return Ok(part);
            }
            self.act_on_all(&mut part).await;
            let unfinished = part.rows.iter().filter(|row| is_pending(row)).count();
            if unfinished < pending {
                part = self.parts.update(packet, part).await?;
            }
            // another agent may have finished them meanwhile
            let unfinished = if unfinished == 0 { 0 } else { part.rows.iter().filter(|row| is_pending(row)).count() };
            if unfinished > 0 {
                return Err(RecordError::Unfinished(unfinished));
            }
        }
        if part.rows.iter().any(is_pending) { Err(RecordError::Conflicts) } else { Ok(part) }
    }

    async fn act_on_all(&self, part: &mut Part) {
        futures::stream::iter(part.rows.iter_mut().filter(|row| is_pending(row)))
            .for_each_concurrent(self.actions_at_once, async |row| {
                let _turn = self.actions.acquire().await.expect("never closed");
                let outcome = self.outcome(row).await;
                if let Some(action) = &mut row.action {
                    action.outcome = outcome;
                }
            })
            .await;
    }

    async fn outcome(&self, row: &ResultRow) -> ActionOutcome {
        let policies = self.policies.current();
        let keys = &policies.of(&row.object.bucket).tag_keys;
        match act(self.actor, keys, row).await {
            Ok(outcome) => outcome,
            Err(error) if error.retryable() && !self.last_delivery => {
                warn!(
                    object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(),
                    verdict = row.verdict.name(), why = %error.to_string().escape_debug(),
                    "An action failed; the packet's next delivery tries again"
                );
                ActionOutcome::Pending
            }
            Err(error) => give_up(self.actor.store, keys, row, &error).await,
        }
    }
}

fn is_pending(row: &ResultRow) -> bool {
    row.action.as_ref().is_some_and(|action| action.outcome == ActionOutcome::Pending)
}
