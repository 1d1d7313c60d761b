//! What a protection needs of the deployment.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use lazaret_aws::{Buckets, Executions, ObjectStore};

/// The topic of events in every deployment.
pub const EVENTS_TOPIC: &str = "lazaret-events";

/// A deployment of Lazaret, as buckets see it.
#[derive(Clone)]
pub struct Site {
    pub store: Arc<dyn ObjectStore>,
    pub buckets: Arc<dyn Buckets>,
    /// The retro job's.
    pub executions: Arc<dyn Executions>,
    pub results_bucket: String,
    pub quarantine_bucket: String,
    /// Where buckets publish their events.
    pub topic: TopicArn,
}

impl Site {
    /// Whether a bucket is one of Lazaret's own.
    pub fn is_ours(&self, bucket: &str) -> bool {
        bucket == self.results_bucket || bucket == self.quarantine_bucket
    }
}

/// The ARN of an SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicArn {
    arn: String,
    pub region: String,
    pub account: String,
}

/// A text that is no such ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the ARN of a topic (arn:aws:sns:REGION:ACCOUNT:NAME)")]
pub struct BadTopicArn(String);

impl TopicArn {
    /// The topic of a deployment in this region and account.
    pub fn of_deployment(partition: &str, region: &str, account: &str) -> Self {
        let arn = format!("arn:{partition}:sns:{region}:{account}:{EVENTS_TOPIC}");
        Self { arn, region: region.to_owned(), account: account.to_owned() }
    }

    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The quarantine bucket of the deployment that the topic is of.
    pub fn quarantine_bucket(&self) -> String {
        format!("lazaret-quarantine-{}-{}", self.account, self.region)
    }
}

impl FromStr for TopicArn {
    type Err = BadTopicArn;

    fn from_str(text: &str) -> Result<Self, BadTopicArn> {
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", _partition, "sns", region, account, name]
                if ![region, account, name].iter().any(|p| p.is_empty()) =>
            {
                Ok(Self { arn: text.to_owned(), region: (*region).to_owned(), account: (*account).to_owned() })
            }
            _ => Err(BadTopicArn(text.to_owned())),
        }
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_arn_tells_where_its_deployment_is() {
        let topic: TopicArn = "arn:aws:sns:eu-central-1:123456789012:lazaret-events".parse().expect("an ARN");
        assert_eq!(topic, TopicArn::of_deployment("aws", "eu-central-1", "123456789012"));
        assert_eq!(topic.quarantine_bucket(), "lazaret-quarantine-123456789012-eu-central-1");
        for bad in ["", "lazaret-events", "arn:aws:sqs:r:1:q", "arn:aws:sns:r::t", "arn:aws:sns:r:1:t:subscription"] {
            assert_eq!(bad.parse::<TopicArn>(), Err(BadTopicArn(bad.to_owned())));
        }
    }
}
