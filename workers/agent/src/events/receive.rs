//! Receive: messages of the event queue, ten a receive and several receives under way, as long as there is room for them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use lazaret_aws::Queue;
use lazaret_aws::queue::Message;
use lazaret_model::packet::DELIVERIES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::inspect::OBJECTS_PER_WORKER;
use crate::lease::Lease;
use crate::receive::{End, POLL_MAX};
use crate::retry;

/// Messages that one ReceiveMessage brings at most (SQS API reference).
const RECEIVE_MAX: usize = 10;

/// Polls under way. A receive takes some 10 ms where there are messages: two bring far more than an agent scans, and one brings new
/// ones while the other's are handed out.
const RECEIVES: usize = 2;

/// Messages beside those in hand that wait for something else than this agent: for a look at the settings, once a second at most (as many
/// as two polls bring meanwhile), or for Step Functions. They let those in that are to be scanned.
pub const PARKED: usize = 2_000;

/// The most that an agent holds: as many objects as the inspector takes, as many again that are acted on and announced, and what
/// polls may bring.
pub fn messages_in_hand(scan_workers: usize) -> usize {
    2 * scan_workers * OBJECTS_PER_WORKER + RECEIVES * RECEIVE_MAX
}

/// A message as it came.
pub struct Delivery {
    pub body: String,
    pub lease: Lease,
    pub in_hand: InHand,
}

/// A message while it is worked on.
pub struct InHand {
    pub receipt: Receipt,
    pub slot: Slot,
}

/// One of [`messages_in_hand`], free again once this is dropped.
pub struct Slot {
    slots: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { slots: Arc::clone(permit.semaphore()), permit: Mutex::new(Some(permit)) }
    }

    /// Lets another message in, as long as there is room among those that [wait](PARKED): for as long as the place is held that this
    /// returns.
    pub fn leave<'a>(&self, parking: &'a Semaphore) -> Option<SemaphorePermit<'a>> {
        let parked = parking.try_acquire().ok()?;
        *self.permit() = None;
        Some(parked)
    }

    /// Waits for a place in hand, if it was left.
    pub async fn come_back(&self) {
        if self.permit().is_none() {
            let permit = Arc::clone(&self.slots).acquire_owned().await.expect("never closed");
            *self.permit() = Some(permit);
        }
    }

    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().expect("no one panics while holding it")
    }
}

/// Which message came, for which time.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub message_id: String,
    /// How often it was received, this time included.
    pub count: u32,
    /// On our clock, as far as it agrees with SQS's.
    pub sent: Option<Instant>,
    pub trace_header: Option<String>,
}

impl Receipt {
    fn of(message: &Message) -> Self {
        let age = message.sent_at.map(|sent_at| Timestamp::now().duration_since(sent_at));
        let age = age.map(|age| Duration::try_from(age).unwrap_or_default());
        Self {
            message_id: message.id.clone(),
            count: message.receive_count,
            sent: age.and_then(|age| Instant::now().checked_sub(age)),
            trace_header: message.trace_header.clone(),
        }
    }

    /// The message does not come again.
    pub fn is_last(&self) -> bool {
        self.count >= DELIVERIES
    }
}

impl AsRef<Lease> for Delivery {
    fn as_ref(&self) -> &Lease {
        &self.lease
    }
}

/// Receives from the event queue.
pub struct Receiver {
    pub queue: Arc<dyn Queue>,
    pub visibility: Duration,
}

impl Receiver {
    /// Receives while there is room in `slots`, which has room for ten at least, and sends what it gets to `inbox`. No poll begins
    /// after `stopping`; one that is under way may bring something still.
    pub async fn receive(
        &self,
        slots: Arc<Semaphore>,
        inbox: mpsc::Sender<Delivery>,
        stopping: &CancellationToken,
    ) -> End {
        let mut polls: FuturesUnordered<_> =
            (0..RECEIVES).map(|_| self.poll(Arc::clone(&slots), inbox.clone(), stopping)).collect();
        while let Some(end) = polls.next().await {
            if !matches!(end, End::Stopped) {
                return end;
            }
        }
        End::Stopped
    }

    async fn poll(&self, slots: Arc<Semaphore>, inbox: mpsc::Sender<Delivery>, stopping: &CancellationToken) -> End {
        let mut failures = 0;
        loop {
            let room = tokio::select! {
                biased;
                () = stopping.cancelled() => return End::Stopped,
                room = Arc::clone(&slots).acquire_many_owned(RECEIVE_MAX as u32) => room,
            };
            let mut room = room.expect("never closed");
            match self.queue.receive(RECEIVE_MAX as u32, POLL_MAX, self.visibility).await {
                Ok(messages) => {
                    failures = 0;
                    for message in messages {
                        let receipt = Receipt::of(&message);
                        let lease = Lease::new(Arc::clone(&self.queue), message.receipt_handle, self.visibility);
                        let slot = Slot::new(room.split(1).expect("there are no more messages than were asked for"));
                        // its reader outlives this future, and there is room for each slot
                        let _ =
                            inbox.send(Delivery { body: message.body, lease, in_hand: InHand { receipt, slot } }).await;
                    }
                }
                Err(error) if error.retryable && failures + 1 < retry::RECEIVE.attempts => {
                    failures += 1;
                    warn!(%error, failures, "Receiving failed; trying again");
                    drop(room);
                    tokio::select! {
                        () = stopping.cancelled() => return End::Stopped,
                        () = tokio::time::sleep(retry::RECEIVE.wait(failures)) => {}
                    }
                }
                // a queue that is gone is no end of a job: whoever deployed this agent has to know
                Err(error) => return End::Failed(error),
            }
        }
    }
}
