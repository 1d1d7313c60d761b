//! The answer of a task that Step Functions waits for.

use async_trait::async_trait;
use serde_json::Value;

use crate::ServiceError;

/// How Step Functions took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// The execution is no longer waiting for this token: it timed out, was stopped, or another attempt took over.
    /// Whoever hears this stops working.
    NoLongerWaiting,
}

/// One task token. It is read once, held here, and never logged.
#[async_trait]
pub trait TaskCallback: Send + Sync {
    async fn heartbeat(&self) -> Result<Taken, ServiceError>;
    /// At most 256 KiB of JSON.
    async fn succeed(&self, output: &Value) -> Result<Taken, ServiceError>;
    /// `error` is a [`lazaret_model::Failure`]'s name; `cause` is for a person, cut to 32,768 characters.
    async fn fail(&self, error: &str, cause: &str) -> Result<Taken, ServiceError>;
}
