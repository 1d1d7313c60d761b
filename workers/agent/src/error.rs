//! Why an agent ends with an error.

use lazaret_aws::{ServiceError, StoreError};

use crate::policies::PoliciesError;
use crate::record::RecordError;
use crate::scan::EngineGone;

/// Anything that ends the agent with a non-zero exit code. Its packets were given back: no row was made up.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("reading the job's plan")]
    Plan(#[source] StoreError),
    /// No agent runs before the plan is written, and none after the tear-down.
    #[error("the job has no plan")]
    NoPlan,
    #[error("the job's plan can't be read")]
    BadPlan(#[source] serde_json::Error),
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error("receiving packets")]
    Receive(#[source] ServiceError),
    #[error(transparent)]
    Engine(#[from] EngineGone),
    /// The results bucket refuses: no packet would fare better.
    #[error("recording results")]
    Record(#[source] RecordError),
}

/// An error with all its causes, for a log or a row.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
