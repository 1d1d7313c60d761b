//! Confirm: the part once more, with what came of its actions.

use futures::StreamExt;
use lazaret_model::WorkPacket;

use crate::act::{ACTIONS, Act, is_pending};
use crate::record::{Part, Parts, RecordError};

/// Times that an agent takes up what others' writes left pending in one packet. Every round settles all there is; a new one
/// needs another agent that wrote a stronger verdict in between, which each of them does at most once.
const ROUNDS: u32 = 5;

/// What is needed to act on a part.
pub struct Confirm<'a> {
    pub act: Act<'a>,
    pub parts: &'a Parts,
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
            .for_each_concurrent(ACTIONS, async |row| {
                let outcome = self.act.outcome(row).await;
                if let Some(action) = &mut row.action {
                    action.outcome = outcome;
                }
            })
            .await;
    }
}
