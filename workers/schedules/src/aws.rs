//! The world over S3 and Step Functions.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::executions::{ExecutionStatus, Started};
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{Executions, ObjectStore, StoreError, Uploads};
use lazaret_model::summary::Status;
use lazaret_model::{BucketScope, JobId, JobInput, Selection, Summary, Upload, layout};
use serde::Serialize;
use tracing::warn;

use crate::error::{ScheduleError, UPLOADS_MAX};
use crate::name::ScheduleName;
use crate::state::{ScheduleState, Why};
use crate::world::{Execution, Read, World};

/// The services.
#[derive(Clone)]
pub struct Aws {
    pub store: Arc<dyn ObjectStore>,
    pub uploads: Arc<dyn Uploads>,
    /// The retro job's.
    pub executions: Arc<dyn Executions>,
    pub results_bucket: String,
}

/// For `map_err`: a call of S3 failed while this was done.
fn store(doing: String) -> impl FnOnce(StoreError) -> ScheduleError {
    move |source| ScheduleError::Store { doing, source }
}

fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("maps with text for keys are JSON"))
}

impl Aws {
    async fn get(&self, key: &str) -> Result<Option<lazaret_aws::objects::Stored>, ScheduleError> {
        self.store.get(&self.results_bucket, key).await.map_err(store(format!("reading `{key}`")))
    }

    /// Deletes the state of a schedule; one without a state is no error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        let keys = [layout::schedule_state_key(name.as_str()), layout::schedule_clock_key(name.as_str())];
        let deleted = self.store.delete_keys(&self.results_bucket, &keys).await;
        deleted.map_err(store(format!("deleting the state of `{name}`")))
    }
}

#[async_trait]
impl World for Aws {
    async fn time(&self, name: &ScheduleName) -> Result<Timestamp, ScheduleError> {
        let (bucket, key) = (&self.results_bucket, layout::schedule_clock_key(name.as_str()));
        let put = self.store.put(bucket, &key, Bytes::new(), "text/plain", PutCondition::Always).await;
        put.map_err(store(format!("writing `{key}`")))?;
        let head = self.store.head(bucket, &key, None).await.map_err(store(format!("looking at `{key}`")))?;
        // deleted by somebody in between
        let head =
            head.ok_or_else(|| store(format!("looking at `{key}`"))(StoreError::Transient("it is gone".into())))?;
        let second = head.object.last_modified.as_second();
        Ok(Timestamp::from_second(second).expect("what was a timestamp with a fraction is one without"))
    }

    async fn read(&self, name: &ScheduleName) -> Result<Read, ScheduleError> {
        let key = layout::schedule_state_key(name.as_str());
        let Some(stored) = self.get(&key).await? else { return Ok(None) };
        let state = serde_json::from_slice(&stored.bytes);
        Ok(Some((state.map_err(|error| ScheduleError::Damaged { key, why: error.to_string() })?, stored.etag)))
    }

    async fn write(
        &self,
        name: &ScheduleName,
        state: &ScheduleState,
        over: Option<&str>,
    ) -> Result<Option<String>, ScheduleError> {
        let key = layout::schedule_state_key(name.as_str());
        let condition = over.map_or(PutCondition::Absent, PutCondition::Over);
        match self.store.put(&self.results_bucket, &key, json(state), "application/json", condition).await {
            Ok(etag) => Ok(Some(etag)),
            Err(StoreError::PreconditionFailed) => Ok(None),
            Err(error) => Err(store(format!("writing `{key}`"))(error)),
        }
    }

    async fn look(&self, bucket: &str) -> Result<Option<Why>, ScheduleError> {
        match self.store.check_bucket(bucket).await {
            Ok(()) => Ok(None),
            Err(StoreError::NoSuchBucket(_) | StoreError::NotFound) => Ok(Some(Why::Missing)),
            Err(StoreError::AccessDenied(_)) => Ok(Some(Why::Denied)),
            Err(error) => Err(store(format!("looking at bucket `{bucket}`"))(error)),
        }
    }

    async fn open_uploads(&self, scope: &BucketScope) -> Result<Vec<Upload>, ScheduleError> {
        let open = self.uploads.open(&scope.name, &scope.prefix, UPLOADS_MAX + 1).await;
        let open = open.map_err(store(format!("listing the uploads of bucket `{}`", scope.name)))?;
        if open.len() > UPLOADS_MAX {
            return Err(ScheduleError::TooManyUploads(scope.name.clone()));
        }
        Ok(open)
    }

    async fn write_selection(&self, job: &JobId, scope_index: u32, selection: &Selection) -> Result<(), ScheduleError> {
        let key = layout::selection_key(job, scope_index);
        let put =
            self.store.put(&self.results_bucket, &key, json(selection), "application/json", PutCondition::Always).await;
        put.map(drop).map_err(store(format!("writing `{key}`")))
    }

    async fn start(&self, job: &JobId, input: &JobInput) -> Result<Started, ScheduleError> {
        let input = serde_json::to_value(input).expect("an input is JSON");
        Ok(self.executions.start_once(job.as_str(), &input).await?)
    }

    async fn execution(&self, job: &JobId) -> Result<Execution, ScheduleError> {
        let found = self.executions.describe(job.as_str()).await?;
        Ok(found.map_or(Execution::Unknown, |execution| match execution.status {
            ExecutionStatus::Running => Execution::Running,
            _ => Execution::Ended,
        }))
    }

    async fn is_complete(&self, job: &JobId) -> Result<bool, ScheduleError> {
        let Some(stored) = self.get(&layout::summary_key(job)).await? else { return Ok(false) };
        match serde_json::from_slice::<Summary>(&stored.bytes) {
            Ok(summary) => Ok(summary.job_id == *job && summary.status == Status::Complete),
            Err(error) => {
                warn!(job.id = %job, "The summary of job `{job}` can't be read, so it is not complete: {error}");
                Ok(false)
            }
        }
    }
}
