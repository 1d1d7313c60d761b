//! Confirm: the part once more, with what came of its actions.

use futures::StreamExt;
use lazaret_aws::ObjectStore;
use lazaret_model::{ActionOutcome, WorkPacket};
use tokio::sync::Semaphore;

use crate::act::act;
use crate::policies::PolicyBook;
use crate::record::{Part, Parts, RecordError};

/// Times that an agent takes up what others' writes left pending in one packet. Every round settles all there is; a new one
/// needs another agent that wrote a stronger verdict in between, which each of them does at most once.
const ROUNDS: u32 = 5;

/// What is needed to act on a part.
pub struct Confirm<'a> {
    pub store: &'a dyn ObjectStore,
    pub policies: &'a PolicyBook,
    pub parts: &'a Parts,
    /// Actions of the whole agent at once.
    pub actions: &'a Semaphore,
    /// The most that one packet takes of them.
    pub actions_at_once: usize,
}

impl Confirm<'_> {
    /// Acts on all that is pending and writes the outcomes, until nothing is pending in what lies in S3.
    pub async fn settle(&self, packet: &WorkPacket, mut part: Part) -> Result<Part, RecordError> {
        for _ in 0..ROUNDS {
            if !part.rows.iter().any(is_pending) {
                return Ok(part);
            }
            self.act_on_all(&mut part).await;
            part = self.parts.update(packet, part).await?;
        }
        if part.rows.iter().any(is_pending) { Err(RecordError::Conflicts) } else { Ok(part) }
    }

    async fn act_on_all(&self, part: &mut Part) {
        futures::stream::iter(part.rows.iter_mut().filter(|row| is_pending(row)))
            .for_each_concurrent(self.actions_at_once, async |row| {
                let _turn = self.actions.acquire().await.expect("never closed");
                let policies = self.policies.current();
                let outcome = act(self.store, &policies.of(&row.object.bucket).tag_keys, row).await;
                if let Some(action) = &mut row.action {
                    action.outcome = outcome;
                }
            })
            .await;
    }
}

fn is_pending(row: &lazaret_model::ResultRow) -> bool {
    row.action.as_ref().is_some_and(|action| action.outcome == ActionOutcome::Pending)
}
