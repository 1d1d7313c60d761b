//! One SQS queue.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::ServiceError;

/// Messages that one SendMessageBatch takes (SQS API reference).
pub const SEND_BATCH_MESSAGES: usize = 10;
/// Bytes that one message, and all messages of one SendMessageBatch together, may have: 1 MiB (SQS quotas, since August 2025).
pub const SEND_BATCH_BYTES: usize = 1024 * 1024;

/// A message that was received and is not yet deleted.
#[derive(Debug, Clone)]
pub struct Message {
    /// SQS's own: the same for every receipt of the message, and another one once it was moved out of a dead-letter queue.
    pub id: String,
    pub body: String,
    /// Names this one receipt of the message.
    pub receipt_handle: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was sent, on the service's clock, if it says so.
    pub sent_at: Option<Timestamp>,
    /// `AWSTraceHeader`, if whoever sent it has a trace.
    pub trace_header: Option<String>,
}

/// How many messages a queue holds. SQS calls these approximate: never a proof of anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
}

/// One queue. Every error says `not_found` if the queue is gone.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends up to 10 messages of together at most 1 MiB. Returns the indexes of those that the queue refused and that
    /// may be sent again; a refusal that another attempt would meet too is an error.
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, ServiceError>;

    /// Waits up to `wait` (20 s at most) for up to `max` (10 at most) messages, invisible for `visibility` once received.
    async fn receive(&self, max: u32, wait: Duration, visibility: Duration) -> Result<Vec<Message>, ServiceError>;

    /// Keeps a received message invisible for `visibility` from now; zero gives it back.
    async fn extend(&self, receipt_handle: &str, visibility: Duration) -> Result<(), ServiceError>;

    async fn delete(&self, receipt_handle: &str) -> Result<(), ServiceError>;

    async fn depth(&self) -> Result<Depth, ServiceError>;

    /// Deletes the queue itself; one that is gone already is no error.
    async fn delete_queue(&self) -> Result<(), ServiceError>;
}

/// Finds queues by name.
#[async_trait]
pub trait Queues: Send + Sync {
    /// The queue's URL; `None` if there is none of that name.
    async fn url(&self, name: &str) -> Result<Option<String>, ServiceError>;

    /// A handle on the queue at `url`.
    fn at(&self, url: &str) -> std::sync::Arc<dyn Queue>;
}
