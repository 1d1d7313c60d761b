//! Executions of a state machine.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::ServiceError;

/// Step Functions' own states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionStatus {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

/// One execution.
#[derive(Debug, Clone)]
pub struct Execution {
    pub name: String,
    pub arn: String,
    pub status: ExecutionStatus,
    pub started_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
    /// Not in a listing.
    pub input: Option<Value>,
    /// Only of one that succeeded, and not in a listing.
    pub output: Option<Value>,
    /// Name and cause of a failure, not in a listing.
    pub error: Option<(String, String)>,
}

/// What came of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The execution's ARN. Also the answer where the same start was made before and still runs.
    New(String),
    /// An execution of that name runs with another input, or has ended.
    Exists,
}

/// The state machine.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Starts an execution unless there is one of that name. An Express machine never says `Exists`.
    async fn start_once(&self, name: &str, input: &Value) -> Result<Started, ServiceError>;
    /// Starts an execution; one of that name is an error. Returns its ARN.
    async fn start(&self, name: &str, input: &Value) -> Result<String, ServiceError>;
    /// `None` if there is none of that name.
    async fn describe(&self, name: &str) -> Result<Option<Execution>, ServiceError>;
    /// The newest first, at most `limit`.
    async fn list(&self, limit: usize) -> Result<Vec<Execution>, ServiceError>;
    async fn stop(&self, name: &str, error: &str, cause: &str) -> Result<(), ServiceError>;
    /// The name of the state that was entered last, for a person who watches; `None` before the first.
    async fn current_state(&self, name: &str) -> Result<Option<String>, ServiceError>;
}
