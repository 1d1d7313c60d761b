//! Sends packets in batches, on a task of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use lazaret_aws::queue::{SEND_BATCH_BYTES, SEND_BATCH_MESSAGES};
use lazaret_aws::{Queue, ServiceError};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::error::CrawlError;
use crate::retry::SEND;

/// Packets that wait while a batch is sent: with the batch itself at most 5 MiB.
const WAITING: usize = SEND_BATCH_MESSAGES;

/// Where packets are dropped to be sent. Dropping it ends the sending.
pub struct Outbox {
    bodies: mpsc::Sender<String>,
    sender: AbortOnDropHandle<Result<(), CrawlError>>,
}

/// The sending has failed; [`Outbox::close`] says why.
#[derive(Debug)]
pub struct Closed;

impl Outbox {
    pub fn open(queue: Arc<dyn Queue>) -> Self {
        let (bodies, waiting) = mpsc::channel(WAITING);
        let sender = AbortOnDropHandle::new(tokio::spawn(send_all(queue, waiting)));
        Self { bodies, sender }
    }

    /// Waits for a place and leaves a packet there.
    ///
    /// # Errors
    /// If the sending has failed.
    pub async fn put(&self, body: String) -> Result<(), Closed> {
        self.bodies.send(body).await.map_err(|_| Closed)
    }

    /// Waits until every packet is sent.
    ///
    /// # Errors
    /// If one could not be.
    pub async fn close(self) -> Result<(), CrawlError> {
        drop(self.bodies);
        self.sender.await.map_err(|_| CrawlError::Panicked("the sending"))?
    }
}

async fn send_all(queue: Arc<dyn Queue>, mut waiting: mpsc::Receiver<String>) -> Result<(), CrawlError> {
    let mut pending = VecDeque::new();
    let mut failures = 0;
    loop {
        if pending.is_empty() {
            match waiting.recv().await {
                Some(body) => pending.push_back(body),
                None => return Ok(()),
            }
        }
        while pending.len() < SEND_BATCH_MESSAGES {
            match waiting.try_recv() {
                Ok(body) => pending.push_back(body),
                Err(_) => break,
            }
        }
        let batch: Vec<String> = pending.drain(..batch_length(&pending)).collect();
        let refused = send(queue.as_ref(), &batch).await?;
        // what got through resets the patience: a queue that takes a little is a queue that works
        failures = if refused.len() < batch.len() { 0 } else { failures + 1 };
        if failures >= SEND.attempts {
            return Err(CrawlError::Refused { packets: refused.len(), attempts: failures });
        }
        if !refused.is_empty() {
            debug!(refused = refused.len(), "Sending again what the queue refused");
            tokio::time::sleep(SEND.wait(failures.max(1))).await;
        }
        // the refused ones first, in their order
        for body in refused.into_iter().rev() {
            pending.push_front(body);
        }
    }
}

/// Sends a batch; returns what the queue refused of it.
async fn send(queue: &dyn Queue, batch: &[String]) -> Result<Vec<String>, CrawlError> {
    let indexes = SEND.run(|error: &ServiceError| error.retryable, || queue.send(batch)).await;
    let indexes = indexes.map_err(CrawlError::Enqueue)?;
    Ok(indexes.into_iter().map(|index| batch[index].clone()).collect())
}

/// How many of the bodies fit in one batch: 10, and 1 MiB together.
fn batch_length(bodies: &VecDeque<String>) -> usize {
    let mut bytes = 0;
    let fits = |body: &&String| {
        bytes += body.len();
        bytes <= SEND_BATCH_BYTES
    };
    // a body is never larger than a batch; were one, SQS and not an endless loop would say so
    bodies.iter().take(SEND_BATCH_MESSAGES).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lazaret_aws::fake::{FailingQueue, FakeQueue, not_found, throttled};

    use super::*;

    async fn send_numbers(queue: impl Queue + 'static, count: usize) -> Result<(), CrawlError> {
        let outbox = Outbox::open(Arc::new(queue));
        for n in 0..count {
            if outbox.put(format!("packet {n}")).await.is_err() {
                break;
            }
        }
        outbox.close().await
    }

    fn numbers(count: usize) -> Vec<String> {
        let mut all: Vec<_> = (0..count).map(|n| format!("packet {n}")).collect();
        all.sort();
        all
    }

    fn sorted(queue: &FakeQueue) -> Vec<String> {
        let mut bodies = queue.bodies();
        bodies.sort();
        bodies
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_refused_entries_are_sent_again() {
        let queue = FakeQueue::new();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        queue.refuse(move |body| {
            let times = seen.entry(body.to_owned()).or_default();
            *times += 1;
            // each third packet twice
            body.ends_with(['0', '3', '6', '9']) && *times <= 2
        });
        send_numbers(queue.clone(), 57).await.expect("sent");
        assert_eq!(sorted(&queue), numbers(57), "each exactly once");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_waited_out_and_a_lost_answer_may_send_twice_but_never_loses() {
        let queue = FakeQueue::new();
        let failing = FailingQueue::new(queue.clone());
        for call in [1, 2, 4] {
            failing.faults.fail("send", call, throttled("SendMessageBatch"));
        }
        failing.faults.lose_answer("send", 5, throttled("SendMessageBatch"));
        send_numbers(failing, 40).await.expect("sent");
        let mut bodies = sorted(&queue);
        bodies.dedup();
        assert_eq!(bodies, numbers(40));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let queue = FakeQueue::new();
        queue.refuse(|_| true);
        let error = send_numbers(queue, 3).await.expect_err("refused");
        assert!(matches!(error, CrawlError::Refused { .. }) && error.retryable(), "{error}");
        let failing = FailingQueue::new(FakeQueue::new());
        failing.faults.fail_always("send", throttled("SendMessageBatch"));
        assert!(send_numbers(failing, 3).await.expect_err("throttled").retryable());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_gone_ends_it_at_once() {
        let failing = FailingQueue::new(FakeQueue::new());
        failing.faults.fail_always("send", not_found("SendMessageBatch"));
        let error = send_numbers(failing.clone(), 100).await.expect_err("gone");
        assert!(!error.retryable());
        assert_eq!(failing.faults.calls("send"), 1);
    }

    #[test]
    fn a_batch_has_ten_messages_and_one_mebibyte_at_most() {
        let bodies =
            |count: usize, bytes: usize| -> VecDeque<String> { (0..count).map(|_| "x".repeat(bytes)).collect() };
        assert_eq!(batch_length(&bodies(25, 10)), 10);
        assert_eq!(batch_length(&bodies(10, 256 * 1024)), 4);
        assert_eq!(batch_length(&bodies(10, 256 * 1024 + 1)), 3);
    }
}
