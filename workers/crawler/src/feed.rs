//! A crawl for whoever scans in the same process: the same listing and the same packets, and nothing is written anywhere.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::{ObjectStore, Queue};
use lazaret_model::{BucketScope, CrawlId, CrawlResult, JobId, ObjectRef, Window};
use tokio::sync::mpsc;

use crate::crawl::{Crawl, Parcel};
use crate::enqueue::Outbox;
use crate::error::CrawlError;
use crate::list::list;
use lazaret_model::pack::PacketLimits;

/// Every object of the scope, whenever it was written, goes to `queue` in packets; those that can't be read without a restore
/// go to `archived`. Returns once all of them were taken.
///
/// # Errors
/// If the bucket can't be listed to its end, or a receiver is gone.
pub async fn feed(
    store: Arc<dyn ObjectStore>,
    queue: Arc<dyn Queue>,
    archived: mpsc::Sender<Vec<ObjectRef>>,
    scope: BucketScope,
    limits: PacketLimits,
) -> Result<CrawlResult, CrawlError> {
    // ids of no job
    let job_id: JobId = "direct".parse().expect("a job id");
    let window = Window { from: Timestamp::MIN, to: Timestamp::MAX };
    let mut crawl = Crawl::new(job_id, CrawlId::new(0, 0), scope.clone(), window, limits);
    let outbox = Outbox::open(queue);
    let deliver = async |parcel| match parcel {
        Parcel::Work(body) => outbox.put(body).await.map_err(|_| Gone),
        Parcel::Archived(_, objects) => archived.send(objects).await.map_err(|_| Gone),
    };
    let mut pages = list(store, scope);
    let result = async {
        while let Some(page) = pages.next().await? {
            for object in page {
                if let Some(parcel) = crawl.take(object) {
                    deliver(parcel).await?;
                }
            }
        }
        let (last, result) = crawl.finish();
        for parcel in last {
            deliver(parcel).await?;
        }
        Ok(result)
    }
    .await;
    match result {
        Ok(result) => outbox.close().await.map(|()| result),
        Err(Interrupted::Failed(error)) => Err(error),
        // the sending has failed and says why; if it has not, then who takes the archived ones is gone
        Err(Interrupted::Gone) => Err(outbox.close().await.err().unwrap_or(CrawlError::Panicked("the taking"))),
    }
}

/// Whoever was to take a parcel is not there any more.
struct Gone;

enum Interrupted {
    Gone,
    Failed(CrawlError),
}

impl From<Gone> for Interrupted {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<CrawlError> for Interrupted {
    fn from(error: CrawlError) -> Self {
        Self::Failed(error)
    }
}
