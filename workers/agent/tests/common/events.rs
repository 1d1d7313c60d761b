//! Protected buckets in memory, with the queue of their events and whoever listens to results.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use lazaret_actions::promotion::Promotions;
use lazaret_agent::config::{EventSettings, Settings};
use lazaret_agent::tally::Tally;
use lazaret_agent::{AgentError, Deps, EventDeps, serve};
use lazaret_aws::fake::{
    FailingQueue, FailingStore, FakeBus, FakeExecutions, FakeObject, FakeQueue, FakeStore, FakeTopic, Faults,
};
use lazaret_aws::objects::{ObjectStore, PutCondition};
use lazaret_aws::{Executions, Queue};
use lazaret_model::announcement::ScanResult;
use lazaret_model::packet::DELIVERIES;
use lazaret_model::policy::{Policy, ProtectedBy, Protection};
use lazaret_model::promotion::Destination;
use lazaret_model::quarantine::quarantine_key;
use lazaret_model::{ObjectRef, Policies, layout};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{BUCKET, FakeScanner, QUARANTINE, RESULTS, VERSIONED, copies, settings};

/// A bucket with versions whose clean objects are promoted.
pub const STAGING: &str = "staging";
/// A bucket that nobody protected.
pub const FOREIGN: &str = "foreign";
pub const OWN_ROLE: &str = "AROAOWN";
pub const ACCOUNT: &str = "123456789012";
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:lazaret-notifications";
/// In 2030: what happens in a test is after all that is known at its start.
const BEGIN: i64 = 1_893_456_000;

pub struct EventWorld {
    pub s3: FakeStore,
    pub sqs: FakeQueue,
    pub dead: FakeQueue,
    /// What the agent sees of them: with faults, if a test plans some.
    pub store: FailingStore,
    pub queue: FailingQueue,
    pub topic: FakeTopic,
    pub bus: FakeBus,
    pub executions: FakeExecutions,
    pub scanner: FakeScanner,
    pub settings: Settings,
    pub events: EventSettings,
    pub tally: Arc<Tally>,
    clock: Arc<AtomicI64>,
}

/// What an owner does, while an agent works.
#[derive(Clone)]
pub struct Owner {
    s3: FakeStore,
    sqs: FakeQueue,
    clock: Arc<AtomicI64>,
}

/// Of a bucket that somebody protected, with its destination if it is a staging bucket.
pub fn protection(promote_to: Option<&str>) -> Option<Protection> {
    let protection = Protection::new(Timestamp::UNIX_EPOCH, ProtectedBy::Command);
    Some(match promote_to {
        Some(bucket) => protection.promoting_to(Destination { bucket: bucket.into(), prefix: String::new() }),
        None => protection,
    })
}

/// The policies of all protected buckets, made by `change` from the default.
pub fn policies(change: impl Fn(&mut Policy)) -> Policies {
    let mut policies = Policies::default();
    for (bucket, promote_to) in [(BUCKET, None), (VERSIONED, None), (STAGING, Some("production"))] {
        let mut policy = Policy { protection: protection(promote_to), ..Policy::default() };
        change(&mut policy);
        policies.buckets.insert(bucket.to_owned(), policy);
    }
    policies
}

/// S3's notification of an object, with its key encoded as S3 does.
pub fn record_of(object: &ObjectRef, sequencer: &str) -> Value {
    let key = utf8_percent_encode(&object.key, NON_ALPHANUMERIC).to_string().replace("%20", "+").replace("%2F", "/");
    let mut stored = json!({"key": key, "size": object.size, "eTag": object.etag.as_str(), "sequencer": sequencer});
    if let Some(version) = &object.version_id {
        stored["versionId"] = json!(version);
    }
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": object.last_modified.to_string(), "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AROAOWNER:session"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "lazaret", "bucket": {"name": object.bucket}, "object": stored},
    })
}

