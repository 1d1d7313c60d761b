//! A fake topic and a fake bus.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Faults, locked};
use crate::ServiceError;
use crate::announce::{BusEvent, EventBus, Topic};

/// What was published, with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub message: String,
    pub attributes: Vec<(String, String)>,
}

/// Keeps what is published.
#[derive(Clone, Default)]
pub struct FakeTopic {
    published: Arc<Mutex<Vec<Published>>>,
    /// Of `"publish"`.
    pub faults: Faults<ServiceError>,
}

impl FakeTopic {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn published(&self) -> Vec<Published> {
        locked(&self.published).clone()
    }
}

#[async_trait]
impl Topic for FakeTopic {
    async fn publish(&self, message: &str, attributes: &[(&str, &str)]) -> Result<(), ServiceError> {
        self.faults
            .around("publish", async {
                let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                let published = Published { message: message.to_owned(), attributes: attributes.collect() };
                locked(&self.published).push(published);
                Ok(())
            })
            .await
    }
}

/// Keeps what is put.
#[derive(Clone, Default)]
pub struct FakeBus {
    events: Arc<Mutex<Vec<BusEvent>>>,
    /// Of `"put"`.
    pub faults: Faults<ServiceError>,
}

impl FakeBus {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn events(&self) -> Vec<BusEvent> {
        locked(&self.events).clone()
    }
}

#[async_trait]
impl EventBus for FakeBus {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<usize>, ServiceError> {
        self.faults
            .around("put", async {
                locked(&self.events).extend(events.iter().cloned());
                Ok(Vec::new())
            })
            .await
    }
}
