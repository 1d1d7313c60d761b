//! A job in memory: buckets, a queue with packets, a plan, and an engine that reads the words in an object.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod events;

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lazaret_actions::promotion::Promotions;
use lazaret_agent::config::{JobSettings, Settings};
use lazaret_agent::{AgentError, Content, Deps, EngineGone, Scanned, Scanner, run};
use lazaret_aws::fake::{FailingQueue, FailingStore, FakeExecutions, FakeQueue, FakeStore};
use lazaret_aws::objects::{ObjectStore, PutCondition};
use lazaret_model::quarantine::{copy_of_record, quarantine_key};
use lazaret_model::result::part_from_json_lines;
use lazaret_model::verdict::{ErrorReason, UnscannableReason};
use lazaret_model::{
    BucketScope, CrawlId, CrawlResult, DefinitionsStamp, Finding, Job, JobId, JobPlan, ObjectRef, Policies, ResultRow,
    SizeHistogram, Source, Verdict, Window, WorkPacket, layout,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub const RESULTS: &str = "results";
pub const QUARANTINE: &str = "quarantine";
pub const BUCKET: &str = "goods";
/// A bucket with versions.
pub const VERSIONED: &str = "kept-goods";
pub const THREAT: &str = "Test.Virus-1";
/// The definitions of [`FakeScanner`].
pub const VERSION: &str = "test-1";
pub const BUILT_AT: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

/// Finds what the object says about itself.
#[derive(Clone, Default)]
pub struct FakeScanner {
    pub scan_time: Duration,
    /// Gone for good from this scan on (from 0).
    pub gone_from: Option<u64>,
    /// A fault of ours at this scan.
    pub panics_at: Option<u64>,
    /// As long as it is there it is said of whatever is scanned.
    pub trouble: Arc<Mutex<Option<ErrorReason>>>,
    pub counts: Arc<Counts>,
}

pub type Hook = Box<dyn Fn(u64) + Send>;

#[derive(Default)]
pub struct Counts {
    pub scans: AtomicU64,
    pub now: AtomicUsize,
    pub at_once: AtomicUsize,
    /// Called at the start of each scan with its number, from 0.
    pub hook: Mutex<Option<Hook>>,
}

#[async_trait]
impl Scanner for FakeScanner {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        let number = self.counts.scans.fetch_add(1, Ordering::SeqCst);
        if let Some(hook) = &*self.counts.hook.lock().expect("hook") {
            hook(number);
        }
        if self.gone_from.is_some_and(|from| number >= from) {
            return Err(EngineGone("it was killed too often".into()));
        }
        assert_ne!(self.panics_at, Some(number), "as the test asked for");
        let now = self.counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.at_once.fetch_max(now, Ordering::SeqCst);
        if !self.scan_time.is_zero() {
            tokio::time::sleep(self.scan_time).await;
        }
        let mut text = Vec::new();
        File::from(content.file).read_to_end(&mut text).expect("a readable file");
        self.counts.now.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(text.len() as u64, content.size, "the whole object is there");
        assert_eq!(content.sha256, <[u8; 32]>::from(Sha256::digest(&text)), "the digest is of the object");
        let text = String::from_utf8_lossy(&text);
        let says = |word: &str| text.contains(word);
        let trouble = *self.trouble.lock().expect("trouble");
        let verdict = if let Some(reason) = trouble {
            Verdict::Error { reason, detail: "for now".into() }
        } else if says("virus") {
            let finding =
                |member: &str| Finding { member: member.into(), threat: THREAT.into(), engine: "clamav".into() };
            Verdict::Infected { findings: vec![finding("")] }
        } else if says("crash") {
            Verdict::Error { reason: ErrorReason::EngineCrashed, detail: "signal 11".into() }
        } else if says("encrypted") {
            Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "a.txt".into() }
        } else {
            Verdict::Clean
        };
        Ok(Scanned { verdict, notes: Vec::new(), definitions: self.definitions(), cached: false })
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        Some(DefinitionsStamp { version: VERSION.into(), built_at: Some(BUILT_AT) })
    }
}

/// A job's whole world.
pub struct World {
    pub s3: FakeStore,
    pub sqs: FakeQueue,
    /// What the agent sees of them: with faults, if a test plans some.
    pub store: FailingStore,
    pub queue: FailingQueue,
    pub scanner: FakeScanner,
    pub settings: Settings,
    pub job: JobSettings,
    pub packets: Vec<WorkPacket>,
    pub executions: FakeExecutions,
}

pub fn job_id() -> JobId {
    "job-1".parse().expect("an id")
}

/// Of any agent.
pub fn settings() -> Settings {
    Settings {
        results_bucket: RESULTS.into(),
        quarantine_bucket: QUARANTINE.into(),
        scratch_dir: std::env::temp_dir(),
        scan_workers: 2,
        fetch_bytes: 1 << 20,
        visibility: Duration::from_secs(120),
        policies: Duration::from_secs(30),
        grace: Duration::from_secs(25),
    }
}

impl World {
    /// Buckets and a queue, and nothing in them.
    pub fn empty() -> Self {
        let s3 = FakeStore::new().with_bucket(RESULTS).with_bucket(QUARANTINE).with_bucket(BUCKET);
        let s3 = s3.with_versioned_bucket(VERSIONED);
        let sqs = FakeQueue::new();
        Self {
            store: FailingStore::new(s3.clone()),
            queue: FailingQueue::new(sqs.clone()),
            s3,
            sqs,
            scanner: FakeScanner::default(),
            settings: settings(),
            job: JobSettings { job_id: job_id(), idle: Duration::from_secs(30), progress: Duration::from_secs(5) },
            packets: Vec::new(),
            executions: FakeExecutions::new(),
        }
    }

