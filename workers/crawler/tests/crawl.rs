//! Whole crawls over the fakes.

use std::collections::BTreeSet;
use std::future::pending;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::fake::{
    Answer, FailingQueue, FailingStore, FakeCallback, FakeObject, FakeQueue, FakeStore, throttled,
};
use lazaret_aws::{ObjectStore, Queue, StoreError};
use lazaret_crawler::{Config, Deps, Ending, PacketLimits, measure, run};
use lazaret_model::result::part_from_json_lines;
use lazaret_model::verdict::SkippedReason;
use lazaret_model::{
    BucketScope, CrawlBrief, CrawlId, CrawlResult, JobId, ObjectRef, PacketId, Progress, Selection, Upload, Verdict,
    Window, WorkPacket, layout,
};

const FROM: &str = "2026-01-01T00:00:00Z";
const TO: &str = "2026-02-01T00:00:00Z";

struct Stage {
    store: FakeStore,
    queue: FakeQueue,
    callback: FakeCallback,
}

impl Stage {
    fn new() -> Self {
        let store = FakeStore::new().with_bucket("results").with_bucket("cargo");
        Self { store, queue: FakeQueue::new(), callback: FakeCallback::new() }
    }

    fn with_objects(count: usize) -> Self {
        let stage = Self::new();
        for n in 0..count {
            stage.insert(&format!("hold/{n:06}"), FROM);
        }
        stage
    }

    fn insert(&self, key: &str, modified: &str) {
        self.store.insert_object("cargo", key, FakeObject::new("bytes").modified(time(modified)));
    }

    async fn crawl(&self) -> Ending {
        self.crawl_with(1, self.store.clone(), self.queue.clone()).await
    }

    async fn crawl_with(&self, attempt: u32, store: impl ObjectStore + 'static, queue: impl Queue + 'static) -> Ending {
        let deps = Deps { store: Arc::new(store), queue: Arc::new(queue), callback: Arc::new(self.callback.clone()) };
        run(config(), CrawlId::new(0, attempt), deps, pending()).await.expect("an answer that arrives")
    }

    fn packets(&self) -> Vec<WorkPacket> {
        self.queue.bodies().iter().map(|body| serde_json::from_str(body).expect("a packet")).collect()
    }

    /// All objects that have been enqueued or recorded, each as often as it was.
    fn delivered(&self) -> Vec<String> {
        let sent = self.packets().into_iter().flat_map(|packet| packet.objects).map(|object| object.key);
        let recorded = self.parts().into_iter().flat_map(|(_, objects)| objects).map(|object| object.key);
        let mut all: Vec<String> = sent.chain(recorded).collect();
        all.sort();
        all
    }

    fn parts(&self) -> Vec<(PacketId, Vec<ObjectRef>)> {
        let keys = self.store.keys("results", &layout::parts_prefix(&job()));
        keys.iter()
            .map(|key| {
                let packet = layout::packet_of_part(&job(), key).expect("a part's key");
                let rows = part_from_json_lines(&self.store.bytes("results", key).expect("a part")).expect("rows");
                let skipped = Verdict::Skipped { reason: SkippedReason::Archived };
                assert!(rows.iter().all(|row| row.verdict == skipped && row.action.is_none()));
                (packet, rows.into_iter().map(|row| row.object).collect())
            })
            .collect()
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_slice(&self.store.bytes("results", key).expect(key)).expect(key)
    }
}

