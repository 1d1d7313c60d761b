//! Buckets' own settings.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{BuildError, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, Event, EventBridgeConfiguration, FilterRule, FilterRuleName,
    LambdaFunctionConfiguration, NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration,
    S3KeyFilter, TopicConfiguration,
};
use jiff::Timestamp;
use lazaret_model::tags::Tag;

use super::fault::{Fault, chain, store_error};
use super::store::{our_tags, timestamp};
use crate::StoreError;
use crate::buckets::{Buckets, KeyRule, NotificationFilter, NotificationRule, Notifications, Versioning};

/// Names on a page. Accounts above S3's default quota of 10,000 buckets are refused a listing without pages.
const PAGE_NAMES: i32 = 1_000;
/// The region that a location is empty for.
const FIRST_REGION: &str = "us-east-1";
/// Where a bucket lies, in answers of other regions.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// Buckets through the SDK.
#[derive(Debug, Clone)]
pub struct S3Buckets {
    s3: Client,
}

impl S3Buckets {
    pub(super) fn new(s3: Client) -> Self {
        Self { s3 }
    }
}

#[async_trait]
impl Buckets for S3Buckets {
    async fn names(&self, region: &str) -> Result<Vec<String>, StoreError> {
        let list = self.s3.list_buckets().max_buckets(PAGE_NAMES).bucket_region(region);
        let mut pages = list.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| store_error(error, ""))?;
            for bucket in page.buckets() {
                let name = bucket.name().ok_or_else(|| StoreError::Permanent("a bucket without a name".into()))?;
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    async fn region(&self, bucket: &str) -> Result<String, StoreError> {
        match self.s3.get_bucket_location().bucket(bucket).send().await {
            Ok(found) => Ok(match found.location_constraint() {
                None => FIRST_REGION.to_owned(),
                Some(constraint) => region_of(constraint),
            }),
            // some regions do not answer for others, and say so
            Err(error) => match region_header(&error) {
                Some(region) if !is_missing_or_denied(&error) => Ok(region),
                _ => Err(store_error(error, bucket)),
            },
        }
    }

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError> {
        let found = self.s3.get_bucket_versioning().bucket(bucket).send().await;
        match found.map_err(|error| store_error(error, bucket))?.status() {
            None => Ok(Versioning::Never),
            Some(BucketVersioningStatus::Enabled) => Ok(Versioning::Enabled),
            Some(BucketVersioningStatus::Suspended) => Ok(Versioning::Suspended),
            Some(other) => Err(StoreError::Permanent(format!("versioning is `{}`", other.as_str()))),
        }
    }

    async fn tags(&self, bucket: &str) -> Result<Vec<Tag>, StoreError> {
        match self.s3.get_bucket_tagging().bucket(bucket).send().await {
            Ok(found) => Ok(our_tags(found.tag_set())),
            Err(error) => {
                let fault = Fault::from(error);
                if fault.code() == "NoSuchTagSet" { Ok(Vec::new()) } else { Err(store_error(fault, bucket)) }
            }
        }
    }

    async fn notifications(&self, bucket: &str) -> Result<Notifications, StoreError> {
        let found = self.s3.get_bucket_notification_configuration().bucket(bucket).send().await;
        let found = found.map_err(|error| store_error(error, bucket))?;
        let topics = found.topic_configurations().iter();
        let queues = found.queue_configurations().iter();
        let functions = found.lambda_function_configurations().iter();
        Ok(Notifications {
            topics: topics.map(|r| rule(r.id(), r.topic_arn(), r.events(), r.filter())).collect::<Result<_, _>>()?,
            queues: queues.map(|r| rule(r.id(), r.queue_arn(), r.events(), r.filter())).collect::<Result<_, _>>()?,
            functions: functions
                .map(|r| rule(r.id(), r.lambda_function_arn(), r.events(), r.filter()))
                .collect::<Result<_, _>>()?,
            event_bridge: found.event_bridge_configuration().is_some(),
        })
    }

    async fn put_notifications(&self, bucket: &str, notifications: &Notifications) -> Result<(), StoreError> {
        let configuration = configuration(notifications).map_err(|error| StoreError::Permanent(chain(&error)))?;
        let put = self.s3.put_bucket_notification_configuration().bucket(bucket);
        let put = put.notification_configuration(configuration).send().await;
        put.map(drop).map_err(|error| store_error(error, bucket))
    }

    async fn retained_until(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let get = self.s3.get_object_retention().bucket(bucket).key(key);
        match get.set_version_id(version_id.map(str::to_owned)).send().await {
            Ok(found) => Ok(found.retention().and_then(|lock| lock.retain_until_date()).and_then(timestamp)),
            Err(error) => {
                let fault = Fault::from(error);
                let unlocked = ["NoSuchObjectLockConfiguration", "InvalidRequest"].contains(&fault.code());
                if unlocked { Ok(None) } else { Err(store_error(fault, bucket)) }
            }
        }
    }
}

/// `EU` is what Ireland was called when it was the only other one.
fn region_of(constraint: &BucketLocationConstraint) -> String {
    match constraint.as_str() {
        "" => FIRST_REGION.to_owned(),
        "EU" => "eu-west-1".to_owned(),
        region => region.to_owned(),
    }
}

fn region_header<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    error.raw_response()?.headers().get(REGION_HEADER).map(str::to_owned)
}

