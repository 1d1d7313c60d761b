//! Lists a scope, a few pages ahead of whoever reads them.

use std::sync::Arc;

use lazaret_aws::ObjectStore;
use lazaret_model::{BucketScope, ObjectRef};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::error::CrawlError;
use crate::retry;

/// Pages that lie ready: S3 answers a page in about 100 ms, so that two cover a batch that is being sent. A page has about
/// 300 KB.
const PAGES_AHEAD: usize = 2;

/// The objects of a scope, page by page. Whoever makes one (several listings side by side, say) promises that every object
/// comes exactly once, in any order of pages. Dropping it ends the listing.
pub struct Pages {
    pages: mpsc::Receiver<Vec<ObjectRef>>,
    lister: Option<AbortOnDropHandle<Result<(), CrawlError>>>,
}

impl Pages {
    /// The next page; `None` after the last, once the lister itself said that it was the last.
    pub async fn next(&mut self) -> Result<Option<Vec<ObjectRef>>, CrawlError> {
        if let Some(page) = self.pages.recv().await {
            return Ok(Some(page));
        }
        // a channel that is closed is no proof of an end: the lister may have failed or died
        match self.lister.take() {
            Some(lister) => lister.await.map_err(|_| CrawlError::Panicked("the listing"))?.map(|()| None),
            None => Ok(None),
        }
    }
}

/// Lists the current versions below the scope's prefix, one page after the other.
pub fn list(store: Arc<dyn ObjectStore>, scope: BucketScope) -> Pages {
    let (sender, pages) = mpsc::channel(PAGES_AHEAD);
    let lister = tokio::spawn(async move {
        let mut next: Option<String> = None;
        loop {
            let page = retry::store(|| store.list_page(&scope.name, &scope.prefix, next.as_deref())).await;
            let page = page.map_err(CrawlError::List)?;
            debug!(objects = page.objects.len(), "Listed a page");
            // nobody reads any more: the crawl has failed elsewhere
            if sender.send(page.objects).await.is_err() {
                return Ok(());
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    });
    Pages { pages, lister: Some(AbortOnDropHandle::new(lister)) }
}
