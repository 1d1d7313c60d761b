//! One crawl, from its task token to its answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lazaret_aws::token::Taken;
use lazaret_aws::{ObjectStore, Queue, ServiceError, StoreError, TaskCallback};
use lazaret_model::{CrawlId, CrawlResult, Failure, Matching, Progress, Selection, layout};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::archive;
use crate::config::Config;
use crate::crawl::{Crawl, Parcel};
use crate::enqueue::Outbox;
use crate::error::CrawlError;
use crate::heartbeat::beat;
use crate::list::list;
use crate::progress::Board;
use crate::retry;

/// For the last words after a SIGTERM; ECS kills 30 seconds after it where nothing else is set.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The services that a crawl needs.
#[derive(Clone)]
pub struct Deps {
    pub store: Arc<dyn ObjectStore>,
    pub queue: Arc<dyn Queue>,
    pub callback: Arc<dyn TaskCallback>,
}

/// How a crawl ended.
#[derive(Debug)]
pub enum Ending {
    /// Step Functions has the answer.
    Answered(CrawlResult),
    /// Nobody waits for this attempt any more.
    Abandoned,
    /// This task is to stop.
    Stopped,
    /// Step Functions has the failure's name.
    Failed(CrawlError),
}

/// Crawls until everything is enqueued, `shutdown` comes, or nobody waits any more; and answers the token.
///
/// # Errors
/// If the answer could not be given: Step Functions hears of it by the heartbeats that stay away.
pub async fn run(
    config: Config,
    crawl_id: CrawlId,
    deps: Deps,
    shutdown: impl Future<Output = ()>,
) -> Result<Ending, ServiceError> {
    let key = layout::progress_key(&config.job_id, &format!("crawl-{crawl_id}"));
    let board = Board { store: Arc::clone(&deps.store), bucket: config.results_bucket.clone(), key };
    info!("Crawling `{}`", config.scope.to_string().escape_debug());
    let ending = tokio::select! {
        ending = crawl_while_awaited(&config, crawl_id, &deps, &board) => ending,
        () = shutdown => stop(&deps, &board).await,
    };
    if let Ok(Ending::Abandoned) = ending {
        info!("Nobody waits for this crawl any more");
    }
    ending
}

/// Asks first whether anybody waits, and before it writes anything: an attempt that comes too late must leave no trace, in
/// the queue of a job that goes on as little as in one that was torn down.
async fn crawl_while_awaited(
    config: &Config,
    crawl_id: CrawlId,
    deps: &Deps,
    board: &Board,
) -> Result<Ending, ServiceError> {
    match deps.callback.heartbeat().await {
        Ok(Taken::Yes) => {}
        Ok(Taken::NoLongerWaiting) => return Ok(Ending::Abandoned),
        Err(error) => warn!(error = %error, "The first heartbeat failed"),
    }
    let beats = beat(Arc::clone(&deps.callback), config.heartbeat);
    let ending = tokio::select! {
        // an answer that was taken ends the beats too: look at it first
        biased;
        ending = crawl_and_answer(config, crawl_id, deps, board) => ending,
        _ = beats => Ok(Ending::Abandoned),
    };
    if let Ok(Ending::Abandoned) = ending {
        board.clear().await;
    }
    ending
}

async fn crawl_and_answer(
    config: &Config,
    crawl_id: CrawlId,
    deps: &Deps,
    board: &Board,
) -> Result<Ending, ServiceError> {
    match crawl(config, crawl_id, deps, board).await {
        Ok(result) => {
            info!(
                listed = result.listed,
                matched = result.matched,
                bytes = result.matched_bytes,
                packets = result.packets,
                "Crawled `{}`",
                result.scope.to_string().escape_debug()
            );
            let brief = serde_json::to_value(result.brief()).expect("a brief is JSON");
            Ok(match retry::answer(|| deps.callback.succeed(&brief)).await? {
                Taken::Yes => Ending::Answered(result),
                Taken::NoLongerWaiting => Ending::Abandoned,
            })
        }
        Err(error) => {
            let (name, cause) = (error.failure().name(), error.to_string());
            warn!(failure = name, error = %cause, "The crawl failed");
            board.clear().await;
            Ok(match retry::answer(|| deps.callback.fail(name, &cause)).await? {
                Taken::Yes => Ending::Failed(error),
                Taken::NoLongerWaiting => Ending::Abandoned,
            })
        }
    }
}

