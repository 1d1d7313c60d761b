//! The crawl of `lazaret plan`: counts everything, sends and writes nothing.

use std::sync::Arc;

use lazaret_aws::ObjectStore;
use lazaret_model::{BucketScope, CrawlId, CrawlResult, JobId, Progress, Window};

use crate::crawl::Crawl;
use crate::error::CrawlError;
use crate::list::list;
use lazaret_model::pack::PacketLimits;

/// Crawls a scope as a job would, and returns what it would count: `packets` and `packets_sent` are those that it would make.
/// `progress` is called after each page.
///
/// # Errors
/// If the bucket can't be listed to its end.
pub async fn measure(
    store: Arc<dyn ObjectStore>,
    scope: BucketScope,
    window: Window,
    limits: PacketLimits,
    mut progress: impl FnMut(Progress),
) -> Result<CrawlResult, CrawlError> {
    // ids of no job, as long as those that a start without a name gets
    let job_id: JobId = "00000000-0000-0000-0000-000000000000".parse().expect("a job id");
    let mut crawl = Crawl::new(job_id, CrawlId::new(0, 0), scope.clone(), window, limits);
    let mut pages = list(store, scope);
    while let Some(page) = pages.next().await? {
        for object in page {
            drop(crawl.take(object));
        }
        progress(crawl.progress());
    }
    Ok(crawl.finish().1)
}
