//! A fake SQS queue on tokio's clock.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Calls, locked, not_found, refused};
use crate::ServiceError;
use crate::queue::{Depth, Message, Queue, SEND_BATCH_BYTES, SEND_BATCH_MESSAGES};

/// A standard queue: at least once, in about the order of sending.
#[derive(Clone, Default)]
pub struct FakeQueue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    calls: Arc<Calls>,
}

type Refuse = Box<dyn FnMut(&str) -> bool + Send>;

#[derive(Default)]
struct State {
    messages: Vec<Entry>,
    /// Where messages go that were received `.1` times.
    dead_letters: Option<(FakeQueue, u32)>,
    deleted: bool,
    sent: u64,
    receipts: u64,
    refuse: Option<Refuse>,
}

struct Entry {
    id: String,
    body: String,
    pushed_at: Instant,
    visible_at: Instant,
    receive_count: u32,
    /// Of the last receipt.
    receipt_handle: String,
}

impl FakeQueue {
    pub fn new() -> Self {
        Self::default()
    }

    /// Messages that were received `max_receives` times and come back go to `dead`.
    pub fn with_dead_letters(dead: &FakeQueue, max_receives: u32) -> Self {
        let queue = Self::new();
        queue.state().dead_letters = Some((dead.clone(), max_receives));
        queue
    }

    /// From now on entries whose body is refused here come back from `send` as not sent.
    pub fn refuse(&self, refuse: impl FnMut(&str) -> bool + Send + 'static) {
        self.state().refuse = Some(Box::new(refuse));
    }

    /// Puts a message in, past all checks.
    pub fn push(&self, body: impl Into<String>) {
        let mut state = self.state();
        state.sent += 1;
        let (id, now) = (format!("message-{}", state.sent), Instant::now());
        state.messages.push(Entry {
            id,
            body: body.into(),
            pushed_at: now,
            visible_at: now,
            receive_count: 0,
            receipt_handle: String::new(),
        });
        drop(state);
        self.changed.notify_waiters();
    }

    /// The bodies of all messages that are not deleted, visible or not, in the order of sending.
    pub fn bodies(&self) -> Vec<String> {
        self.state().messages.iter().map(|entry| entry.body.clone()).collect()
    }

    /// Messages that were ever put in.
    pub fn sent(&self) -> u64 {
        self.state().sent
    }

    /// Makes the queue cease to exist.
    pub fn vanish(&self) {
        self.state().deleted = true;
        self.changed.notify_waiters();
    }

    pub fn is_deleted(&self) -> bool {
        self.state().deleted
    }

    /// How often an operation of the port was called: `"send"`, `"receive"`, …
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.of(operation)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Takes what is visible; moves what was received too often.
    fn take(&self, max: u32, visibility: Duration) -> Result<Vec<Message>, ServiceError> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.exists("ReceiveMessage")?;
        let now = Instant::now();
        let mut taken = Vec::new();
        let mut index = 0;
        while index < state.messages.len() && taken.len() < max as usize {
            let entry = &mut state.messages[index];
            if entry.visible_at > now {
                index += 1;
                continue;
            }
            if let Some((dead, _)) = state.dead_letters.as_ref().filter(|(_, most)| entry.receive_count >= *most) {
                dead.push(state.messages.remove(index).body);
                continue;
            }
            state.receipts += 1;
            entry.receive_count += 1;
            entry.visible_at = now + visibility;
            entry.receipt_handle = format!("receipt-{}", state.receipts);
            taken.push(Message {
                id: entry.id.clone(),
                body: entry.body.clone(),
                receipt_handle: entry.receipt_handle.clone(),
                receive_count: entry.receive_count,
                // tokio's clock may run ahead of the world's
                sent_at: Some(jiff::Timestamp::now() - (now - entry.pushed_at)),
                trace_header: None,
            });
            index += 1;
        }
        Ok(taken)
    }

    /// When the next message becomes visible by itself.
    fn next_visible(&self) -> Option<Instant> {
        self.state().messages.iter().map(|entry| entry.visible_at).min()
    }
}

