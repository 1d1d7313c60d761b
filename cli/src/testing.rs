//! A deployment in memory for the tests of this crate.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_agent::{Content, EngineGone, Scanned, Scanner};
use lazaret_aws::Executions;
use lazaret_aws::fake::{
    FakeBuckets, FakeExecutions, FakeFleet, FakeQueues, FakeScheduler, FakeStore, FakeTopics, FakeUploads,
    FakeUserPool, FakeUserPools,
};
use lazaret_model::crawl::SizeHistogram;
use lazaret_model::summary::Status;
use lazaret_model::verdict::UnscannableReason;
use lazaret_model::{
    Completeness, CrawlId, CrawlResult, DefinitionsStamp, ETag, Evidence, Finding, JobId, JobPlan, ObjectRef,
    ResultRow, Source, StorageClass, Summary, Totals, Verdict, Window, layout,
};
use serde::Serialize;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::deployment::USER_POOL;

pub const RESULTS: &str = "results";
pub const QUARANTINE: &str = "quarantine";
pub const TOPIC: &str = "arn:aws:sns:eu-test-1:000000000000:lazaret-events";

/// Fakes, and a console that remembers.
pub struct Lab {
    pub executions: FakeExecutions,
    pub store: FakeStore,
    pub buckets: FakeBuckets,
    pub uploads: FakeUploads,
    pub scheduler: FakeScheduler,
    pub topics: FakeTopics,
    pub queues: FakeQueues,
    pub fleet: FakeFleet,
    pub user_pools: FakeUserPools,
    /// The one pool of [`Self::user_pools`].
    pub users: FakeUserPool,
    pub out: Shared,
    pub err: Shared,
}

impl Lab {
    pub fn new() -> Self {
        let store = FakeStore::new().with_bucket(RESULTS).with_versioned_bucket(QUARANTINE);
        let topics = FakeTopics::new();
        topics.create(TOPIC);
        let user_pools = FakeUserPools::new();
        Self {
            executions: FakeExecutions::new(),
            buckets: FakeBuckets::of(&store),
            store,
            uploads: FakeUploads::new(),
            scheduler: FakeScheduler::new(),
            topics,
            queues: FakeQueues::new(),
            fleet: FakeFleet::new(),
            users: user_pools.create("eu-test-1_Pool", USER_POOL),
            user_pools,
            out: Shared::default(),
            err: Shared::default(),
        }
    }

    pub fn cloud(&self) -> Cloud {
        Cloud {
            executions: Arc::new(self.executions.clone()),
            store: Arc::new(self.store.clone()),
            buckets: Arc::new(self.buckets.clone()),
            uploads: Arc::new(self.uploads.clone()),
            scheduler: Arc::new(self.scheduler.clone()),
            topics: Arc::new(self.topics.clone()),
            queues: Arc::new(self.queues.clone()),
            tasks: Arc::new(self.fleet.clone()),
            user_pools: Arc::new(self.user_pools.clone()),
            user_pool_id: None,
            results_bucket: RESULTS.into(),
            quarantine_bucket: QUARANTINE.into(),
            events_topic_arn: TOPIC.into(),
            caller: None,
        }
    }

    /// What was printed since the last call, as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out.take()).expect("JSON")
    }

    pub fn console(&self) -> Console {
        Console::new(Box::new(self.out.clone()), Box::new(self.err.clone()))
    }

    pub async fn start(&self, id: &str) -> JobId {
        let input = serde_json::json!({"buckets": [{"name": "bucket", "prefix": ""}]});
        self.executions.start(id, &input).await.expect("a new name");
        id.parse().expect("an id")
    }

    pub fn put_json(&self, key: &str, document: &impl Serialize) {
        self.store.insert(RESULTS, key, serde_json::to_vec(document).expect("JSON"));
    }

    pub fn put_part(&self, job: &JobId, crawl: &CrawlId, sequence: u64, rows: &[ResultRow]) {
        let lines = lazaret_model::result::part_to_json_lines(rows).expect("JSON");
        self.store.insert(RESULTS, &layout::part_key(job, &crawl.packet(sequence)), lines);
    }
}

