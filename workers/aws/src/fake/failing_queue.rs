//! A queue some of whose calls fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Faults;
use crate::ServiceError;
use crate::queue::{Depth, Message, Queue};

/// Passes every call on to `inner`, but for those planned in `faults`.
#[derive(Clone)]
pub struct FailingQueue {
    inner: Arc<dyn Queue>,
    pub faults: Faults<ServiceError>,
}

impl FailingQueue {
    pub fn new(inner: impl Queue + 'static) -> Self {
        Self { inner: Arc::new(inner), faults: Faults::default() }
    }
}

#[async_trait]
impl Queue for FailingQueue {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, ServiceError> {
        self.faults.around("send", self.inner.send(bodies)).await
    }

    async fn receive(&self, max: u32, wait: Duration, visibility: Duration) -> Result<Vec<Message>, ServiceError> {
        self.faults.around("receive", self.inner.receive(max, wait, visibility)).await
    }

    async fn extend(&self, receipt_handle: &str, visibility: Duration) -> Result<(), ServiceError> {
        self.faults.around("extend", self.inner.extend(receipt_handle, visibility)).await
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), ServiceError> {
        self.faults.around("delete", self.inner.delete(receipt_handle)).await
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        self.faults.around("depth", self.inner.depth()).await
    }

    async fn delete_queue(&self) -> Result<(), ServiceError> {
        self.faults.around("delete_queue", self.inner.delete_queue()).await
    }
}
