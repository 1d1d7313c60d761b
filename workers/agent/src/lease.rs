//! A message, held while what it asks for is worked on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::{Queue, ServiceError};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::retry;

/// Giving back happens on the way out, where nobody may wait for a queue that does not answer: the message comes back by itself.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// A message that was received and is held by this agent until it is deleted or given back.
#[derive(Clone)]
pub struct Lease {
    queue: Arc<dyn Queue>,
    receipt_handle: String,
    visibility: Duration,
}

impl Lease {
    pub fn new(queue: Arc<dyn Queue>, receipt_handle: String, visibility: Duration) -> Self {
        Self { queue, receipt_handle, visibility }
    }

    /// Keeps the message invisible to others for as long as this is polled: asks at a third of the time-out, so that two tries
    /// may fail before it comes back. A receipt that is no longer valid is no reason to stop: all that follows is safe to do twice.
    pub async fn keep(&self) -> Infallible {
        loop {
            sleep(self.visibility / 3).await;
            match self.extend(self.visibility).await {
                Ok(()) => {}
                Err(error) if error.retryable => warn!(%error, "The message could not be kept; trying again"),
                Err(error) => {
                    warn!(%error, "The message is no longer ours; another agent may work on it too");
                    return std::future::pending().await;
                }
            }
        }
    }

    /// All is done. If this fails, the message comes back, finds all of it done and is deleted then.
    pub async fn delete(&self) {
        if let Err(error) = retry::MESSAGE.run(retryable, || self.queue.delete(&self.receipt_handle)).await {
            warn!(%error, "The message of finished work was not deleted");
        }
    }

    /// Not all is done: others may have it after `pause`.
    pub async fn give_back(&self, pause: Duration) {
        match timeout(GIVE_BACK, self.extend(pause)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, "A message was not given back; it comes back after its visibility time-out")
            }
            Err(_) => warn!("A message was not given back in time; it comes back after its visibility time-out"),
        }
    }

    async fn extend(&self, visibility: Duration) -> Result<(), ServiceError> {
        retry::MESSAGE.run(retryable, || self.queue.extend(&self.receipt_handle, visibility)).await
    }
}

fn retryable(error: &ServiceError) -> bool {
    error.retryable
}