/// Finds what a content says about itself.
#[derive(Default)]
pub struct WordScanner {
    /// Gone for good from this scan on (from 0).
    pub gone_from: Option<u64>,
    pub never_answers: bool,
    pub scans: AtomicU64,
}

#[async_trait]
impl Scanner for WordScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        let number = self.scans.fetch_add(1, Ordering::SeqCst);
        if self.gone_from.is_some_and(|from| number >= from) {
            return Err(EngineGone("it was killed too often".into()));
        }
        if self.never_answers {
            std::future::pending::<()>().await;
        }
        let mut text = Vec::new();
        File::from(content.file).read_to_end(&mut text).expect("a readable file");
        assert_eq!(text.len() as u64, content.size, "the whole content is there");
        let text = String::from_utf8_lossy(&text);
        let verdict = match () {
            () if text.contains("virus") => infected("Test.Virus"),
            () if text.contains("encrypted") => {
                Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() }
            }
            () => Verdict::Clean,
        };
        Ok(Scanned { verdict, notes: Vec::new(), definitions: self.definitions(), cached: false })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        Some(DefinitionsStamp { version: "words-1".into(), built_at: None })
    }
}

/// What was written to a stream.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }

    /// The text until now, which is then forgotten.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().expect("not poisoned"))).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A complete job with `infected` of `objects`.
pub fn summary(id: &str, objects: u64, infected: u64) -> Summary {
    let window = Window { from: time("2006-03-14T00:00:00Z"), to: time("2026-11-01T00:00:00Z") };
    Summary {
        job_id: id.parse().expect("an id"),
        status: Status::Complete,
        totals: Totals {
            crawled: objects,
            in_window: objects,
            clean: objects - infected,
            infected,
            bytes: objects * 1_000,
            ..Totals::default()
        },
        completeness: Completeness {
            crawled: objects,
            in_window: objects,
            outside_window: 0,
            rows: objects,
            packets: 1,
            parts: 1,
            duplicates: 0,
            missing_packets: Vec::new(),
            complete: true,
        },
        window,
        source: Source::OnDemand,
        scopes: Vec::new(),
        sizes: SizeHistogram::default(),
        definitions: Vec::new(),
        agents: 1,
        started_at: time("2026-11-01T00:00:00Z"),
        ended_at: time("2026-11-01T00:03:12Z"),
        report: format!("s3://{RESULTS}/jobs/{id}/report.html"),
    }
}

/// The plan of a job with one crawl.
pub fn plan(job: &JobId, matched: u64, packets: u64) -> JobPlan {
    let input: lazaret_model::JobInput =
        serde_json::from_value(serde_json::json!({"buckets": [{"name": "bucket"}]})).expect("an input");
    let crawl = CrawlResult {
        crawl_id: CrawlId::new(0, 1),
        scope: input.buckets[0].clone(),
        listed: matched + 5,
        outside_window: 5,
        matched,
        matched_bytes: matched * 1_000,
        archived: 0,
        packets,
        packets_sent: packets,
        largest_bytes: 1_000,
        directories: 1,
        sizes: SizeHistogram::default(),
    };
    JobPlan { job: input.into_job(job.clone(), time("2026-11-01T00:00:00Z")).expect("a job"), crawls: vec![crawl] }
}

pub fn row(key: &str, verdict: Verdict) -> ResultRow {
    ResultRow {
        object: ObjectRef {
            bucket: "bucket".into(),
            key: key.into(),
            version_id: None,
            etag: ETag::from("e1"),
            size: 10,
            last_modified: time("2026-01-01T00:00:00Z"),
            storage_class: StorageClass::standard(),
        },
        verdict,
        action: None,
        scanned_at: time("2026-11-01T00:01:00Z"),
        evidence: Evidence::default(),
    }
}

pub fn infected(threat: &str) -> Verdict {
    Verdict::Infected {
        findings: vec![Finding { member: String::new(), threat: threat.into(), engine: "clamav".into() }],
    }
}
