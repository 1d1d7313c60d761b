//! A deployment in memory, and buckets of an owner.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::buckets::{NotificationRule, Notifications};
use lazaret_aws::fake::{FakeBuckets, FakeExecutions, FakeStore};
use lazaret_model::policy::ProtectedBy;
use lazaret_model::promotion::Destination;
use lazaret_model::{Policies, layout};

use lazaret_protection::filter::KeyFilter;
use lazaret_protection::{Flow, Site, TopicArn, Wish};

pub const RESULTS: &str = "results";
pub const QUARANTINE: &str = "quarantine";

pub struct World {
    pub store: FakeStore,
    pub buckets: FakeBuckets,
    pub executions: FakeExecutions,
}

impl World {
    /// With the buckets `uploads`, `staging` (versioned) and `production`.
    pub fn new() -> Self {
        let store = FakeStore::new().with_bucket(RESULTS).with_bucket(QUARANTINE);
        let store = store.with_bucket("uploads").with_versioned_bucket("staging").with_bucket("production");
        Self { buckets: FakeBuckets::of(&store), store, executions: FakeExecutions::new() }
    }

    pub fn site(&self) -> Site {
        Site {
            store: Arc::new(self.store.clone()),
            buckets: Arc::new(self.buckets.clone()),
            executions: Arc::new(self.executions.clone()),
            results_bucket: RESULTS.into(),
            quarantine_bucket: QUARANTINE.into(),
            topic: topic(),
        }
    }

    pub fn policies(&self) -> Policies {
        let stored = self.store.bytes(RESULTS, layout::POLICIES_KEY);
        stored.map(|bytes| serde_json::from_slice(&bytes).expect("policies")).unwrap_or_default()
    }

    pub fn put_policies(&self, policies: &Policies) {
        self.store.insert(RESULTS, layout::POLICIES_KEY, serde_json::to_vec(policies).expect("JSON"));
    }
}

pub fn topic() -> TopicArn {
    TopicArn::of_deployment("aws", FakeBuckets::REGION, "000000000000")
}

pub fn now() -> Timestamp {
    "2026-11-22T10:15:00Z".parse().expect("a timestamp")
}

pub fn wish(bucket: &str) -> Wish {
    Wish::new(bucket, ProtectedBy::Command)
}

pub fn two_bucket(to: &str) -> Option<Flow> {
    Some(Flow::TwoBucket(Destination { bucket: to.into(), prefix: "in/".into() }))
}

/// A configuration of an owner's own, with a rule of each kind.
pub fn theirs() -> Notifications {
    let rule = |id: &str, destination: &str, event: &str, prefix: &str| {
        let mut filter = KeyFilter { prefix: prefix.into(), suffix: ".x".into() }.to_filter();
        for rule in filter.iter_mut().filter_map(|filter| filter.key_rules.as_mut()).flatten() {
            rule.name = if rule.name == "prefix" { "Prefix".into() } else { "Suffix".into() };
        }
        NotificationRule {
            id: Some(id.into()),
            destination: destination.into(),
            events: vec![event.into(), "s3:ObjectTagging:*".into()],
            filter,
        }
    };
    Notifications {
        topics: vec![rule("t", "arn:aws:sns:eu-test-1:0:t", "s3:ObjectRemoved:*", "a/")],
        queues: vec![rule("q", "arn:aws:sqs:eu-test-1:0:q", "s3:ObjectCreated:*", "thumbs/")],
        functions: vec![rule("f", "arn:aws:lambda:eu-test-1:0:function:f", "s3:ObjectRestore:*", "b/")],
        event_bridge: false,
    }
}