    /// One packet with these objects of one bucket.
    pub async fn with_objects(bucket: &str, objects: &[(&str, &str)]) -> Self {
        let mut world = Self::empty();
        let objects = objects.iter().map(|(key, text)| world.s3.insert(bucket, key, (*text).to_owned())).collect();
        world.pack(objects).await;
        world
    }

    /// Sends the objects as the next packet, and writes the plan that accepts it.
    pub async fn pack(&mut self, objects: Vec<ObjectRef>) {
        let packet = WorkPacket {
            job_id: job_id(),
            packet_id: CrawlId::new(0, 1).packet(self.packets.len() as u64),
            bucket: objects.first().map_or_else(|| BUCKET.to_owned(), |object| object.bucket.clone()),
            objects,
        };
        self.send(&packet);
        self.packets.push(packet);
        self.write_plan().await;
    }

    pub fn send(&self, packet: &WorkPacket) {
        self.sqs.push(serde_json::to_string(packet).expect("json"));
    }

    pub async fn write_plan(&self) {
        let bucket = BucketScope::parse(BUCKET);
        let at = |text: &str| text.parse().expect("a timestamp");
        let window = Window { from: at("2006-03-14T00:00:00Z"), to: at("2030-01-01T00:00:00Z") };
        let matched = self.packets.iter().map(|packet| packet.objects.len() as u64).sum();
        let plan = JobPlan {
            job: Job {
                job_id: job_id(),
                buckets: vec![bucket.clone()],
                window,
                source: Source::OnDemand,
                target_minutes: 60,
                limits: lazaret_model::JobLimits::default(),
                selected: false,
                started_at: window.to,
            },
            crawls: vec![CrawlResult {
                crawl_id: CrawlId::new(0, 1),
                scope: bucket,
                listed: matched,
                outside_window: 0,
                matched,
                matched_bytes: 0,
                archived: 0,
                packets: self.packets.len() as u64,
                packets_sent: self.packets.len() as u64,
                largest_bytes: 0,
                directories: 1,
                sizes: SizeHistogram::default(),
            }],
        };
        self.put(&layout::plan_key(&job_id()), serde_json::to_vec(&plan).expect("json")).await;
    }

    pub async fn write_policies(&self, policies: &Policies) {
        self.put(layout::POLICIES_KEY, serde_json::to_vec(policies).expect("json")).await;
    }

    /// Writes into the results bucket past all faults.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let put = self.s3.put(RESULTS, key, bytes.into(), "text/plain", PutCondition::Always).await;
        put.expect("written");
    }

    pub fn deps(&self) -> Deps {
        Deps {
            promotions: Some(Promotions {
                executions: Arc::new(self.executions.clone()),
                results_bucket: RESULTS.to_owned(),
            }),
            store: Arc::new(self.store.clone()),
            queue: Arc::new(self.queue.clone()),
            scanner: Arc::new(self.scanner.clone()),
            tally: Arc::default(),
        }
    }

    /// Runs an agent until it ends itself.
    pub async fn run(&self) -> Result<(), AgentError> {
        self.run_until(std::future::pending()).await
    }

    pub async fn run_until(&self, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
        run(self.settings.clone(), self.job.clone(), self.deps(), shutdown).await
    }

    /// The rows of a packet's part, as it lies in S3.
    pub fn part(&self, index: usize) -> Option<Vec<ResultRow>> {
        let bytes = self.s3.bytes(RESULTS, &layout::part_key(&job_id(), &self.packets[index].packet_id))?;
        Some(part_from_json_lines(&bytes).expect("a part"))
    }

    /// The only packet's rows.
    pub fn rows(&self) -> Vec<ResultRow> {
        self.part(0).expect("a part")
    }

    pub fn row(&self, key: &str) -> ResultRow {
        self.rows().into_iter().find(|row| row.object.key == key).unwrap_or_else(|| panic!("no row of {key}"))
    }

    /// Where the packet's object stands in quarantine, if it does.
    pub fn in_quarantine(&self, object: &ObjectRef) -> bool {
        self.s3.exists(QUARANTINE, &quarantine_key(object))
    }

    /// The keys of all copies in quarantine, without the records beside them.
    pub fn quarantined(&self) -> Vec<String> {
        copies(&self.s3)
    }

    /// Messages that are not deleted.
    pub fn messages(&self) -> usize {
        self.sqs.bodies().len()
    }

    pub fn tag(&self, bucket: &str, key: &str, tag: &str) -> Option<String> {
        self.s3.tags_of(bucket, key).into_iter().find(|found| found.key == tag).map(|found| found.value)
    }
}

/// The keys of all copies in quarantine.
pub fn copies(s3: &FakeStore) -> Vec<String> {
    s3.keys(QUARANTINE, "").into_iter().filter(|key| copy_of_record(key).is_none()).collect()
}

/// What of a row must be the same however often its packet was worked on.
pub fn essence(rows: &[ResultRow]) -> Vec<String> {
    let of = |row: &ResultRow| {
        let outcome = row.action.as_ref().map(|action| format!("{:?} {:?}", action.kind, action.outcome));
        let threats: Vec<_> = row.verdict.findings().iter().map(|finding| &finding.threat).collect();
        format!("{}/{} {} {threats:?} {outcome:?}", row.object.bucket, row.object.key, row.verdict.name())
    };
    rows.iter().map(of).collect()
}

/// Runs `future` and says how long it took on the tests' clock.
pub async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (future.await, begun.elapsed())
}
