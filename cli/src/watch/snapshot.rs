//! One look at a running job.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use lazaret_aws::executions::{Execution, ExecutionStatus};
use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::{CrawlId, ETag, JobId, JobPlan, Progress, layout};

use crate::cloud::Cloud;

/// Counters that are fetched at once: a thousand agents are read in a second.
const READS_AT_ONCE: usize = 16;

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Step Functions knows an execution only a moment after it was started.
    #[error("no execution `{0}`")]
    Unknown(JobId),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LookError {
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Service(error) => error.retryable,
            Self::Store(error) => error.retryable(),
        }
    }
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub execution: Execution,
    /// The state that was entered last.
    pub state: Option<String>,
    pub progress: Progress,
    /// Set once the plan is written, and kept: the crawl is over.
    pub planned: Option<Planned>,
}

/// The whole of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub crawled: u64,
    pub matched: u64,
    pub bytes: u64,
}

/// Looks again and again, and fetches only what changed.
pub struct Poller<'a> {
    cloud: &'a Cloud,
    job_id: &'a JobId,
    planned: Option<Planned>,
    counters: HashMap<String, (ETag, Progress)>,
    /// The counters may not be read: only the state is shown.
    blind: bool,
    note: Option<String>,
}

impl<'a> Poller<'a> {
    pub fn new(cloud: &'a Cloud, job_id: &'a JobId) -> Self {
        Self { cloud, job_id, planned: None, counters: HashMap::new(), blind: false, note: None }
    }

    /// Something that the person should hear once.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// # Errors
    /// Those of the services; [`LookError::retryable`] says whether to look again.
    pub async fn look(&mut self) -> Result<Snapshot, LookError> {
        let execution = self.cloud.executions.describe(self.job_id.as_str()).await?;
        let execution = execution.ok_or_else(|| LookError::Unknown(self.job_id.clone()))?;
        if execution.status != ExecutionStatus::Running {
            return Ok(self.snapshot(execution, None));
        }
        let state = self.cloud.executions.current_state(self.job_id.as_str()).await?;
        if !self.blind {
            match self.read().await {
                Ok(()) => {}
                Err(StoreError::AccessDenied(_) | StoreError::NoSuchBucket(_)) => {
                    self.blind = true;
                    let bucket = &self.cloud.results_bucket;
                    self.note =
                        Some(format!("The counters can't be read from s3://{bucket}: only the job's state is shown."));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.snapshot(execution, state))
    }

    fn snapshot(&self, execution: Execution, state: Option<String>) -> Snapshot {
        let mut progress = sum(&self.counters);
        if let Some(planned) = self.planned {
            // what counts is the accepted crawls, and a redelivered packet counts twice in its agents
            progress.crawled = planned.crawled;
            progress.matched = planned.matched;
            progress.scanned = progress.scanned.min(planned.matched);
        }
        Snapshot { execution, state, progress, planned: self.planned }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        if self.planned.is_none() {
            self.planned = self.plan().await?;
        }
        let changed = self.changed().await?;
        let store = &self.cloud.store;
        let bucket = self.cloud.results_bucket.as_str();
        let read: Vec<_> = stream::iter(changed)
            .map(|(key, etag)| async move { store.get(bucket, &key).await.map(|stored| (key, etag, stored)) })
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        for (key, etag, stored) in read {
            // gone or half written by a newer worker: the old numbers stay
            if let Some(progress) = stored.and_then(|stored| serde_json::from_slice(&stored.bytes).ok()) {
                self.counters.insert(key, (etag, progress));
            }
        }
        Ok(())
    }

    async fn changed(&self) -> Result<Vec<(String, ETag)>, StoreError> {
        let prefix = layout::progress_prefix(self.job_id);
        let mut changed = Vec::new();
        let mut next = None;
        loop {
            let page = self.cloud.store.list_page(&self.cloud.results_bucket, &prefix, next.as_deref()).await?;
            let new = page
                .objects
                .into_iter()
                .filter(|object| self.counters.get(&object.key).is_none_or(|(known, _)| *known != object.etag));
            changed.extend(new.map(|object| (object.key, object.etag)));
            next = page.next;
            if next.is_none() {
                return Ok(changed);
            }
        }
    }

    async fn plan(&self) -> Result<Option<Planned>, StoreError> {
        let stored = self.cloud.store.get(&self.cloud.results_bucket, &layout::plan_key(self.job_id)).await?;
        let plan: Option<JobPlan> = stored.and_then(|stored| serde_json::from_slice(&stored.bytes).ok());
        Ok(plan.map(|plan| Planned { crawled: plan.listed(), matched: plan.matched(), bytes: plan.matched_bytes() }))
    }
}

/// The sum over all workers; of several attempts to crawl a scope only the one that came farthest.
fn sum(counters: &HashMap<String, (ETag, Progress)>) -> Progress {
    let mut total = Progress::default();
    let mut crawls: BTreeMap<u32, Progress> = BTreeMap::new();
    for (key, (_, progress)) in counters {
        match scope_of(key) {
            Some(scope) => {
                let farthest = crawls.entry(scope).or_default();
                if progress.crawled >= farthest.crawled {
                    *farthest = *progress;
                }
            }
            None => total += *progress,
        }
    }
    for progress in crawls.into_values() {
        total += progress;
    }
    total
}

fn scope_of(key: &str) -> Option<u32> {
    let worker = key.rsplit('/').next()?.strip_suffix(".json")?;
    let crawl: CrawlId = worker.strip_prefix("crawl-")?.parse().ok()?;
    Some(crawl.scope_index())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, plan};

    fn crawled(crawled: u64) -> Progress {
        Progress { crawled, ..Progress::default() }
    }

    #[tokio::test]
    async fn a_retried_crawl_counts_once_and_scopes_add_up() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        for (worker, objects) in
            [("crawl-0000-00000001", 700), ("crawl-0000-00000002", 200), ("crawl-0001-00000001", 50)]
        {
            lab.put_json(&layout::progress_key(&job, worker), &crawled(objects));
        }
        let cloud = lab.cloud();
        let snapshot = Poller::new(&cloud, &job).look().await.expect("a look");
        assert_eq!((snapshot.progress.crawled, snapshot.planned), (750, None));
    }

    #[tokio::test]
    async fn once_planned_the_plan_counts_and_scanned_never_exceeds_it() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.put_json(&layout::plan_key(&job), &plan(&job, 100, 2));
        lab.put_json(&layout::progress_key(&job, "crawl-0000-00000009"), &crawled(900));
        lab.put_json(&layout::progress_key(&job, "agent-a"), &Progress { scanned: 130, ..Progress::default() });
        let cloud = lab.cloud();
        let progress = Poller::new(&cloud, &job).look().await.expect("a look").progress;
        assert_eq!((progress.crawled, progress.matched, progress.scanned), (105, 100, 100));
    }

    #[tokio::test]
    async fn only_counters_that_changed_are_fetched_again() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.put_json(&layout::plan_key(&job), &plan(&job, 100, 2));
        for agent in ["agent-a", "agent-b"] {
            lab.put_json(&layout::progress_key(&job, agent), &Progress { scanned: 1, ..Progress::default() });
        }
        let cloud = lab.cloud();
        let mut poller = Poller::new(&cloud, &job);
        poller.look().await.expect("a look");
        let before = lab.store.calls("get");
        lab.put_json(&layout::progress_key(&job, "agent-b"), &Progress { scanned: 5, ..Progress::default() });
        assert_eq!(poller.look().await.expect("a look").progress.scanned, 6);
        assert_eq!(lab.store.calls("get") - before, 1);
    }
}
