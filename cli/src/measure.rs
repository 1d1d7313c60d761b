//! The crawl of a plan: several buckets at once, and a word on the way for whoever waits.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use lazaret_aws::ObjectStore;
use lazaret_crawler::PacketLimits;
use lazaret_model::{CrawlResult, Job, Progress};
use tokio::time::Instant;

use crate::console::Console;
use crate::escape;
use crate::units;

/// Buckets that are listed at once. A job crawls all of them at once, each in a task of its own; here it's one process.
const CRAWLS_AT_ONCE: usize = 8;
/// Between two lines where there is no terminal: a large bucket takes minutes.
const BETWEEN: Duration = Duration::from_secs(5);

/// Crawls every scope of the job as its crawlers would, and sends nothing.
///
/// # Errors
/// If one can't be listed to its end.
pub async fn measure(
    store: Arc<dyn ObjectStore>,
    job: &Job,
    console: &mut Console,
) -> anyhow::Result<Vec<CrawlResult>> {
    let teller = Mutex::new(Teller::new(job.buckets.len(), console));
    let crawls = stream::iter(job.buckets.iter().cloned().enumerate())
        .map(|(index, scope)| {
            let (store, teller) = (store.clone(), &teller);
            async move {
                let place = escape::line(&format!("s3://{scope}")).into_owned();
                let tell = |progress| teller.lock().unwrap_or_else(PoisonError::into_inner).tell(index, progress);
                lazaret_crawler::measure(store, scope, job.window, PacketLimits::default(), tell).await.context(place)
            }
        })
        .buffered(CRAWLS_AT_ONCE)
        .try_collect()
        .await;
    teller.into_inner().unwrap_or_else(PoisonError::into_inner).close();
    crawls
}

/// Says how far the crawls are: as a spinner on a terminal, else now and then as a line.
struct Teller<'a> {
    counters: Vec<Progress>,
    console: &'a mut Console,
    spinner: Option<ProgressBar>,
    told: Instant,
}

impl<'a> Teller<'a> {
    fn new(scopes: usize, console: &'a mut Console) -> Self {
        let spinner = console.err_is_terminal.then(|| {
            let style = ProgressStyle::with_template("{spinner} [{elapsed}] {msg}").expect("a well-formed template");
            let spinner = ProgressBar::new_spinner().with_style(style);
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { counters: vec![Progress::default(); scopes], console, spinner, told: Instant::now() }
    }

    fn tell(&mut self, scope: usize, progress: Progress) {
        self.counters[scope] = progress;
        if self.spinner.is_none() && self.told.elapsed() < BETWEEN {
            return;
        }
        self.told = Instant::now();
        let mut sum = Progress::default();
        for progress in &self.counters {
            sum += *progress;
        }
        let text = format!("{} crawled, {} matched", units::counted(sum.crawled, "object"), units::count(sum.matched));
        match &self.spinner {
            Some(spinner) => spinner.set_message(text),
            // a plan is worth having even if no one hears how far it is
            None => drop(self.console.note(&text)),
        }
    }

    fn close(self) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
    }
}
