//! One message from its receipt to its end: deleted once all its records are done, else given back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lazaret_model::event::{CreatedObject, EventBody, EventError, EventRecord, read_event};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Service;
use super::object::ObjectError;
use super::receive::{Delivery, Receipt, Slot};
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
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("there was no time left for it")]
    GivenUp,
}

impl Service {
    pub(super) async fn handle(self: Arc<Self>, delivery: Delivery) -> Result<(), AgentError> {
        let Delivery { body, lease, receipt, mut slot } = delivery;
        let receive_count = receipt.count;
        let begun = Instant::now();
        let result = tokio::select! {
            biased;
            () = self.life.give_up.cancelled() => Err(MessageError::GivenUp),
            result = self.work_on(&body, &receipt, &mut slot) => result,
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
            MessageError::Unreadable(why) => {
                // visible again at once, so that it reaches the dead letters while somebody may remember what sent it
                error!(%why, receive_count, "A message is no event; it goes to the dead-letter queue");
                (Duration::ZERO, None)
            }
            MessageError::Object(ObjectError::Inspect(InspectError::Engine(gone))) => {
                (Duration::ZERO, Some(AgentError::Engine(gone)))
            }
            MessageError::Object(ObjectError::Inspect(InspectError::Stopping)) | MessageError::GivenUp => {
                info!(receive_count, duration_ms, "The message is given back: the agent ends");
                (Duration::ZERO, None)
            }
            MessageError::Object(why) => {
                let pause = pause(receive_count);
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
    async fn work_on(&self, body: &str, receipt: &Receipt, slot: &mut Slot) -> Result<(), MessageError> {
        let records = match read_event(body)? {
            EventBody::Test => {
                info!("S3 tested whether it can send here");
                return Ok(());
            }
            EventBody::Records(records) => records.into_iter().filter_map(created).collect::<Vec<_>>(),
        };
        let (ours, trouble) = self.sort(records, receipt.sent, slot).await;
        let done = futures::stream::iter(ours)
            .map(|created| async move { self.settle(&created, receipt).await })
            .buffer_unordered(RECORDS_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        // the one that ends the agent before all others
        let failed = done.into_iter().filter_map(Result::err).chain(trouble.map(ObjectError::from));
        failed.max_by_key(ObjectError::ends_the_agent).map_or(Ok(()), |error| Err(error.into()))
    }

    /// The records that are to be scanned, and why it is not known of others.
    async fn sort(
        &self,
        records: Vec<CreatedObject>,
        sent: Option<Instant>,
        slot: &mut Slot,
    ) -> (Vec<CreatedObject>, Option<PoliciesError>) {
        let is_ours = |created: &CreatedObject, sorted: Sorted| {
            if sorted != Sorted::Ours {
                let (bucket, key) = (&created.object.bucket, created.object.key.escape_debug());
                info!(object.bucket = %bucket, object.key = %key, why = %sorted, "An event is ignored");
            }
            sorted == Sorted::Ours
        };
        let (mut ours, mut unknown) = (Vec::new(), Vec::new());
        for created in records {
            match self.sort_out.known(&created, sent) {
                Some(sorted) if is_ours(&created, sorted) => ours.push(created),
                Some(_) => {}
                None => unknown.push(created),
            }
        }
        if unknown.is_empty() {
            return (ours, None);
        }
        let parked = slot.leave(&self.parking);
        let looked = self.sort_out.look().await;
        drop(parked);
        if looked.is_ok() {
            ours.extend(unknown.into_iter().filter(|created| is_ours(created, self.sort_out.looked(created))));
        }
        if !ours.is_empty() {
            slot.come_back().await;
        }
        (ours, looked.err())
    }
}

fn created(record: EventRecord) -> Option<CreatedObject> {
    match record {
        EventRecord::Created(created) => Some(*created),
        EventRecord::Other(event) => {
            info!(event = %event.escape_debug(), "An event of another kind is ignored");
            None
        }
    }
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
