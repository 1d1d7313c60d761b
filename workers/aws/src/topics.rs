//! SNS topics, apart from what is published to them.

use async_trait::async_trait;

use crate::ServiceError;

/// The topics of the account and region.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Whether there is a topic of that ARN.
    async fn exists(&self, arn: &str) -> Result<bool, ServiceError>;
}
