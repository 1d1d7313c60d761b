//! Leave nothing behind: tasks first, since they use the queues and write objects; then queues, the parts of void crawls,
//! and `work/<job>/`.
//!
//! Runs as the last step of a job, and again for every execution that ended in another way; both at once do no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use lazaret_aws::queue::Queues;
use lazaret_aws::{ObjectStore, TaskFleet};
use lazaret_model::{JobId, JobPlan, layout};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::error::FunctionError;
use crate::parts;

/// Tasks that are told to stop at once: StopTask's rate is 100 in a burst, 40 sustained.
const CONCURRENT: usize = 8;
/// Between two looks at tasks that are stopping, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Until tasks are stopped: a task has up to two minutes for its SIGTERM (ECS's largest stop time-out on Fargate). The
/// function's own time-out must be longer.
pub const PATIENCE: Duration = Duration::from_secs(200);
/// What the tasks are told.
const REASON: &str = "The job has ended";

/// The function and what it needs.
pub struct TearDown {
    pub store: Arc<dyn ObjectStore>,
    pub queues: Arc<dyn Queues>,
    pub fleet: Arc<dyn TaskFleet>,
    pub results_bucket: String,
}

/// From the state machine, or from EventBridge (*Step Functions Execution Status Change*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Input {
    Step {
        #[serde(rename = "jobId")]
        job_id: String,
    },
    Event {
        detail: EventDetail,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDetail {
    /// The execution's name, which is the job's id.
    pub name: String,
}

impl Input {
    fn into_name(self) -> String {
        match self {
            Self::Step { job_id } => job_id,
            Self::Event { detail } => detail.name,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pub job_id: String,
    pub tasks_stopped: u64,
    pub queues_deleted: u64,
    pub objects_deleted: u64,
}

impl TearDown {
    /// # Errors
    /// `Transient` if tasks have not stopped in time or a service failed for now: run it again.
    pub async fn handle(&self, input: Input) -> Result<Output, FunctionError> {
        let name = input.into_name();
        let mut output = Output { job_id: name.clone(), ..Output::default() };
        let Ok(job) = JobId::try_from(name) else {
            // an execution of such a name was refused as bad input before anything was created
            return Ok(output);
        };
        let deadline = Instant::now() + PATIENCE;
        let mut asked = BTreeSet::new();
        loop {
            self.stop_tasks(&job, &mut asked, deadline).await?;
            output.queues_deleted += self.delete_queues(&job).await?;
            self.delete_void_parts(&job).await?;
            output.objects_deleted += self.delete_work(&job).await?;
            // a launch that was under way when we came may show only now
            if self.fleet.running(job.as_str()).await?.is_empty() {
                break;
            }
        }
        output.tasks_stopped = asked.len() as u64;
        info!(
            job.id = %job, tasks = output.tasks_stopped, queues = output.queues_deleted, objects = output.objects_deleted,
            "Job `{job}` is torn down"
        );
        Ok(output)
    }

    /// Stops every task of the job, those that appear meanwhile too, and waits until all are stopped.
    async fn stop_tasks(
        &self,
        job: &JobId,
        asked: &mut BTreeSet<String>,
        deadline: Instant,
    ) -> Result<(), FunctionError> {
        let mut wait = FIRST_WAIT;
        loop {
            let running: Vec<String> =
                self.fleet.running(job.as_str()).await?.into_iter().map(|task| task.arn).collect();
            let new: Vec<String> = running.iter().filter(|arn| !asked.contains(*arn)).cloned().collect();
            let stop = |arn: String| async move { self.fleet.stop(&arn, REASON).await };
            stream::iter(new).map(stop).buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await?;
            let none_running = running.is_empty();
            asked.extend(running);
            let arns: Vec<String> = asked.iter().cloned().collect();
            let left = if arns.is_empty() { 0 } else { self.fleet.not_stopped(&arns).await? };
            if none_running && left == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(FunctionError::transient(format!("{left} tasks of job `{job}` have not stopped yet")));
            }
            if left > 0 {
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }

    async fn delete_queues(&self, job: &JobId) -> Result<u64, FunctionError> {
        let mut deleted = 0;
        for name in [job.queue_name(), job.dead_letter_queue_name()] {
            if let Some(url) = self.queues.url(&name).await? {
                self.queues.at(&url).delete_queue().await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Parts of crawls that don't count; only the plan tells them from the others, and it goes next. Where there is no plan, or
    /// no longer, every part stays: a row too many is better than one too few.
    async fn delete_void_parts(&self, job: &JobId) -> Result<(), FunctionError> {
        let (store, bucket) = (&*self.store, self.results_bucket.as_str());
        let stored = store.get(bucket, &layout::plan_key(job)).await;
        let stored = stored.map_err(FunctionError::store("reading the plan"))?;
        match stored.map(|stored| serde_json::from_slice::<JobPlan>(&stored.bytes)) {
            Some(Ok(plan)) => parts::remove_void(store, bucket, &plan).await,
            Some(Err(error)) => {
                warn!(job.id = %job, %error, "The plan can't be read: parts of void crawls stay");
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn delete_work(&self, job: &JobId) -> Result<u64, FunctionError> {
        let (bucket, prefix) = (self.results_bucket.as_str(), layout::work_prefix(job));
        let mut deleted = 0;
        let mut next: Option<String> = None;
        loop {
            let page = self.store.list_page(bucket, &prefix, next.as_deref()).await;
            let page = page.map_err(FunctionError::store(format_args!("listing `{prefix}`")))?;
            let keys: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
            if !keys.is_empty() {
                let delete = self.store.delete_keys(bucket, &keys);
                delete.await.map_err(FunctionError::store(format_args!("deleting below `{prefix}`")))?;
                deleted += keys.len() as u64;
            }
            next = page.next;
            if next.is_none() {
                return Ok(deleted);
            }
        }
    }
}
