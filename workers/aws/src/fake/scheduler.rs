//! A fake group of schedules. It calls nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::locked;
use crate::ServiceError;
use crate::scheduler::{Scheduled, Scheduler};

/// Schedules by name.
#[derive(Debug, Clone, Default)]
pub struct FakeScheduler {
    schedules: Arc<Mutex<BTreeMap<String, Scheduled>>>,
}

impl FakeScheduler {
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Scheduler for FakeScheduler {
    async fn create(&self, schedule: &Scheduled) -> Result<bool, ServiceError> {
        let mut schedules = locked(&self.schedules);
        if schedules.contains_key(&schedule.name) {
            return Ok(false);
        }
        schedules.insert(schedule.name.clone(), schedule.clone());
        Ok(true)
    }

    async fn get(&self, name: &str) -> Result<Option<Scheduled>, ServiceError> {
        Ok(locked(&self.schedules).get(name).cloned())
    }

    async fn list(&self) -> Result<Vec<String>, ServiceError> {
        Ok(locked(&self.schedules).keys().cloned().collect())
    }

    async fn enable(&self, name: &str, enabled: bool) -> Result<bool, ServiceError> {
        Ok(locked(&self.schedules).get_mut(name).map(|schedule| schedule.enabled = enabled).is_some())
    }

    async fn delete(&self, name: &str) -> Result<bool, ServiceError> {
        Ok(locked(&self.schedules).remove(name).is_some())
    }
}