/// SIGTERM comes from a tear-down, where nobody waits for the token and saying so changes nothing, or from Fargate, which takes
/// its machine back: then somebody waits, and should try again at once and not after the missing heartbeats.
async fn stop(deps: &Deps, board: &Board) -> Result<Ending, ServiceError> {
    info!("Asked to stop");
    let words = async {
        let said = deps.callback.fail(Failure::Transient.name(), "the crawler's task was stopped").await;
        // in a tear-down the objects of the job may be gone already: then leave nothing new behind
        if matches!(said, Ok(Taken::Yes)) {
            board.clear().await;
        }
    };
    if timeout(LAST_WORDS, words).await.is_err() {
        warn!("There was no time to say so");
    }
    Ok(Ending::Stopped)
}

/// List → pack → enqueue, until the end of the listing; then the counts are written.
async fn crawl(config: &Config, crawl_id: CrawlId, deps: &Deps, board: &Board) -> Result<CrawlResult, CrawlError> {
    let (tell, told) = watch::channel(Progress::default());
    let shown = board.clone().keep(told, config.progress);
    let delivery = Delivery { config, store: deps.store.as_ref(), outbox: Outbox::open(Arc::clone(&deps.queue)) };
    let result = deliver_all(&delivery, crawl_id, deps, &tell).await;
    // a failed sending closes the outbox: it knows better than whoever found it closed
    let sent = delivery.outbox.close().await;
    let result = match result {
        Ok(result) => sent.map(|()| result),
        Err(Interrupted::OutboxClosed) => Err(sent.err().unwrap_or(CrawlError::Panicked("the sending"))),
        Err(Interrupted::Failed(error)) => Err(error),
    }?;
    // the last word is written below, and nothing after it
    drop(shown);
    let key = layout::crawl_key(&config.job_id, &result.crawl_id);
    let json = serde_json::to_vec(&result).expect("counts are JSON");
    archive::write(deps.store.as_ref(), &config.results_bucket, &key, "the counts", json, "application/json").await?;
    board.write(*tell.borrow()).await;
    Ok(result)
}

/// Why no more parcels are delivered.
enum Interrupted {
    OutboxClosed,
    Failed(CrawlError),
}

impl From<CrawlError> for Interrupted {
    fn from(error: CrawlError) -> Self {
        Self::Failed(error)
    }
}

async fn deliver_all(
    delivery: &Delivery<'_>,
    crawl_id: CrawlId,
    deps: &Deps,
    tell: &watch::Sender<Progress>,
) -> Result<CrawlResult, Interrupted> {
    let Config { job_id, scope, limits, .. } = delivery.config;
    let matching = matching(delivery.config, delivery.store).await?;
    let mut crawl = Crawl::new(job_id.clone(), crawl_id, scope.clone(), matching, *limits);
    let mut pages = list(Arc::clone(&deps.store), scope.clone());
    while let Some(page) = pages.next().await? {
        for object in page {
            if let Some(parcel) = crawl.take(object) {
                delivery.deliver(parcel).await?;
            }
        }
        tell.send_replace(crawl.progress());
    }
    let (last, result) = crawl.finish();
    for parcel in last {
        delivery.deliver(parcel).await?;
    }
    Ok(result)
}

/// The job's window, or what the schedule wrote for this scope.
async fn matching(config: &Config, store: &dyn ObjectStore) -> Result<Matching, CrawlError> {
    let Some(key) = &config.selection else { return Ok(config.window.into()) };
    let stored = store.get(&config.results_bucket, key).await.map_err(CrawlError::Selection)?;
    let stored = stored.ok_or(CrawlError::Selection(StoreError::NotFound))?;
    let selection: Selection = serde_json::from_slice(&stored.bytes)
        .map_err(|error| CrawlError::Selection(StoreError::Permanent(error.to_string())))?;
    Ok(selection.into())
}

/// Where parcels go.
struct Delivery<'a> {
    config: &'a Config,
    store: &'a dyn ObjectStore,
    outbox: Outbox,
}

impl Delivery<'_> {
    async fn deliver(&self, parcel: Parcel) -> Result<(), Interrupted> {
        match parcel {
            Parcel::Work(body) => self.outbox.put(body).await.map_err(|_| Interrupted::OutboxClosed),
            Parcel::Archived(packet, objects) => {
                let Config { job_id, results_bucket, .. } = self.config;
                let now = Timestamp::now();
                Ok(archive::write_part(self.store, results_bucket, job_id, &packet, objects, now).await?)
            }
        }
    }
}
