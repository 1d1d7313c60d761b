//! Fake topics.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::locked;
use crate::ServiceError;
use crate::topics::Topics;

/// Those that were created.
#[derive(Debug, Clone, Default)]
pub struct FakeTopics {
    arns: Arc<Mutex<BTreeSet<String>>>,
}

impl FakeTopics {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn create(&self, arn: &str) {
        locked(&self.arns).insert(arn.to_owned());
    }

    pub fn remove(&self, arn: &str) {
        locked(&self.arns).remove(arn);
    }
}

#[async_trait]
impl Topics for FakeTopics {
    async fn exists(&self, arn: &str) -> Result<bool, ServiceError> {
        Ok(locked(&self.arns).contains(arn))
    }
}
