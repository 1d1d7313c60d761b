//! A queue within one process: for whoever crawls and scans without a deployment.
//!
//! It holds a bounded number of messages: who sends waits for room, so that memory does not grow with a bucket. Unlike SQS it
//! loses nothing and repeats nothing unless a message stays invisible for longer than was asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::ServiceError;
use crate::queue::{Depth, Message, Queue};

/// A queue in memory. Clones are the same queue.
#[derive(Clone)]
pub struct MemoryQueue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// By receipt.
    in_flight: BTreeMap<u64, (Entry, Instant)>,
    receipts: u64,
    sent: u64,
    /// Nothing more will be sent.
    complete: bool,
    deleted: bool,
}

struct Entry {
    number: u64,
    body: String,
    receive_count: u32,
    /// Given back when the message is deleted: those in flight count too.
    room: OwnedSemaphorePermit,
}

impl MemoryQueue {
    /// A queue that holds up to `messages`, those in flight among them.
    pub fn with_room(messages: usize) -> Self {
        Self { state: Arc::default(), changed: Arc::default(), room: Arc::new(Semaphore::new(messages)) }
    }

    /// Nothing more will be sent: from now on nobody waits for a message that can't come.
    pub fn complete(&self) {
        self.state().complete = true;
        self.changed.notify_waiters();
    }

    /// Whether everything that was to be sent was also deleted.
    pub fn is_drained(&self) -> bool {
        let state = self.state();
        state.complete && state.waiting.is_empty() && state.in_flight.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, max: u32, visibility: Duration) -> Result<Taken, ServiceError> {
        let mut state = self.state();
        state.exists("ReceiveMessage")?;
        let now = Instant::now();
        state.return_overdue(now);
        let mut messages = Vec::new();
        while messages.len() < max as usize
            && let Some(mut entry) = state.waiting.pop_front()
        {
            entry.receive_count += 1;
            state.receipts += 1;
            let receipt = state.receipts;
            messages.push(Message {
                id: entry.number.to_string(),
                body: entry.body.clone(),
                receipt_handle: receipt.to_string(),
                receive_count: entry.receive_count,
                sent_at: None,
                trace_header: None,
            });
            state.in_flight.insert(receipt, (entry, now + visibility));
        }
        let next = state.in_flight.values().map(|(_, until)| *until).min();
        Ok(Taken { messages, next, complete: state.complete && state.in_flight.is_empty() })
    }
}

/// What there was to receive.
struct Taken {
    messages: Vec<Message>,
    /// When a message may come back.
    next: Option<Instant>,
    /// There will never be another.
    complete: bool,
}

impl State {
    fn exists(&self, operation: &'static str) -> Result<(), ServiceError> {
        if !self.deleted {
            return Ok(());
        }
        Err(ServiceError { operation, message: "the queue is gone".into(), retryable: false, not_found: true })
    }

