//! An account with a results bucket, and jobs in any state.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_aws::fake::{FakeFleet, FakeQueues, FakeStore};
use lazaret_functions::check_drain::{self, CheckDrain};
use lazaret_functions::check_input::CheckInput;
use lazaret_functions::config::DrainSettings;
use lazaret_functions::promote::Promote;
use lazaret_functions::report::Report;
use lazaret_functions::size_fleet::{QuotaShare, SizeFleet};
use lazaret_functions::tear_down::TearDown;
use lazaret_model::drain::DrainMemory;
use lazaret_model::fleet::FleetSettings;
use lazaret_model::result::part_to_json_lines;
use lazaret_model::*;

pub const RESULTS: &str = "results";
pub const QUARANTINE: &str = "quarantine";
pub const FAMILY: &str = "lazaret-agent";

pub fn now() -> Timestamp {
    moment("2026-11-01T06:10:00Z")
}

pub fn moment(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// Everything that the functions touch.
#[derive(Clone, Default)]
pub struct World {
    pub store: FakeStore,
    pub queues: FakeQueues,
    pub fleet: FakeFleet,
}

impl World {
    pub fn new() -> Self {
        Self { store: FakeStore::new().with_bucket(RESULTS), ..Self::default() }
    }

    pub fn check_input(&self) -> CheckInput {
        CheckInput { store: Arc::new(self.store.clone()) }
    }

    /// Half a second an object, so that the numbers are round.
    pub fn size_fleet(&self) -> SizeFleet {
        let settings = FleetSettings {
            seconds_per_object: 0.5,
            seconds_per_byte: 0.0,
            startup_seconds: 75.0,
            max_agents: 40,
            ..FleetSettings::default()
        };
        SizeFleet {
            store: Arc::new(self.store.clone()),
            results_bucket: RESULTS.into(),
            settings,
            share: QuotaShare { agent_vcpus: 2.0, share: 0.8 },
            refine: true,
        }
    }

    pub fn check_drain(&self) -> CheckDrain {
        self.check_drain_over(self.store.clone())
    }

    pub fn check_drain_over(&self, store: impl ObjectStore + 'static) -> CheckDrain {
        CheckDrain {
            store: Arc::new(store),
            queues: Arc::new(self.queues.clone()),
            fleet: Arc::new(self.fleet.clone()),
            results_bucket: RESULTS.into(),
            settings: DrainSettings { agent_family: FAMILY.into(), poll_seconds: 5.0, max_agents: 40 },
        }
    }

    pub fn report(&self) -> Report {
        self.report_over(self.store.clone())
    }

    pub fn report_over(&self, store: impl ObjectStore + 'static) -> Report {
        Report { store: Arc::new(store), results_bucket: RESULTS.into() }
    }

    pub fn promote(&self) -> Promote {
        self.promote_over(self.store.clone())
    }

    pub fn promote_over(&self, store: impl ObjectStore + 'static) -> Promote {
        Promote { store: Arc::new(store), results_bucket: RESULTS.into(), quarantine_bucket: QUARANTINE.into() }
    }

    pub fn tear_down(&self) -> TearDown {
        TearDown {
            store: Arc::new(self.store.clone()),
            queues: Arc::new(self.queues.clone()),
            fleet: Arc::new(self.fleet.clone()),
            results_bucket: RESULTS.into(),
        }
    }

    /// Writes what each crawler of the plan would have written.
    pub fn put_crawls(&self, plan: &JobPlan) {
        for crawl in &plan.crawls {
            self.put_json(&layout::crawl_key(&plan.job.job_id, &crawl.crawl_id), crawl);
        }
    }

    pub fn put_plan(&self, plan: &JobPlan) {
        self.put_json(&layout::plan_key(&plan.job.job_id), plan);
    }

    pub fn put_json(&self, key: &str, value: &impl serde::Serialize) {
        self.store.insert(RESULTS, key, serde_json::to_vec(value).expect("JSON"));
    }

    pub fn put_part(&self, plan: &JobPlan, packet: &PacketId, lines: &[u8]) {
        self.store.insert(RESULTS, &layout::part_key(&plan.job.job_id, packet), lines.to_vec());
    }

    /// The part that an agent would write for packet number `sequence` of [`plan`].
    pub fn put_rows(&self, plan: &JobPlan, sequence: u64, rows: &[ResultRow]) {
        let lines = part_to_json_lines(rows).expect("JSON");
        self.put_part(plan, &plan.crawls[0].crawl_id.packet(sequence), &lines);
    }

    pub fn plan(&self, job: &JobId) -> Option<JobPlan> {
        let bytes = self.store.bytes(RESULTS, &layout::plan_key(job))?;
        Some(serde_json::from_slice(&bytes).expect("a plan"))
    }

    /// The rows that lie in a part.
    pub fn rows(&self, plan: &JobPlan, sequence: u64) -> Option<Vec<ResultRow>> {
        let key = layout::part_key(&plan.job.job_id, &plan.crawls[0].crawl_id.packet(sequence));
        let lines = self.store.bytes(RESULTS, &key)?;
        Some(lazaret_model::result::part_from_json_lines(&lines).expect("a part"))
    }
}

pub fn job() -> Job {
    Job {
        job_id: "job-1".parse().expect("an id"),
        buckets: vec![BucketScope { name: "bucket".into(), prefix: String::new() }],
        window: Window { from: moment("2006-03-14T00:00:00Z"), to: moment("2026-11-01T00:00:00Z") },
        source: Source::OnDemand,
        target_minutes: 60,
        limits: lazaret_model::JobLimits::default(),
        selected: false,
        started_at: moment("2026-11-01T00:00:00Z"),
    }
}

/// One crawl of `packets` packets with `objects` objects each, all of one byte.
pub fn plan(packets: u64, objects: u64) -> JobPlan {
    let matched = packets * objects;
    let mut sizes = SizeHistogram::default();
    (0..matched).for_each(|_| sizes.add(1));
    let crawl = CrawlResult {
        crawl_id: CrawlId::new(0, 0xabcd),
        scope: job().buckets[0].clone(),
        listed: matched + 2,
        outside_window: 2,
        matched,
        matched_bytes: matched,
        archived: 0,
        packets,
        packets_sent: packets,
        largest_bytes: u64::from(matched > 0),
        directories: 1,
        sizes,
    };
    JobPlan { job: job(), crawls: vec![crawl] }
}

pub fn object(key: &str) -> ObjectRef {
    ObjectRef {
        bucket: "bucket".into(),
        key: key.into(),
        version_id: None,
        etag: ETag::from("e"),
        size: 1,
        last_modified: moment("2026-01-01T00:00:00Z"),
        storage_class: StorageClass::standard(),
    }
}

pub fn row(key: &str, verdict: Verdict) -> ResultRow {
    ResultRow { object: object(key), verdict, action: None, scanned_at: now(), evidence: Evidence::default() }
}

pub fn clean(keys: &[&str]) -> Vec<ResultRow> {
    keys.iter().map(|key| row(key, Verdict::Clean)).collect()
}

pub fn infected() -> Verdict {
    let finding = Finding { member: String::new(), threat: "Eicar-Test-Signature".into(), engine: "clamav".into() };
    Verdict::Infected { findings: vec![finding] }
}

pub fn packet(plan: &JobPlan, sequence: u64, keys: &[&str]) -> String {
    let packet = WorkPacket {
        job_id: plan.job.job_id.clone(),
        packet_id: plan.crawls[0].crawl_id.packet(sequence),
        bucket: "bucket".into(),
        objects: keys.iter().map(|key| object(key)).collect(),
    };
    serde_json::to_string(&packet).expect("JSON")
}

/// A look at the job of [`plan`], the first one.
pub fn look(agents: u32) -> check_drain::Input {
    check_drain::Input {
        job_id: job().job_id,
        queue_url: FakeQueues::url_of(&job().job_id.queue_name()),
        dead_letter_queue_url: FakeQueues::url_of(&job().job_id.dead_letter_queue_name()),
        agents,
        memory: DrainMemory::default(),
        looks: 0,
    }
}
