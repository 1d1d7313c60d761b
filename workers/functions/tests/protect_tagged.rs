//! Protection by tag, as EventBridge calls it.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::fake::{FakeBuckets, FakeExecutions, FakeStore};
use lazaret_aws::{Executions, StoreError};
use lazaret_functions::protect_tagged::{Input, ProtectTagged};
use lazaret_model::Failure;
use lazaret_protection::reconcile::Counts;
use serde_json::{Value, json};

fn input(event: Value) -> Input {
    serde_json::from_value(event).expect("an event")
}

struct World {
    buckets: FakeBuckets,
    executions: FakeExecutions,
    function: ProtectTagged,
}

fn world() -> World {
    let store = FakeStore::new().with_bucket("results").with_bucket("uploads").with_bucket("other");
    let (buckets, executions) = (FakeBuckets::of(&store), FakeExecutions::new());
    for bucket in ["uploads", "other"] {
        buckets.set_tags(bucket, &[("lazaret:protect", "standard")]);
    }
    let function = ProtectTagged {
        store: Arc::new(store),
        buckets: Arc::new(buckets.clone()),
        executions: Arc::new(executions.clone()),
        results_bucket: "results".into(),
        topic: "arn:aws:sns:eu-test-1:000000000000:lazaret-events".parse().expect("an ARN"),
        settle_seconds: 300,
    };
    World { buckets, executions, function }
}

#[tokio::test]
async fn cloud_trail_names_one_bucket_and_the_schedule_means_all() {
    let world = world();
    let trail = json!({"detail-type": "AWS API Call via CloudTrail", "detail": {
        "eventName": "PutBucketTagging", "requestParameters": {"bucketName": "uploads", "tagging": ""}}});
    let counts = world.function.handle(input(trail), Timestamp::now()).await.expect("looked at");
    assert_eq!(counts, Counts { buckets: 1, tagged: 1, protected: 1, jobs: 1, ..Counts::default() });
    let schedule = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    let counts = world.function.handle(input(schedule), Timestamp::now()).await.expect("looked at");
    assert_eq!((counts.tagged, counts.protected), (2, 1));
    assert_eq!(world.executions.list(10).await.expect("listed").len(), 2);
    for event in [json!({}), json!({"detail": {"requestParameters": null}})] {
        let counts = world.function.handle(input(event), Timestamp::now()).await.expect("looked at");
        assert_eq!((counts.tagged, counts.protected, counts.failed), (2, 0, 0));
    }
}

#[tokio::test]
async fn a_bucket_that_could_not_be_protected_is_a_failure_once_all_others_are() {
    let world = world();
    world.buckets.set_tags("other", &[("lazaret:protect", "standrad")]);
    let failed = world.function.handle(Input::default(), Timestamp::now()).await.expect_err("one is not");
    assert!(failed.message.contains("1 of 2 buckets"), "{failed}");
    assert_eq!(world.buckets.notifications_of("uploads").topics.len(), 1);
}

#[tokio::test]
async fn buckets_that_can_not_be_listed_are_a_failure_by_name() {
    let world = world();
    for (error, failure) in [
        (StoreError::Transient("SlowDown".into()), Failure::Transient),
        (StoreError::AccessDenied("no".into()), Failure::Permanent),
    ] {
        world.buckets.faults.fail("names", world.buckets.faults.calls("names") + 1, error);
        let failed = world.function.handle(Input::default(), Timestamp::now()).await.expect_err("no list");
        assert_eq!(failed.failure, failure, "{failed}");
    }
}