fn job() -> JobId {
    "job-1".parse().expect("an id")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn config() -> Config {
    Config {
        job_id: job(),
        scope_index: 0,
        scope: BucketScope { name: "cargo".into(), prefix: "hold/".into() },
        window: Window { from: time(FROM), to: time(TO) },
        selection: None,
        results_bucket: "results".into(),
        heartbeat: Duration::from_secs(20),
        progress: Duration::from_secs(5),
        limits: PacketLimits { objects: NonZeroUsize::new(100).expect("not zero"), ..PacketLimits::default() },
    }
}

fn answered(ending: Ending) -> CrawlResult {
    match ending {
        Ending::Answered(result) => result,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_thousand_objects_are_all_enqueued_once_and_counted() {
    let stage = Stage::with_objects(20_000);
    let result = answered(stage.crawl().await);
    assert_eq!((result.listed, result.matched, result.packets, result.packets_sent), (20_000, 20_000, 200, 200));
    assert_eq!((result.matched_bytes, result.largest_bytes), (100_000, 5));
    assert_eq!((result.sizes.objects(), result.sizes.bytes()), (20_000, 100_000));

    let packets = stage.packets();
    let sequences: Vec<u64> = packets.iter().map(|packet| packet.packet_id.sequence).collect();
    assert_eq!(sequences, (0..200).collect::<Vec<_>>());
    assert!(packets.iter().all(|packet| packet.job_id == job() && packet.bucket == "cargo"));
    assert_eq!(stage.delivered(), stage.store.keys("cargo", "hold/"));
    // the last word of the progress is the whole
    let progress: Progress = stage.json(&layout::progress_key(&job(), &format!("crawl-{}", result.crawl_id)));
    assert_eq!((progress.crawled, progress.matched, progress.scanned), (20_000, 20_000, 0));
    assert_eq!(stage.json::<CrawlResult>(&layout::crawl_key(&job(), &result.crawl_id)), result);
    let Some(Answer::Succeeded(brief)) = stage.callback.answer() else { panic!("no answer") };
    assert_eq!(serde_json::from_value::<CrawlBrief>(brief).expect("a brief"), result.brief());
}

#[tokio::test(start_paused = true)]
async fn the_window_includes_its_start_and_not_its_end() {
    let stage = Stage::new();
    let second_before = |text: &str| (time(text) - SignedDuration::from_secs(1)).to_string();
    stage.insert("hold/before", &second_before(FROM));
    stage.insert("hold/first", FROM);
    stage.insert("hold/last", &second_before(TO));
    stage.insert("hold/after", TO);
    stage.insert("elsewhere", FROM);
    let result = answered(stage.crawl().await);
    assert_eq!(stage.delivered(), ["hold/first", "hold/last"]);
    assert_eq!((result.listed, result.outside_window, result.matched), (4, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_schedule_takes_what_was_selected_for_it_and_without_that_nothing() {
    let stage = Stage::new();
    for (key, modified) in [("hold/old", FROM), ("hold/new", "2026-01-20T00:00:00Z"), ("hold/late", FROM)] {
        stage.insert(key, modified);
    }
    let key = "work/job-1/selection/0.json".to_owned();
    let crawl = || async {
        let deps = Deps {
            store: Arc::new(stage.store.clone()),
            queue: Arc::new(stage.queue.clone()),
            // each attempt has its token
            callback: Arc::new(FakeCallback::new()),
        };
        let config = Config { selection: Some(key.clone()), ..config() };
        run(config, CrawlId::new(0, 1), deps, pending()).await.expect("an answer that arrives")
    };
    let Ending::Failed(error) = crawl().await else { panic!("it knows not what to take") };
    assert!(!error.retryable() && stage.delivered().is_empty(), "{error}");

    let upload = Upload { key: "hold/late".into(), upload_id: "1".into(), initiated: time(FROM) };
    let window = Window { from: time("2026-01-15T00:00:00Z"), to: time(TO) };
    let selection = Selection { window, left_out: vec![], taken_in: vec![upload] };
    stage.store.insert("results", &key, serde_json::to_vec(&selection).expect("JSON"));
    let result = answered(crawl().await);
    assert_eq!(stage.delivered(), ["hold/late", "hold/new"]);
    assert_eq!((result.listed, result.outside_window, result.matched), (3, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn archived_objects_get_their_rows_at_once_and_sequences_have_no_gap() {
    let stage = Stage::new();
    for n in 0..2_600 {
        let class = ["GLACIER", "STANDARD", "GLACIER", "GLACIER (restored)"][n % 4];
        let object = FakeObject::new("bytes").modified(time(FROM)).class(class);
        stage.store.insert_object("cargo", &format!("hold/{n:06}"), object);
    }
    let old = FakeObject::new("x").modified(time("2020-01-01T00:00:00Z")).class("DEEP_ARCHIVE");
    stage.store.insert_object("cargo", "hold/old", old);
    let result = answered(stage.crawl().await);
    assert_eq!((result.listed, result.outside_window, result.matched, result.archived), (2_601, 1, 2_600, 1_300));
    assert_eq!((result.packets, result.packets_sent, result.sizes.objects()), (15, 13, 1_300));
    assert_eq!(result.matched_bytes, 2_600 * 5);
    let parts: Vec<usize> = stage.parts().iter().map(|(_, objects)| objects.len()).collect();
    assert_eq!(parts, [1_000, 300]);

    let sent = stage.packets().into_iter().map(|packet| packet.packet_id);
    let ids: BTreeSet<u64> = sent.chain(stage.parts().into_iter().map(|(id, _)| id)).map(|id| id.sequence).collect();
    assert_eq!(ids, (0..15).collect());
    assert_eq!(stage.delivered().len(), 2_600);
    let progress: Progress = stage.json(&layout::progress_key(&job(), &format!("crawl-{}", result.crawl_id)));
    assert_eq!((progress.scanned, progress.bytes), (1_300, 1_300 * 5));
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_a_crawl_without_packets() {
    let stage = Stage::new();
    let result = answered(stage.crawl().await);
    assert_eq!((result.listed, result.matched, result.packets), (0, 0, 0));
    assert_eq!(stage.queue.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn throttled_pages_refused_entries_and_a_slow_store_lose_nothing() {
    let stage = Stage::with_objects(5_500);
    let store = FailingStore::new(stage.store.clone());
    let slow_down = || StoreError::Transient("SlowDown".into());
    for call in [1, 2, 4, 5, 6] {
        store.faults.fail("list_page", call, slow_down());
    }
    store.faults.delay("list_page", 8, Duration::from_secs(50));
    store.faults.lose_answer("put", 2, slow_down());
    let queue = FailingQueue::new(stage.queue.clone());
    queue.faults.fail("send", 2, throttled("SendMessageBatch"));
    let mut refusals = 25;
    stage.queue.refuse(move |_| {
        refusals -= 1;
        refusals >= 0
    });
    let result = answered(stage.crawl_with(1, store, queue).await);
    assert_eq!((result.matched, result.packets), (5_500, 55));
    assert_eq!(stage.delivered(), stage.store.keys("cargo", "hold/"));
    assert!(stage.callback.heartbeats() >= 3, "it beats while it waits");
}

#[tokio::test(start_paused = true)]
async fn a_retried_crawl_has_other_packets_and_the_same_counts() {
    let stage = Stage::with_objects(2_500);
    let store = FailingStore::new(stage.store.clone());
    store.faults.fail("list_page", 3, StoreError::Permanent("the first attempt dies here".into()));
    let ending = stage.crawl_with(1, store, stage.queue.clone()).await;
    assert!(matches!(ending, Ending::Failed(_)));
    assert_eq!(stage.callback.failure().as_deref(), Some("Lazaret.Permanent"));
    assert_eq!(stage.store.keys("results", ""), [""; 0], "no counts, and no progress that would count twice");

    let first: BTreeSet<PacketId> = stage.packets().into_iter().map(|packet| packet.packet_id).collect();
    assert!(!first.is_empty());
    let again = Stage { callback: FakeCallback::new(), ..stage };
    let result = answered(again.crawl_with(2, again.store.clone(), again.queue.clone()).await);
    assert_eq!((result.matched, result.packets), (2_500, 25));
    let all: BTreeSet<PacketId> = again.packets().into_iter().map(|packet| packet.packet_id).collect();
    assert_eq!(all.len(), first.len() + 25);
    let second = again.packets().into_iter().filter(|packet| packet.packet_id.crawl == result.crawl_id);
    assert_eq!(second.map(|packet| packet.objects.len()).sum::<usize>(), 2_500);
}

#[tokio::test(start_paused = true)]
async fn failures_have_the_names_that_step_functions_knows() {
    for (fail, name) in [
        (StoreError::NoSuchBucket("cargo".into()), "Lazaret.BucketNotFound"),
        (StoreError::AccessDenied("no".into()), "Lazaret.AccessDenied"),
        (StoreError::Transient("SlowDown".into()), "Lazaret.Transient"),
        (StoreError::Permanent("the bucket lies in another region".into()), "Lazaret.Permanent"),
    ] {
        let stage = Stage::with_objects(10);
        let store = FailingStore::new(stage.store.clone());
        store.faults.fail_always("list_page", fail);
        let ending = stage.crawl_with(1, store, stage.queue.clone()).await;
        assert!(matches!(ending, Ending::Failed(_)), "{ending:?}");
        assert_eq!(stage.callback.failure().as_deref(), Some(name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_fails_the_crawl_soon() {
    let stage = Stage::with_objects(20_000);
    stage.queue.vanish();
    assert!(matches!(stage.crawl().await, Ending::Failed(_)));
    assert_eq!(stage.callback.failure().as_deref(), Some("Lazaret.Permanent"));
    assert!(stage.store.calls("list_page") < 20, "the listing stops too");
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_nobody_waits_for_stops_everything() {
    let stage = Stage::with_objects(10_000);
    stage.callback.stop_waiting_after(2);
    let store = FailingStore::new(stage.store.clone());
    for call in 1..=10 {
        store.faults.delay("list_page", call, Duration::from_secs(10));
    }
    assert!(matches!(stage.crawl_with(1, store, stage.queue.clone()).await, Ending::Abandoned));
    let (listed, sent) = (stage.store.calls("list_page"), stage.queue.sent());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(listed < 10);
    assert_eq!((stage.store.calls("list_page"), stage.queue.sent()), (listed, sent), "nothing goes on behind it");
    assert_eq!(stage.store.keys("results", ""), [""; 0], "neither counts nor progress");
    assert_eq!(stage.callback.answer(), None);
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_comes_too_late_leaves_no_trace() {
    let stage = Stage::with_objects(1_000);
    let cold = FakeObject::new("bytes").modified(time(FROM)).class("GLACIER");
    stage.store.insert_object("cargo", "hold/cold", cold);
    stage.callback.stop_waiting();
    assert!(matches!(stage.crawl().await, Ending::Abandoned));
    assert_eq!((stage.store.calls("list_page"), stage.store.calls("put"), stage.queue.sent()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_first_heartbeat_that_fails_is_no_reason_not_to_crawl() {
    let stage = Stage::with_objects(10);
    stage.callback.throttle(1);
    assert_eq!(answered(stage.crawl().await).matched, 10);
}

#[tokio::test(start_paused = true)]
async fn a_reclaimed_task_says_so_and_a_torn_down_one_just_ends() {
    for waiting in [true, false] {
        let stage = Stage::with_objects(3_000);
        let store = FailingStore::new(stage.store.clone());
        store.faults.delay("list_page", 2, Duration::from_secs(3_600));
        let callback = stage.callback.clone();
        let deps = Deps {
            store: Arc::new(store),
            queue: Arc::new(stage.queue.clone()),
            callback: Arc::new(stage.callback.clone()),
        };
        let sigterm = async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if !waiting {
                callback.stop_waiting();
            }
        };
        let ending = run(config(), CrawlId::new(0, 1), deps, sigterm).await.expect("an end");
        assert!(matches!(ending, Ending::Stopped), "{ending:?}");
        assert_eq!(stage.callback.failure().as_deref(), waiting.then_some("Lazaret.Transient"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_throttled_still_arrives() {
    let stage = Stage::with_objects(10);
    stage.callback.throttle(5);
    answered(stage.crawl().await);
    assert!(matches!(stage.callback.answer(), Some(Answer::Succeeded(_))));
}

#[tokio::test(start_paused = true)]
async fn progress_shows_while_the_crawl_runs() {
    let stage = Stage::with_objects(3_000);
    let store = FailingStore::new(stage.store.clone());
    store.faults.delay("list_page", 3, Duration::from_secs(60));
    let key = layout::progress_key(&job(), &format!("crawl-{}", CrawlId::new(0, 1)));
    let (ending, ()) = tokio::join!(stage.crawl_with(1, store, stage.queue.clone()), async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let progress: Progress = stage.json(&key);
        assert_eq!(progress.crawled, 2_000);
    });
    answered(ending);
}

#[tokio::test(start_paused = true)]
async fn a_measure_counts_what_a_crawl_counts_and_leaves_no_trace() {
    let stage = Stage::with_objects(3_333);
    let glacier = FakeObject::new("bytes").modified(time(FROM)).class("GLACIER");
    stage.store.insert_object("cargo", "hold/archived", glacier);
    let Config { scope, window, limits, .. } = config();
    let mut seen = Vec::new();
    let store = Arc::new(stage.store.clone());
    let measured = measure(store, scope, window, limits, |progress| seen.push(progress.crawled)).await;
    let measured = measured.expect("measured");
    assert_eq!(seen, [1_000, 2_000, 3_000, 3_334]);
    assert_eq!((stage.queue.sent(), stage.store.calls("put")), (0, 0));
    let crawled = answered(stage.crawl().await);
    assert_eq!(measured, CrawlResult { crawl_id: measured.crawl_id.clone(), ..crawled });
}
