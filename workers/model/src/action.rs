//! What is done with an object after its verdict, and what came of it.

use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum ActionKind {
    /// Merge the verdict's tags into the object's own.
    Tag,
    /// Copy the pinned version to the quarantine bucket, then delete it.
    Move { to_bucket: String, to_key: String },
    /// Delete the pinned version.
    Delete,
    /// Write the verdict's record and start an execution of `promote-object`, of this name: see [`crate::promotion`].
    Promote { record: String },
}

impl ActionKind {
    /// As reports and announcements spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tag => "Tag",
            Self::Move { .. } => "Move",
            Self::Delete => "Delete",
            Self::Promote { .. } => "Promote",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "why")]
pub enum ActionOutcome {
    /// Recorded before it was begun: a redelivered packet takes it up here.
    Pending,
    Done,
    /// The version is no longer there: overwritten or deleted since it was scanned. Nothing was touched.
    Gone,
    /// It could not be done, and the object stands where it stood; or it was done and something is left that a person must
    /// look at (an older version of the key came up). The text says which.
    Failed(String),
}

/// An action and its outcome, as a row carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    #[serde(flatten)]
    pub kind: ActionKind,
    #[serde(flatten)]
    pub outcome: ActionOutcome,
}

impl Action {
    pub fn pending(kind: ActionKind) -> Self {
        Self { kind, outcome: ActionOutcome::Pending }
    }
}
