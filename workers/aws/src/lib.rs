//! What the workers need of AWS, as small ports, with an adapter over the SDK and an in-memory fake for each.
//!
//! * [`objects`]: S3, pinned to exact versions ([`ObjectStore`]).
//! * [`buckets`]: buckets' own settings ([`Buckets`]).
//! * [`uploads`]: what is being uploaded in parts ([`Uploads`]).
//! * [`scheduler`]: EventBridge Scheduler ([`Scheduler`]).
//! * [`queue`]: one SQS queue ([`Queue`]).
//! * [`token`]: the task token of a Step Functions callback ([`TaskCallback`]).
//! * [`tasks`]: the ECS tasks of a job ([`TaskFleet`]).
//! * [`executions`]: executions of a state machine ([`Executions`]).
//! * [`announce`]: SNS and EventBridge ([`Topic`], [`EventBus`]); [`topics`]: which topics there are ([`Topics`]).
//! * [`users`]: the users of a Cognito user pool, as their administrator sees them ([`UserPools`], [`UserPool`]).
//! * [`web`]: HTTP without the SDK, for what it has no crate here.
//! * [`backoff`]: how to try again, where a caller wants more than the SDK's own tries.
//! * [`logs`]: the log of every program, a line of JSON an event; [`trace`]: segments of traces, for X-Ray.
//! * [`memory`]: a queue within one process.
//! * [`sdk`]: the adapters; [`fake`]: the fakes, and a wrapper that fails on purpose.
//!
//! It decides nothing: retries inside one call are the SDK's, everything else is the caller's.

pub mod announce;
pub mod backoff;
pub mod buckets;
pub mod executions;
pub mod fake;
pub mod logs;
pub mod memory;
mod null_version;
pub mod objects;
pub mod queue;
pub mod scheduler;
pub mod sdk;
mod tagging;
pub mod tasks;
pub mod token;
pub mod topics;
pub mod trace;
pub mod uploads;
pub mod users;
pub mod web;

pub use announce::{EventBus, Topic};
pub use backoff::Backoff;
pub use buckets::Buckets;
pub use executions::Executions;
pub use memory::MemoryQueue;
pub use objects::{ObjectStore, StoreError};
pub use queue::Queue;
pub use scheduler::Scheduler;
pub use tasks::TaskFleet;
pub use token::TaskCallback;
pub use topics::Topics;
pub use uploads::Uploads;
pub use users::{UserPool, UserPools};

/// Any failure of a service that no caller tells apart, with what the service said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ServiceError {
    /// The API's operation, `SendMessageBatch`.
    pub operation: &'static str,
    /// The service's own words, never a credential or token.
    pub message: String,
    /// Throttling, time-outs and 5xx: another attempt may do.
    pub retryable: bool,
    /// The thing that was asked about does not exist (any more).
    pub not_found: bool,
}