fn is_missing_or_denied<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 403 | 404))
}

fn rule(
    id: Option<&str>,
    destination: &str,
    events: &[Event],
    filter: Option<&NotificationConfigurationFilter>,
) -> Result<NotificationRule, StoreError> {
    let filter = filter.map(|filter| {
        let rules = filter.key().map(|key| key.filter_rules().iter().map(key_rule).collect::<Result<Vec<_>, _>>());
        rules.transpose().map(|key_rules| NotificationFilter { key_rules })
    });
    Ok(NotificationRule {
        id: id.map(str::to_owned),
        destination: destination.to_owned(),
        events: events.iter().map(|event| event.as_str().to_owned()).collect(),
        filter: filter.transpose()?,
    })
}

/// What can't be read can't be written back as it was.
fn key_rule(rule: &FilterRule) -> Result<KeyRule, StoreError> {
    match (rule.name(), rule.value()) {
        (Some(name), Some(value)) => Ok(KeyRule { name: name.as_str().to_owned(), value: value.to_owned() }),
        _ => Err(StoreError::Permanent("a notification rule whose filter lacks a name or a value".into())),
    }
}

fn configuration(notifications: &Notifications) -> Result<NotificationConfiguration, BuildError> {
    let topics = notifications.topics.iter().map(|rule| {
        let topic = TopicConfiguration::builder().set_id(rule.id.clone()).topic_arn(&rule.destination);
        topic.set_events(Some(events(rule))).set_filter(filter(rule)).build()
    });
    let queues = notifications.queues.iter().map(|rule| {
        let queue = QueueConfiguration::builder().set_id(rule.id.clone()).queue_arn(&rule.destination);
        queue.set_events(Some(events(rule))).set_filter(filter(rule)).build()
    });
    let functions = notifications.functions.iter().map(|rule| {
        let function =
            LambdaFunctionConfiguration::builder().set_id(rule.id.clone()).lambda_function_arn(&rule.destination);
        function.set_events(Some(events(rule))).set_filter(filter(rule)).build()
    });
    Ok(NotificationConfiguration::builder()
        .set_topic_configurations(Some(topics.collect::<Result<_, _>>()?))
        .set_queue_configurations(Some(queues.collect::<Result<_, _>>()?))
        .set_lambda_function_configurations(Some(functions.collect::<Result<_, _>>()?))
        .set_event_bridge_configuration(notifications.event_bridge.then(|| EventBridgeConfiguration::builder().build()))
        .build())
}

fn events(rule: &NotificationRule) -> Vec<Event> {
    rule.events.iter().map(|event| Event::from(event.as_str())).collect()
}

fn filter(rule: &NotificationRule) -> Option<NotificationConfigurationFilter> {
    let key = |rules: &Vec<KeyRule>| {
        let rules = rules.iter().map(|rule| {
            FilterRule::builder().name(FilterRuleName::from(rule.name.as_str())).value(&rule.value).build()
        });
        S3KeyFilter::builder().set_filter_rules(Some(rules.collect())).build()
    };
    rule.filter
        .as_ref()
        .map(|filter| NotificationConfigurationFilter::builder().set_key(filter.key_rules.as_ref().map(key)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_s3_says_of_a_rule_is_said_back() {
        let rule_of = |filter: Option<NotificationFilter>| NotificationRule {
            id: Some("a".into()),
            destination: "arn:aws:sns:r:1:t".into(),
            events: vec!["s3:ObjectCreated:*".into(), "s3:SomethingNew:Made".into()],
            filter,
        };
        let pair = |name: &str| KeyRule { name: name.into(), value: "x".into() };
        for filter in [
            None,
            Some(NotificationFilter { key_rules: None }),
            Some(NotificationFilter { key_rules: Some(Vec::new()) }),
            Some(NotificationFilter { key_rules: Some(vec![pair("Suffix"), pair("prefix")]) }),
        ] {
            let before = rule_of(filter);
            let written = configuration(&Notifications { topics: vec![before.clone()], ..Notifications::default() });
            let written = written.expect("complete");
            let topic = &written.topic_configurations()[0];
            let read = rule(topic.id(), topic.topic_arn(), topic.events(), topic.filter()).expect("readable");
            assert_eq!(read, before);
        }
    }

    #[test]
    fn old_names_of_regions_are_known() {
        for (constraint, region) in [("", "us-east-1"), ("EU", "eu-west-1"), ("eu-central-1", "eu-central-1")] {
            assert_eq!(region_of(&BucketLocationConstraint::from(constraint)), region);
        }
    }
}
