//! The error names that Step Functions sees. The state machine's Retry and Catch name these and no others of ours;
//! a test in `cdk/` holds the ASL to this list through `tests/fixtures/contracts/failures.json`.

use serde::{Deserialize, Serialize};

/// Why a step of a job failed. The `Display` text is the name, as `Catch` and `Retry` spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// The job's input can't be what was meant; nothing was created.
    #[serde(rename = "Lazaret.BadInput")]
    BadInput,
    /// A bucket of the input does not exist.
    #[serde(rename = "Lazaret.BucketNotFound")]
    BucketNotFound,
    /// A bucket of the input may not be listed by this deployment.
    #[serde(rename = "Lazaret.AccessDenied")]
    AccessDenied,
    /// An on-demand job matched no object at all.
    #[serde(rename = "Lazaret.NothingToScan")]
    NothingToScan,
    /// The job's estimate is above its limit in dollars; nothing was scanned.
    #[serde(rename = "Lazaret.OverBudget")]
    OverBudget,
    /// A worker failed in a way that another attempt may not (throttling, a network that went away).
    #[serde(rename = "Lazaret.Transient")]
    Transient,
    /// A worker failed in a way that another attempt would repeat.
    #[serde(rename = "Lazaret.Permanent")]
    Permanent,
    /// The rows of the report do not add up to what was crawled.
    #[serde(rename = "Lazaret.Incomplete")]
    Incomplete,
    /// A promotion was asked for that no agent's verdict stands behind.
    #[serde(rename = "Lazaret.Untrusted")]
    Untrusted,
}

impl Failure {
    /// Every name, in the order above.
    pub const ALL: [Self; 9] = [
        Self::BadInput,
        Self::BucketNotFound,
        Self::AccessDenied,
        Self::NothingToScan,
        Self::OverBudget,
        Self::Transient,
        Self::Permanent,
        Self::Incomplete,
        Self::Untrusted,
    ];

    /// The name that Step Functions sees.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadInput => "Lazaret.BadInput",
            Self::BucketNotFound => "Lazaret.BucketNotFound",
            Self::AccessDenied => "Lazaret.AccessDenied",
            Self::NothingToScan => "Lazaret.NothingToScan",
            Self::OverBudget => "Lazaret.OverBudget",
            Self::Transient => "Lazaret.Transient",
            Self::Permanent => "Lazaret.Permanent",
            Self::Incomplete => "Lazaret.Incomplete",
            Self::Untrusted => "Lazaret.Untrusted",
        }
    }

    /// Whether Step Functions should run the step again.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Transient)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