impl State {
    fn exists(&self, operation: &'static str) -> Result<(), ServiceError> {
        if self.deleted { Err(not_found(operation)) } else { Ok(()) }
    }
}

#[async_trait]
impl Queue for FakeQueue {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, ServiceError> {
        const OPERATION: &str = "SendMessageBatch";
        self.calls.count("send");
        self.state().exists(OPERATION)?;
        if bodies.is_empty() || bodies.len() > SEND_BATCH_MESSAGES {
            return Err(refused(OPERATION, "a batch has 1 to 10 entries"));
        }
        if bodies.iter().map(String::len).sum::<usize>() > SEND_BATCH_BYTES {
            return Err(refused(OPERATION, "BatchRequestTooLong"));
        }
        let mut again = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            if self.state().refuse.as_mut().is_some_and(|refuse| refuse(body)) {
                again.push(index);
            } else {
                self.push(body.as_str());
            }
        }
        Ok(again)
    }

    async fn receive(&self, max: u32, wait: Duration, visibility: Duration) -> Result<Vec<Message>, ServiceError> {
        self.calls.count("receive");
        let deadline = Instant::now() + wait;
        loop {
            let notified = self.changed.notified();
            tokio::pin!(notified);
            // from here on a change is not missed, though nobody awaits it yet
            notified.as_mut().enable();
            let taken = self.take(max, visibility)?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let until = self.next_visible().map_or(deadline, |at| at.min(deadline));
            // woken or timed out: look again either way
            let _ = timeout_at(until, notified).await;
        }
    }

    async fn extend(&self, receipt_handle: &str, visibility: Duration) -> Result<(), ServiceError> {
        self.calls.count("extend");
        let mut state = self.state();
        state.exists("ChangeMessageVisibility")?;
        let now = Instant::now();
        let entry = state.messages.iter_mut().find(|entry| entry.receipt_handle == receipt_handle);
        let entry = entry.filter(|entry| entry.visible_at > now);
        let entry = entry.ok_or_else(|| refused("ChangeMessageVisibility", "MessageNotInflight"))?;
        entry.visible_at = now + visibility;
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), ServiceError> {
        self.calls.count("delete");
        let mut state = self.state();
        state.exists("DeleteMessage")?;
        // an older receipt's handle succeeds and deletes nothing, as in SQS
        state.messages.retain(|entry| entry.receipt_handle != receipt_handle);
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        self.calls.count("depth");
        let state = self.state();
        state.exists("GetQueueAttributes")?;
        let now = Instant::now();
        let in_flight = state.messages.iter().filter(|entry| entry.visible_at > now).count() as u64;
        Ok(Depth { visible: state.messages.len() as u64 - in_flight, in_flight, delayed: 0 })
    }

    async fn delete_queue(&self) -> Result<(), ServiceError> {
        self.calls.count("delete_queue");
        self.vanish();
        Ok(())
    }
}

impl fmt::Debug for FakeQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("FakeQueue")
            .field("messages", &state.messages.len())
            .field("sent", &state.sent)
            .field("deleted", &state.deleted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_not_deleted_comes_back_and_then_dies() {
        let dead = FakeQueue::new();
        let queue = FakeQueue::with_dead_letters(&dead, 2);
        queue.push("packet");
        for count in 1..=2 {
            let taken = queue.receive(10, MINUTE * 2, MINUTE).await.expect("receive");
            assert_eq!(taken.iter().map(|message| message.receive_count).collect::<Vec<_>>(), [count]);
        }
        assert!(queue.receive(10, MINUTE * 2, MINUTE).await.expect("receive").is_empty());
        assert_eq!(dead.bodies(), ["packet"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_wakes_for_a_message_and_for_the_queues_end() {
        let queue = FakeQueue::new();
        let start = Instant::now();
        let (taken, ()) = tokio::join!(queue.receive(1, MINUTE, MINUTE), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            queue.push("late");
        });
        assert_eq!((taken.expect("receive").len(), start.elapsed().as_secs()), (1, 3));
        let (gone, ()) = tokio::join!(queue.receive(1, MINUTE, MINUTE), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            queue.vanish();
        });
        assert!(gone.expect_err("gone").not_found);
    }
}