    fn return_overdue(&mut self, now: Instant) {
        let overdue: Vec<u64> =
            self.in_flight.iter().filter(|(_, (_, until))| *until <= now).map(|(receipt, _)| *receipt).collect();
        for receipt in overdue {
            let (entry, _) = self.in_flight.remove(&receipt).expect("it was there a moment ago");
            self.waiting.push_back(entry);
        }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    /// Waits for room, for as long as it takes.
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, ServiceError> {
        for body in bodies {
            let room = Arc::clone(&self.room).acquire_owned().await.expect("never closed");
            let mut state = self.state();
            state.exists("SendMessageBatch")?;
            state.sent += 1;
            let number = state.sent;
            state.waiting.push_back(Entry { number, body: body.clone(), receive_count: 0, room });
            drop(state);
            self.changed.notify_waiters();
        }
        Ok(Vec::new())
    }

    async fn receive(&self, max: u32, wait: Duration, visibility: Duration) -> Result<Vec<Message>, ServiceError> {
        let deadline = Instant::now() + wait;
        loop {
            let notified = self.changed.notified();
            tokio::pin!(notified);
            // from here on a change is not missed, though nobody awaits it yet
            notified.as_mut().enable();
            let Taken { messages, next, complete } = self.take(max, visibility)?;
            if !messages.is_empty() || complete || Instant::now() >= deadline {
                return Ok(messages);
            }
            // woken or timed out: look again either way
            let _ = timeout_at(next.map_or(deadline, |next| next.min(deadline)), notified).await;
        }
    }

    async fn extend(&self, receipt_handle: &str, visibility: Duration) -> Result<(), ServiceError> {
        let mut state = self.state();
        state.exists("ChangeMessageVisibility")?;
        let now = Instant::now();
        let entry = receipt_handle.parse().ok().and_then(|receipt: u64| state.in_flight.get_mut(&receipt));
        let (_, until) = entry.ok_or_else(|| ServiceError {
            operation: "ChangeMessageVisibility",
            message: "the message is not in flight".into(),
            retryable: false,
            not_found: false,
        })?;
        *until = now + visibility;
        state.return_overdue(now);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state.exists("DeleteMessage")?;
        // an older receipt's handle deletes nothing, as in SQS
        let entry = receipt_handle.parse().ok().and_then(|receipt: u64| state.in_flight.remove(&receipt));
        drop(state);
        if let Some((Entry { room, .. }, _)) = entry {
            drop(room);
            self.changed.notify_waiters();
        }
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        let mut state = self.state();
        state.exists("GetQueueAttributes")?;
        state.return_overdue(Instant::now());
        Ok(Depth { visible: state.waiting.len() as u64, in_flight: state.in_flight.len() as u64, delayed: 0 })
    }

    async fn delete_queue(&self) -> Result<(), ServiceError> {
        let mut state = self.state();
        state.deleted = true;
        state.waiting.clear();
        state.in_flight.clear();
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    async fn send(queue: &MemoryQueue, body: &str) {
        assert!(queue.send(&[body.to_owned()]).await.expect("sent").is_empty());
    }

    async fn receive(queue: &MemoryQueue) -> Option<Message> {
        queue.receive(1, MINUTE, MINUTE * 2).await.expect("received").pop()
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_waits_until_a_message_is_deleted() {
        let queue = MemoryQueue::with_room(1);
        send(&queue, "first").await;
        let sending = tokio::spawn({
            let queue = queue.clone();
            async move { send(&queue, "second").await }
        });
        let first = receive(&queue).await.expect("a message");
        tokio::time::sleep(MINUTE).await;
        assert!(!sending.is_finished(), "what is in flight takes its place");
        queue.delete(&first.receipt_handle).await.expect("deleted");
        sending.await.expect("sent");
        assert_eq!(receive(&queue).await.expect("a message").body, "second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_nobody_deletes_comes_back() {
        let queue = MemoryQueue::with_room(4);
        send(&queue, "m").await;
        let first = queue.receive(1, MINUTE, MINUTE).await.expect("received").pop().expect("a message");
        let again = queue.receive(1, MINUTE * 2, MINUTE).await.expect("received").pop().expect("the message");
        assert_eq!((first.receive_count, again.receive_count), (1, 2));
        queue.delete(&first.receipt_handle).await.expect("no error");
        assert_eq!(queue.depth().await.expect("a depth").in_flight, 1, "an old receipt deletes nothing");
        queue.extend(&again.receipt_handle, Duration::ZERO).await.expect("given back");
        assert_eq!(receive(&queue).await.expect("at once").receive_count, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_can_not_come() {
        let queue = MemoryQueue::with_room(4);
        let begun = Instant::now();
        let (none, ()) = tokio::join!(receive(&queue), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            queue.complete();
        });
        assert!(none.is_none() && queue.is_drained());
        assert_eq!(begun.elapsed().as_secs(), 3);
        queue.delete_queue().await.expect("deleted");
        assert!(queue.receive(1, MINUTE, MINUTE).await.expect_err("gone").not_found);
    }
}