pub fn body_of(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

impl Owner {
    /// Stores an object; its event is the caller's to send.
    pub fn store(&self, bucket: &str, key: &str, text: &str) -> (ObjectRef, Value) {
        let number = self.clock.fetch_add(1, Ordering::SeqCst);
        let at = Timestamp::from_second(BEGIN + number).expect("a time");
        self.s3.insert_object(bucket, key, FakeObject::new(text.to_owned()).modified(at));
        let object = self.s3.pinned_ref(bucket, key);
        let record = record_of(&object, &format!("{number:016X}"));
        (object, record)
    }

    /// Stores an object, and S3 tells.
    pub fn put(&self, bucket: &str, key: &str, text: &str) -> ObjectRef {
        let (object, record) = self.store(bucket, key, text);
        self.sqs.push(body_of(&[record]));
        object
    }
}

impl EventWorld {
    /// Protected buckets, and nothing in them.
    pub async fn new() -> Self {
        Self::with_policies(&policies(|_| {})).await
    }

    pub async fn with_policies(policies: &Policies) -> Self {
        let mut s3 = FakeStore::new();
        for bucket in [RESULTS, QUARANTINE, BUCKET, FOREIGN] {
            s3 = s3.with_bucket(bucket);
        }
        let s3 = s3.with_versioned_bucket(VERSIONED).with_versioned_bucket(STAGING);
        let dead = FakeQueue::new();
        let sqs = FakeQueue::with_dead_letters(&dead, DELIVERIES);
        let world = Self {
            store: FailingStore::new(s3.clone()),
            queue: FailingQueue::new(sqs.clone()),
            s3,
            sqs,
            dead,
            topic: FakeTopic::new(),
            bus: FakeBus::new(),
            executions: FakeExecutions::new(),
            scanner: FakeScanner::default(),
            settings: Settings { policies: Duration::from_secs(15), ..settings() },
            events: EventSettings {
                notifications_topic: TOPIC.parse().expect("an ARN"),
                event_bus: "default".to_owned(),
                own_role_ids: vec![OWN_ROLE.to_owned()],
            },
            tally: Arc::default(),
            clock: Arc::default(),
        };
        world.write_policies(policies).await;
        world
    }

    pub async fn write_policies(&self, policies: &Policies) {
        self.put_result(layout::POLICIES_KEY, serde_json::to_vec(policies).expect("json")).await;
    }

    /// Writes into the results bucket past all faults.
    pub async fn put_result(&self, key: &str, bytes: Vec<u8>) {
        let put = self.s3.put(RESULTS, key, bytes.into(), "application/json", PutCondition::Always).await;
        put.expect("written");
    }

    pub fn owner(&self) -> Owner {
        Owner { s3: self.s3.clone(), sqs: self.sqs.clone(), clock: Arc::clone(&self.clock) }
    }

    /// See [`Owner::put`].
    pub fn put(&self, bucket: &str, key: &str, text: &str) -> ObjectRef {
        self.owner().put(bucket, key, text)
    }

    pub fn send(&self, records: &[Value]) {
        self.sqs.push(body_of(records));
    }

    /// Somebody sends the dead letters again.
    pub async fn redrive(&self) {
        while !self.dead.bodies().is_empty() {
            for message in self.dead.receive(10, Duration::ZERO, Duration::from_secs(1)).await.expect("received") {
                self.sqs.push(message.body);
                self.dead.delete(&message.receipt_handle).await.expect("deleted");
            }
        }
    }

    /// The same world without the faults, as another agent sees it.
    pub fn without_faults(mut self) -> Self {
        self.forget_faults();
        self
    }

    /// Of agents that start from now on.
    pub fn forget_faults(&mut self) {
        self.store = FailingStore::new(self.s3.clone());
        self.queue = FailingQueue::new(self.sqs.clone());
        self.topic.faults = Faults::default();
        self.bus.faults = Faults::default();
    }

    pub fn deps(&self) -> EventDeps {
        let promotions =
            Promotions { executions: Arc::new(self.executions.clone()), results_bucket: RESULTS.to_owned() };
        let agent = Deps {
            store: Arc::new(self.store.clone()),
            queue: Arc::new(self.queue.clone()),
            scanner: Arc::new(self.scanner.clone()),
            promotions: Some(promotions),
            tally: Arc::clone(&self.tally),
        };
        EventDeps { agent, topic: Arc::new(self.topic.clone()), bus: Arc::new(self.bus.clone()) }
    }

    pub async fn run_until(&self, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
        serve(self.settings.clone(), self.events.clone(), self.deps(), shutdown).await
    }

    /// Runs an agent until the queue has no message any more.
    pub async fn settle(&self) {
        self.run_until(self.settled()).await.expect("ends as it is told");
    }

    /// Returns once the queue has no message any more.
    pub async fn settled(&self) {
        while !self.sqs.bodies().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub fn scans(&self) -> u64 {
        self.scanner.counts.scans.load(Ordering::SeqCst)
    }

    /// The tag `scan-result` of the current version.
    pub fn tag(&self, bucket: &str, key: &str) -> Option<String> {
        self.s3.tags_of(bucket, key).into_iter().find(|tag| tag.key == "scan-result").map(|tag| tag.value)
    }

    pub fn in_quarantine(&self, object: &ObjectRef) -> bool {
        self.s3.exists(QUARANTINE, &quarantine_key(object))
    }

    /// The keys of all copies in quarantine, without the records beside them.
    pub fn quarantined(&self) -> Vec<String> {
        copies(&self.s3)
    }

    /// What EventBridge was told.
    pub fn told(&self) -> Vec<ScanResult> {
        self.bus.events().iter().map(|event| serde_json::from_str(&event.detail).expect("a result")).collect()
    }

    /// What SNS was told.
    pub fn published(&self) -> Vec<ScanResult> {
        self.topic.published().iter().map(|one| serde_json::from_str(&one.message).expect("a result")).collect()
    }

    /// How many executions there are.
    pub async fn promotions(&self) -> usize {
        self.executions.list(1000).await.expect("listed").len()
    }
}
