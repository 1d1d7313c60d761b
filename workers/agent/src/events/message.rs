//! One message from its receipt to its end: deleted once all its records are done, else given back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lazaret_model::event::{CreatedObject, EventBody, EventError, EventRecord, read_event};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Service;
use super::object::ObjectError;
use super::receive::{Delivery, InHand};
use super::sort_out::Sorted;
use crate::error::AgentError;
use crate::inspect::InspectError;
use crate::policies::PoliciesError;

/// Records of one message that are worked on at once. S3 sends one a message; whoever redrives may send more.
const RECORDS_AT_ONCE: usize = 16;

/// A message that can't be finished for now is nobody's for so long after its first delivery, and twice as long after each one more.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest. With it all deliveries take about two and a half minutes, beside what the work itself takes.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Why a message is not done.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error("it is unreadable: {0}")]
    Unreadable(#[from] EventError),
    #[error("{0} of its records are unreadable")]
    Records(usize),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("there was no time left for it")]
    GivenUp,
}

impl Service {
    pub(super) async fn handle(self: Arc<Self>, delivery: Delivery) -> Result<(), AgentError> {
        let Delivery { body, lease, in_hand } = delivery;
        let (receive_count, is_last) = (in_hand.receipt.count, in_hand.receipt.is_last());
        let begun = Instant::now();
        let result = tokio::select! {
            biased;
            () = self.life.give_up.cancelled() => Err(MessageError::GivenUp),
            result = self.work_on(&body, &in_hand) => result,
            never = lease.keep() => match never {},
        };
        let duration_ms = begun.elapsed().as_millis() as u64;
        let why = match result {
            Ok(()) => {
                lease.delete().await;
                debug!(receive_count, duration_ms, "The message is done");
                return Ok(());
            }
            Err(why) => why,
        };
        let (pause, fault) = match why {
            why @ (MessageError::Unreadable(_) | MessageError::Records(_)) => {
                // visible again at once, so that it reaches the dead letters while somebody may remember what sent it
                let why = why.to_string();
                error!(why = %why.escape_debug(), receive_count, "A message goes to the dead-letter queue");
                (Duration::ZERO, None)
            }
            MessageError::Object(ObjectError::Inspect(InspectError::Engine(gone))) => {
                self.life.break_down();
                (self.life.pause(), Some(AgentError::Engine(gone)))
            }
            MessageError::Object(ObjectError::Inspect(InspectError::Stopping)) | MessageError::GivenUp => {
                info!(receive_count, duration_ms, "The message is given back: the agent ends");
                (self.life.pause(), None)
            }
            MessageError::Object(why) if is_last => {
                let why = why.to_string();
                error!(why = %why.escape_debug(), receive_count, "The message goes to the dead-letter queue");
                (Duration::ZERO, None)
            }
            MessageError::Object(why) => {
                let pause = why.pause().unwrap_or(pause(receive_count));
                let why = why.to_string();
                warn!(
                    why = %why.escape_debug(), receive_count, duration_ms, pause_seconds = pause.as_secs(),
                    "The message is given back"
                );
                (pause, None)
            }
        };
        lease.give_back(pause).await;
        fault.map_or(Ok(()), Err)
    }

    /// All records, whatever becomes of one of them.
    async fn work_on(&self, body: &str, in_hand: &InHand) -> Result<(), MessageError> {
        let records = match read_event(body)? {
            EventBody::Test => {
                info!("S3 tested whether it can send here");
                return Ok(());
            }
            EventBody::Records(records) => records,
        };
        let (records, unreadable) = created(records);
        let (ours, trouble) = self.sort(records, in_hand).await;
        let done = futures::stream::iter(ours)
            .map(|created| async move { self.settle(&created, in_hand).await })
            .buffer_unordered(RECORDS_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        // the one that ends the agent before all others
        let failed = done.into_iter().filter_map(Result::err).chain(trouble.map(ObjectError::from));
        match failed.max_by_key(|error| (error.ends_the_agent(), error.pause())) {
            Some(error) => Err(error.into()),
            None if unreadable > 0 => Err(MessageError::Records(unreadable)),
            None => Ok(()),
        }
    }

    /// The records that are to be scanned, and why it is not known of others.
    async fn sort(&self, records: Vec<CreatedObject>, in_hand: &InHand) -> (Vec<CreatedObject>, Option<PoliciesError>) {
        let is_ours = |created: &CreatedObject, sorted: Sorted| {
            if sorted != Sorted::Ours {
                let (bucket, key) = (&created.object.bucket, created.object.key.escape_debug());
                info!(object.bucket = %bucket, object.key = %key, why = %sorted, "An event is ignored");
            }
            sorted == Sorted::Ours
        };
        let (mut ours, mut unknown) = (Vec::new(), Vec::new());
        for created in records {
            match self.sort_out.known(&created, in_hand.receipt.sent) {
                Some(sorted) if is_ours(&created, sorted) => ours.push(created),
                Some(_) => {}
                None => unknown.push(created),
            }
        }
        if unknown.is_empty() {
            return (ours, None);
        }
        let parked = in_hand.slot.leave(&self.parking);
        let looked = self.sort_out.look().await;
        drop(parked);
        if looked.is_ok() {
            ours.extend(unknown.into_iter().filter(|created| is_ours(created, self.sort_out.looked(created))));
        }
        if !ours.is_empty() {
            in_hand.slot.come_back().await;
        }
        (ours, looked.err())
    }
}

/// Those that tell of objects, and how many tell of nothing.
fn created(records: Vec<EventRecord>) -> (Vec<CreatedObject>, usize) {
    let mut unreadable = 0;
    let created = records.into_iter().filter_map(|record| match record {
        EventRecord::Created(created) => Some(*created),
        EventRecord::Other(event) => {
            info!(event = %event.escape_debug(), "An event of another kind is ignored");
            None
        }
        EventRecord::Unreadable(why) => {
            error!(why = %why.escape_debug(), "A record of a message can't be read");
            unreadable += 1;
            None
        }
    });
    (created.collect(), unreadable)
}

fn pause(receive_count: u32) -> Duration {
    PAUSE.saturating_mul(1 << receive_count.saturating_sub(1).min(10)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!([0, 1, 2, 4, 5, 99].map(|count| pause(count).as_secs()), [10, 10, 20, 80, 120, 120]);
    }
}
