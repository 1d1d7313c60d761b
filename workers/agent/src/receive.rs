//! Receive: packets from the job's queue, one at a time, until the queue stays empty.

use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::queue::Message;
use lazaret_aws::{Queue, ServiceError};
use lazaret_model::fleet::{SLOTS, slots};
use lazaret_model::{JobId, JobPlan, WorkPacket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::lease::Lease;
use crate::retry;

/// Packets that an agent holds at the most: see [`slots`]. Each is at most 1 MiB of references.
pub const PACKETS_IN_HAND: usize = (SLOTS / slots(0)) as usize;

/// SQS's longest and shortest long poll.
pub const POLL_MAX: Duration = Duration::from_secs(20);
const POLL_MIN: Duration = Duration::from_secs(1);

/// A packet that the plan accepts, and its message.
pub struct Delivery {
    pub packet: WorkPacket,
    pub lease: Lease,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// Of [`SLOTS`], free again once this is dropped.
    pub slot: OwnedSemaphorePermit,
}

impl AsRef<Lease> for Delivery {
    fn as_ref(&self) -> &Lease {
        &self.lease
    }
}

/// Why no more comes.
#[derive(Debug)]
pub enum End {
    /// The queue showed no message for as long as was asked for, and none is in hand.
    Idle,
    /// The job was torn down.
    QueueGone,
    /// SQS refuses, or fails for good.
    Failed(ServiceError),
    /// The agent was told to stop.
    Stopped,
}

/// Receives the packets of one job.
pub struct Receiver {
    pub queue: Arc<dyn Queue>,
    pub job_id: JobId,
    pub plan: JobPlan,
    pub visibility: Duration,
    pub idle: Duration,
}

impl Receiver {
    /// Receives while `free` has room for a usual packet and sends what it gets to `inbox`. No poll begins after `stopping`; one that is under
    /// way may bring something still.
    pub async fn receive(
        &self,
        free: Arc<Semaphore>,
        inbox: mpsc::Sender<Delivery>,
        stopping: &CancellationToken,
    ) -> End {
        let mut empty_since: Option<Instant> = None;
        let mut failures = 0;
        loop {
            let mut slot = tokio::select! {
                biased;
                () = stopping.cancelled() => return End::Stopped,
                slot = Arc::clone(&free).acquire_many_owned(slots(0)) => slot.expect("never closed"),
            };
            let asked = Instant::now();
            let received = self.queue.receive(1, self.poll_time(empty_since), self.visibility).await;
            match received.map(|messages| messages.into_iter().next()) {
                Ok(None) => {
                    failures = 0;
                    let since = *empty_since.get_or_insert(asked);
                    let none_in_hand = free.available_permits() == (SLOTS - slots(0)) as usize;
                    if none_in_hand && since.elapsed() >= self.idle {
                        return End::Idle;
                    }
                }
                Ok(Some(message)) => {
                    (failures, empty_since) = (0, None);
                    let Some((packet, lease, receive_count)) = self.sort(message).await else { continue };
                    // a large one takes what it needs of what is left, and holds up none that are here
                    let bytes = packet.objects.iter().fold(0, |sum: u64, object| sum.saturating_add(object.size));
                    if let Ok(more) = Arc::clone(&free).try_acquire_many_owned(slots(bytes) - slots(0)) {
                        slot.merge(more);
                    }
                    // its reader outlives this future, and there is room for each slot
                    let _ = inbox.send(Delivery { packet, lease, receive_count, slot }).await;
                }
                Err(error) if error.not_found => return End::QueueGone,
                Err(error) if error.retryable && failures + 1 < retry::RECEIVE.attempts => {
                    failures += 1;
                    warn!(%error, failures, "Receiving failed; trying again");
                    tokio::time::sleep(retry::RECEIVE.wait(failures)).await;
                }
                Err(error) => return End::Failed(error),
            }
        }
    }

    /// No longer than until the agent might end itself. Whole seconds, as SQS takes them.
    fn poll_time(&self, empty_since: Option<Instant>) -> Duration {
        let left = self.idle.saturating_sub(empty_since.map(|since| since.elapsed()).unwrap_or_default());
        Duration::from_secs(left.as_secs_f64().ceil() as u64).clamp(POLL_MIN, POLL_MAX)
    }

    /// The packet of a message, if it is one of this job's plan.
    async fn sort(&self, message: Message) -> Option<(WorkPacket, Lease, u32)> {
        let lease = Lease::new(Arc::clone(&self.queue), message.receipt_handle, self.visibility);
        let packet = match serde_json::from_str::<WorkPacket>(&message.body) {
            Ok(packet) if packet.job_id == self.job_id => packet,
            other => {
                let why = other.map_or_else(|error| error.to_string(), |packet| format!("of job {}", packet.job_id));
                error!(
                    job.id = %self.job_id, why = %why.escape_debug(), receive_count = message.receive_count,
                    "A message is no packet of this job; it stays for the dead-letter queue"
                );
                // visible again at once, so that it gets there while agents are still running
                lease.give_back(Duration::ZERO).await;
                return None;
            }
        };
        if !self.plan.accepts(&packet.packet_id) {
            info!(job.id = %self.job_id, packet.id = %packet.packet_id, "A packet of a crawl that was given up is deleted");
            lease.delete().await;
            return None;
        }
        Some((packet, lease, message.receive_count))
    }
}
