//! What a schedule needs of the world.

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_aws::executions::Started;
use lazaret_model::{BucketScope, JobId, JobInput, Selection, Upload};

use crate::error::ScheduleError;
use crate::name::ScheduleName;
use crate::state::{ScheduleState, Why};

/// A state as it was read, and what to name when it is written over.
pub type Read = Option<(ScheduleState, String)>;

/// How it stands with a job's execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    Running,
    Ended,
    /// Never started, a moment ago, or more than 90 days ago.
    Unknown,
}

/// S3 and Step Functions, as schedules use them.
#[async_trait]
pub trait World: Send + Sync {
    /// S3's own time, in whole seconds: what LastModified is measured by.
    async fn time(&self, name: &ScheduleName) -> Result<Timestamp, ScheduleError>;
    async fn read(&self, name: &ScheduleName) -> Result<Read, ScheduleError>;
    /// Writes over what was read (`None`: only if nothing is there). `None` if somebody else wrote meanwhile.
    async fn write(
        &self,
        name: &ScheduleName,
        state: &ScheduleState,
        over: Option<&str>,
    ) -> Result<Option<String>, ScheduleError>;
    /// Why a bucket can't be scanned; `None` if it can.
    async fn look(&self, bucket: &str) -> Result<Option<Why>, ScheduleError>;
    /// All uploads in parts that are neither completed nor aborted.
    async fn open_uploads(&self, scope: &BucketScope) -> Result<Vec<Upload>, ScheduleError>;
    async fn write_selection(&self, job: &JobId, scope_index: u32, selection: &Selection) -> Result<(), ScheduleError>;
    async fn start(&self, job: &JobId, input: &JobInput) -> Result<Started, ScheduleError>;
    async fn execution(&self, job: &JobId) -> Result<Execution, ScheduleError>;
    /// Whether the job's summary says that every object has its row; no summary says no.
    async fn is_complete(&self, job: &JobId) -> Result<bool, ScheduleError>;
}
