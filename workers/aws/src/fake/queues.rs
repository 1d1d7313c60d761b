//! Fake queues by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{FakeQueue, locked};
use crate::ServiceError;
use crate::queue::{Queue, Queues};

/// The queues of an account.
#[derive(Debug, Clone, Default)]
pub struct FakeQueues {
    queues: Arc<Mutex<BTreeMap<String, FakeQueue>>>,
}

impl FakeQueues {
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a queue.
    pub fn create(&self, name: &str) -> FakeQueue {
        self.add(name, FakeQueue::new())
    }

    /// Creates a queue and its dead-letter queue.
    pub fn create_with_dead_letters(&self, name: &str, dead: &str, max_receives: u32) -> (FakeQueue, FakeQueue) {
        let dead = self.create(dead);
        (self.add(name, FakeQueue::with_dead_letters(&dead, max_receives)), dead)
    }

    /// The URL of a queue of that name, whether it exists or not.
    pub fn url_of(name: &str) -> String {
        format!("https://sqs.test/{name}")
    }

    /// The names of the queues that exist.
    pub fn names(&self) -> Vec<String> {
        let queues = locked(&self.queues);
        queues.iter().filter(|(_, queue)| !queue.is_deleted()).map(|(name, _)| name.clone()).collect()
    }

    fn add(&self, name: &str, queue: FakeQueue) -> FakeQueue {
        locked(&self.queues).insert(name.to_owned(), queue.clone());
        queue
    }
}

#[async_trait]
impl Queues for FakeQueues {
    async fn url(&self, name: &str) -> Result<Option<String>, ServiceError> {
        Ok(self.names().iter().any(|known| known == name).then(|| Self::url_of(name)))
    }

    fn at(&self, url: &str) -> Arc<dyn Queue> {
        let name = url.rsplit('/').next().unwrap_or_default();
        let known = locked(&self.queues).get(name).cloned();
        Arc::new(known.unwrap_or_else(|| {
            let gone = FakeQueue::new();
            gone.vanish();
            gone
        }))
    }
}
