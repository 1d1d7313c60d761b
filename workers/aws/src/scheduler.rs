//! EventBridge Scheduler: the schedules of one group.

use async_trait::async_trait;

use crate::ServiceError;

/// A schedule that calls our function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    pub name: String,
    /// `cron(…)` or `rate(…)`.
    pub expression: String,
    /// Of the IANA data base, `Europe/Berlin`.
    pub timezone: String,
    pub description: String,
    pub enabled: bool,
    /// What the function is called with, JSON.
    pub input: String,
}

/// The group.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// `false` if there is one of that name.
    async fn create(&self, schedule: &Scheduled) -> Result<bool, ServiceError>;
    async fn get(&self, name: &str) -> Result<Option<Scheduled>, ServiceError>;
    /// The names of all, in order.
    async fn list(&self) -> Result<Vec<String>, ServiceError>;
    /// Changes nothing else. `false` if there is none of that name.
    async fn enable(&self, name: &str, enabled: bool) -> Result<bool, ServiceError>;
    /// `false` if there was none of that name.
    async fn delete(&self, name: &str) -> Result<bool, ServiceError>;
}
