//! SNS and EventBridge.

use async_trait::async_trait;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use lazaret_model::announcement::EVENT_SOURCE;

use super::fault::{chain, service_error};
use crate::ServiceError;
use crate::announce::{BusEvent, EventBus, Topic};

/// One topic through the SDK.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    sns: aws_sdk_sns::Client,
    arn: String,
}

impl SnsTopic {
    pub(super) fn new(sns: aws_sdk_sns::Client, arn: &str) -> Self {
        Self { sns, arn: arn.to_owned() }
    }
}

#[async_trait]
impl Topic for SnsTopic {
    async fn publish(&self, message: &str, attributes: &[(&str, &str)]) -> Result<(), ServiceError> {
        const OPERATION: &str = "Publish";
        let mut publish = self.sns.publish().topic_arn(&self.arn).message(message);
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build();
            let value = value.map_err(|error| ServiceError {
                operation: OPERATION,
                message: chain(&error),
                retryable: false,
                not_found: false,
            })?;
            publish = publish.message_attributes(*name, value);
        }
        publish.send().await.map(drop).map_err(|error| service_error(OPERATION, error))
    }
}

/// One bus through the SDK. Its events' source is ours.
#[derive(Debug, Clone)]
pub struct EventBridgeBus {
    events: aws_sdk_eventbridge::Client,
    name: String,
}

impl EventBridgeBus {
    pub(super) fn new(events: aws_sdk_eventbridge::Client, name: &str) -> Self {
        Self { events, name: name.to_owned() }
    }
}

#[async_trait]
impl EventBus for EventBridgeBus {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<usize>, ServiceError> {
        let entries = events.iter().map(|event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(EVENT_SOURCE)
                .detail_type(&event.detail_type)
                .detail(&event.detail)
                .set_resources(Some(event.resources.clone()))
                .build()
        });
        let put = self.events.put_events().set_entries(Some(entries.collect())).send().await;
        let put = put.map_err(|error| service_error("PutEvents", error))?;
        let refused = put.entries().iter().enumerate().filter(|(_, entry)| entry.error_code().is_some());
        Ok(refused.map(|(index, _)| index).collect())
    }
}
