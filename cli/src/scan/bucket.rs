//! A bucket through crawler and agent, with a queue in memory between them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, stream};
use lazaret_agent::inspect::{InspectError, Inspector};
use lazaret_agent::policies::PolicyBook;
use lazaret_aws::queue::Message;
use lazaret_aws::{MemoryQueue, ObjectStore, Queue, StoreError};
use lazaret_crawler::{CrawlError, PacketLimits, feed};
use lazaret_model::verdict::{ErrorReason, SkippedReason};
use lazaret_model::{BucketScope, CrawlResult, Policies, ResultRow, Verdict, WorkPacket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::scan::examined::Examined;
use crate::scan::files::Scanning;
use crate::scan::screen::Screen;
use crate::scan::target::object_text;

/// A packet's results come together: a person should not wait for a thousand.
const PACKET_OBJECTS: usize = 100;
/// Some ten seconds of work.
const PACKET_BYTES: u64 = 64 << 20;
/// Packets in the queue, those that are worked on among them: 2 MB of text.
const PACKETS: usize = 8;
/// One is finished while the next begins, as in an agent.
const PACKETS_IN_HAND: usize = 2;
/// Who has a message is this process: it never comes back.
const VISIBILITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// A receive ends earlier: with a message, or with the queue.
const WAIT: Duration = Duration::from_secs(20);

impl Scanning {
    /// Scans every object below a prefix, current versions only.
    ///
    /// # Errors
    /// If the engine is gone, or whoever reads the results. A bucket that can't be listed is a result.
    pub async fn bucket(
        &self,
        store: Arc<dyn ObjectStore>,
        scope: &BucketScope,
        screen: &mut Screen<'_>,
    ) -> anyhow::Result<()> {
        let queue = MemoryQueue::with_room(PACKETS);
        let (archived_to, mut archived) = mpsc::channel(1);
        let crawl = crawl(Arc::clone(&store), queue.clone(), archived_to, scope.clone());
        let inspector = self.inspector(store);
        let stopping = CancellationToken::new();
        let packets = stream::unfold(queue.clone(), async |queue| {
            let message = receive(&queue).await?;
            Some((message, queue))
        });
        let rows = packets.map(|message| inspect(&inspector, message, &stopping)).buffered(PACKETS_IN_HAND);
        let (mut crawl, mut rows) = (std::pin::pin!(crawl), std::pin::pin!(rows));
        let (mut crawled, mut worked) = (None, false);
        while crawled.is_none() || !worked {
            tokio::select! {
                result = &mut crawl, if crawled.is_none() => crawled = Some(result),
                Some(objects) = archived.recv() => {
                    for object in objects {
                        let verdict = Verdict::Skipped { reason: SkippedReason::Archived };
                        let path = object_text(&object.bucket, &object.key);
                        screen.show(&Examined::unread(path, object.size, verdict))?;
                    }
                }
                done = rows.next(), if !worked => match done {
                    None => worked = true,
                    Some(done) => {
                        let (receipt, rows) = done?;
                        for row in rows {
                            screen.show(&Examined::of_row(row))?;
                        }
                        queue.delete(&receipt).await?;
                    }
                },
            }
        }
        while let Ok(objects) = archived.try_recv() {
            for object in objects {
                let verdict = Verdict::Skipped { reason: SkippedReason::Archived };
                screen.show(&Examined::unread(object_text(&object.bucket, &object.key), object.size, verdict))?;
            }
        }
        let crawled = crawled.expect("the loop ends with it");
        Ok(incomplete(scope, &crawled).map_or(Ok(()), |examined| screen.show(&examined))?)
    }

    /// The agent's own, but that it acts on nothing.
    fn inspector(&self, store: Arc<dyn ObjectStore>) -> Arc<Inspector> {
        let mut policies = Policies::default();
        policies.default.max_bytes = self.max_file_bytes;
        let book = Arc::new(PolicyBook::fixed(Arc::clone(&store), policies));
        let scanner = Arc::clone(&self.scanner);
        Arc::new(Inspector::new(store, scanner, book, self.spool.clone(), None, self.workers))
    }
}

/// Lists to the end, and then nobody waits for more.
async fn crawl(
    store: Arc<dyn ObjectStore>,
    queue: MemoryQueue,
    archived: mpsc::Sender<Vec<lazaret_model::ObjectRef>>,
    scope: BucketScope,
) -> Result<CrawlResult, CrawlError> {
    let limits = PacketLimits {
        objects: PACKET_OBJECTS.try_into().expect("not zero"),
        bytes: PACKET_BYTES.try_into().expect("not zero"),
        ..PacketLimits::default()
    };
    let result = feed(store, Arc::new(queue.clone()), archived, scope, limits).await;
    queue.complete();
    result
}

/// The next packet; `None` once there will be no more.
async fn receive(queue: &MemoryQueue) -> Option<Message> {
    loop {
        // it fails only where the queue was deleted, and nobody does that
        match queue.receive(1, WAIT, VISIBILITY).await.ok()?.pop() {
            Some(message) => return Some(message),
            None if queue.is_drained() => return None,
            None => {}
        }
    }
}

async fn inspect(
    inspector: &Arc<Inspector>,
    message: Message,
    stopping: &CancellationToken,
) -> anyhow::Result<(String, Vec<ResultRow>)> {
    let packet: WorkPacket = serde_json::from_str(&message.body).context("a packet of our own")?;
    match inspector.inspect_all(&packet, stopping).await {
        Ok(rows) => Ok((message.receipt_handle, rows)),
        Err(InspectError::Engine(gone)) => Err(gone.into()),
        Err(other) => Err(other.into()),
    }
}

/// What to say of a bucket that was not listed to its end, or of a prefix that nothing is below: a mistyped one must not look clean.
fn incomplete(scope: &BucketScope, crawled: &Result<CrawlResult, CrawlError>) -> Option<Examined> {
    let (reason, detail) = match crawled {
        Ok(result) if result.listed == 0 && !scope.prefix.is_empty() => {
            (ErrorReason::FetchFailed, "no object lies below it".to_owned())
        }
        Ok(_) => return None,
        Err(error @ CrawlError::List(StoreError::AccessDenied(_))) => (ErrorReason::AccessDenied, error.to_string()),
        Err(error) => (ErrorReason::FetchFailed, error.to_string()),
    };
    let path = object_text(&scope.name, &scope.prefix);
    Some(Examined::unread(path, 0, Verdict::Error { reason, detail }))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use lazaret_agent::Scanner;
    use lazaret_agent::definitions::AgedScanner;
    use lazaret_agent::definitions::age::{DEFAULT_MAX_AGE_SECONDS, MaxAge};
    use lazaret_agent::spool::Spool;
    use lazaret_aws::fake::{FailingStore, FakeObject, FakeStore};

    use super::*;
    use crate::scan::screen::Format;
    use crate::scan::tally::Tally;
    use crate::testing::{Lab, WordScanner};

    struct Run {
        result: anyhow::Result<()>,
        tally: Tally,
        out: String,
    }

    async fn scan(store: impl ObjectStore + 'static, place: &str, scanner: impl Scanner + 'static) -> Run {
        let lab = Lab::new();
        let mut console = lab.console();
        let mut screen = Screen::new(&mut console, Format { json: true, infected_only: false });
        let scanner: Arc<dyn Scanner> = Arc::new(scanner);
        let spool = Spool::new(std::env::temp_dir(), 1 << 20);
        let scanning = Scanning { scanner, spool, workers: 2, max_file_bytes: 1_000 };
        let result = scanning.bucket(Arc::new(store), &BucketScope::parse(place), &mut screen).await;
        let tally = screen.tally.clone();
        drop(screen);
        Run { result, tally, out: lab.out.text() }
    }

    fn line(run: &Run, path: &str) -> serde_json::Value {
        let lines = run.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.into_iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("no line of {path}:\n{}", run.out))
    }

    #[tokio::test]
    async fn every_object_has_one_line_and_nothing_is_written() {
        let store = FakeStore::new().with_bucket("goods");
        for (key, text) in [("a b+ü", "plain"), ("bad", "a virus"), ("zip", "encrypted"), ("large", &"x".repeat(1_001))]
        {
            store.insert("goods", key, text.to_owned());
        }
        store.insert_object("goods", "old", FakeObject::new("cold").class("GLACIER"));
        // a clock that is wrong does not hide an object
        let later = "2099-01-01T00:00:00Z".parse().expect("a time");
        store.insert_object("goods", "future", FakeObject::new("virus").modified(later));
        let run = scan(store.clone(), "goods", WordScanner::default()).await;
        run.result.as_ref().expect("scanned");
        assert_eq!(line(&run, "s3://goods/a b+ü")["result"], "Clean");
        let bad = line(&run, "s3://goods/bad");
        assert_eq!((&bad["result"], &bad["findings"][0]["threat"]), (&"Infected".into(), &"Test.Virus".into()));
        assert_eq!((bad["definitions"].as_str(), bad["bytes"].as_u64()), (Some("words-1"), Some(7)));
        assert_eq!(line(&run, "s3://goods/zip")["reason"], "encrypted");
        assert_eq!(line(&run, "s3://goods/large")["reason"], "too large");
        assert_eq!(line(&run, "s3://goods/old")["reason"], "archived");
        assert_eq!((run.tally.all(), run.tally.infected, run.tally.skipped), (6, 2, 1));
        for operation in ["put", "put_tags", "copy", "delete", "delete_keys", "tags", "tags_at"] {
            assert_eq!(store.calls(operation), 0, "{operation}");
        }
    }

    #[tokio::test]
    async fn definitions_that_are_too_old_call_no_object_clean() {
        let store = FakeStore::new().with_bucket("goods");
        for (key, text) in [("a", "plain"), ("bad", "a virus"), ("zip", "encrypted")] {
            store.insert("goods", key, text.to_owned());
        }
        let week = MaxAge::seconds(DEFAULT_MAX_AGE_SECONDS);
        let nine_days_ago = Timestamp::now() - SignedDuration::from_hours(9 * 24);
        let run = scan(store, "goods", AgedScanner::new(WordScanner::default(), week, Some(nine_days_ago))).await;
        run.result.as_ref().expect("scanned");
        for key in ["a", "zip"] {
            let line = line(&run, &format!("s3://goods/{key}"));
            assert_eq!((&line["result"], &line["reason"]), (&"Error".into(), &"stale definitions".into()), "{key}");
        }
        assert_eq!(line(&run, "s3://goods/bad")["result"], "Infected");
        assert_eq!((run.tally.clean, run.tally.outcome().code()), (0, 1));
    }

    #[tokio::test]
    async fn a_bucket_of_many_packets_is_scanned_to_its_end() {
        let store = FakeStore::new().with_bucket("goods");
        for number in 0..4_000 {
            let key = format!("{}/{number:05}", if number % 2 == 0 { "even" } else { "odd" });
            store.insert("goods", &key, if number % 500 == 0 { "virus" } else { "plain" });
        }
        for number in 0..2_500 {
            store.insert_object("goods", &format!("even/cold-{number}"), FakeObject::new("x").class("DEEP_ARCHIVE"));
        }
        store.set_page_keys("goods", 300);
        let run = scan(store, "s3://goods/even/", WordScanner::default()).await;
        run.result.expect("scanned");
        assert_eq!((run.tally.clean, run.tally.infected, run.tally.skipped), (1_992, 8, 2_500));
        assert_eq!(run.out.lines().count(), 4_500);
    }

    #[tokio::test]
    async fn what_can_not_be_listed_is_an_error_and_so_is_a_prefix_without_objects() {
        let store = FakeStore::new().with_bucket("goods").with_bucket("empty");
        store.insert("goods", "a", "plain");
        for (place, reason) in [("nowhere", "fetch failed"), ("goods/mistyped", "fetch failed")] {
            let run = scan(store.clone(), place, WordScanner::default()).await;
            run.result.as_ref().expect("a result");
            let path = if place.contains('/') { format!("s3://{place}") } else { format!("s3://{place}/") };
            assert_eq!(line(&run, &path)["reason"], reason, "{place}");
            assert_eq!(run.tally.outcome().code(), 2);
        }
        let run = scan(store.clone(), "empty", WordScanner::default()).await;
        assert_eq!((run.tally.outcome().code(), run.out.as_str()), (0, ""), "a bucket may be empty, as a folder may");
        store.deny("goods");
        let run = scan(store, "goods", WordScanner::default()).await;
        assert_eq!(line(&run, "s3://goods/")["reason"], "access denied");
    }

    #[tokio::test]
    async fn an_object_that_goes_after_it_was_listed_is_gone_and_nobody_asks_a_quarantine() {
        let inner = FakeStore::new().with_bucket("goods");
        inner.insert("goods", "a", "virus");
        let store = FailingStore::new(inner.clone());
        let gone = inner.clone();
        store.faults.meanwhile("fetch", 1, move || gone.remove("goods", "a"));
        let run = scan(store, "goods", WordScanner::default()).await;
        assert_eq!(line(&run, "s3://goods/a")["result"], "Gone");
        assert_eq!((inner.calls("tags_at"), run.tally.outcome().code()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_listing_waits_for_the_engine() {
        let store = FakeStore::new().with_bucket("goods");
        for number in 0..10_000 {
            store.insert("goods", &format!("{number:05}"), "plain");
        }
        store.set_page_keys("goods", 100);
        let scanning = scan(store.clone(), "goods", WordScanner { never_answers: true, ..WordScanner::default() });
        assert!(tokio::time::timeout(Duration::from_secs(60), scanning).await.is_err());
        // what is in hand, in the queue and on the way to it, and two pages ahead
        assert!(store.calls("list_page") < 50, "{} of 100 pages were listed", store.calls("list_page"));
    }

    #[tokio::test]
    async fn an_engine_that_is_gone_ends_the_scan_of_any_bucket() {
        let store = FakeStore::new().with_bucket("goods");
        for number in 0..2_000 {
            store.insert("goods", &number.to_string(), "plain");
        }
        let scanner = WordScanner { gone_from: Some(150), ..WordScanner::default() };
        let run = scan(store, "goods", scanner).await;
        assert!(run.result.expect_err("gone").to_string().contains("gone for good"));
        assert!(run.tally.all() <= 150 && run.tally.clean == run.tally.all());
    }
}
