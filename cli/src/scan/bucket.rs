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
