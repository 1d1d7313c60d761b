//! SNS topics.

use async_trait::async_trait;
use aws_sdk_sns::Client;

use super::fault::service_error;
use crate::ServiceError;
use crate::topics::Topics;

/// Topics through the SDK.
#[derive(Debug, Clone)]
pub struct SnsTopics {
    sns: Client,
}

impl SnsTopics {
    pub(super) fn new(sns: Client) -> Self {
        Self { sns }
    }
}

#[async_trait]
impl Topics for SnsTopics {
    async fn exists(&self, arn: &str) -> Result<bool, ServiceError> {
        match self.sns.get_topic_attributes().topic_arn(arn).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_not_found_exception()) => Ok(false),
            Err(error) => Err(service_error("GetTopicAttributes", error)),
        }
    }
}
