//! The ECS tasks of a job: those whose `startedBy` is the job's id.

use async_trait::async_trait;

use crate::ServiceError;

/// A task that is not stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    pub arn: String,
    /// The family of its task definition, `lazaret-agent`. Empty if ECS lists the task and can't describe it yet: it may be
    /// of any family.
    pub family: String,
}

/// One ECS cluster.
#[async_trait]
pub trait TaskFleet: Send + Sync {
    /// Tasks of the job that are meant to run (pending, starting or running).
    async fn running(&self, job_id: &str) -> Result<Vec<RunningTask>, ServiceError>;

    /// Asks a task to stop: SIGTERM, then SIGKILL after its stop time-out. A task that is gone is no error.
    async fn stop(&self, arn: &str, reason: &str) -> Result<(), ServiceError>;

    /// Of these tasks, which were asked to stop, how many are not yet stopped. One that ECS forgot is.
    async fn not_stopped(&self, arns: &[String]) -> Result<usize, ServiceError>;
}
