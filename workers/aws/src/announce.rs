//! Telling the world: an SNS topic and an EventBridge bus.

use async_trait::async_trait;

use crate::ServiceError;

/// Events that one PutEvents takes (EventBridge API reference).
pub const PUT_EVENTS_MAX: usize = 10;
/// Bytes that one PutEvents, or one message of SNS, may have: 256 KiB (EventBridge and SNS quotas).
pub const ANNOUNCEMENT_BYTES: usize = 256 * 1024;

/// One SNS topic.
#[async_trait]
pub trait Topic: Send + Sync {
    /// Publishes `message` with attributes, (name, value), that subscribers filter by. Empty values can't be sent and are left out.
    async fn publish(&self, message: &str, attributes: &[(&str, &str)]) -> Result<(), ServiceError>;
}

/// One event for a bus. The source and the bus are the adapter's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEvent {
    pub detail_type: String,
    /// JSON.
    pub detail: String,
    /// ARNs.
    pub resources: Vec<String>,
}

/// One bus of EventBridge.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Puts up to [`PUT_EVENTS_MAX`] events. Returns the indexes of those that were refused and may be put again.
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<usize>, ServiceError>;
}
