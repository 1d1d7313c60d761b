//! What is done with an object after its verdict. Every step is pinned to the version that was scanned, and safe to repeat.
//!
//! * [`act`]: does what a row says is to be done; [`error`]: why it could not.
//! * [`tag`], [`quarantine`], [`delete`]: the actions themselves.
//! * [`promote`]: copies a version to production and takes it out of staging.
//! * [`promotion`]: hands a verdict in a staging bucket over to the state machine `promote-object`.
//! * [`uncover`]: what comes up behind a version that was deleted.
//! * [`restore`]: puts what is in quarantine back, or deletes it, on its owner's word.
//! * [`retry`]: how often S3 is tried.
//!
//! It decides nothing: the policy has decided, and the row says it. Agents, the function `promote` and `lazaret quarantine` use it.

pub mod act;
pub mod delete;
pub mod error;
pub mod promote;
pub mod promotion;
pub mod quarantine;
pub mod restore;
pub mod retry;
pub mod tag;
pub mod uncover;

pub use act::{Actor, act, give_up};
pub use error::{ActError, PromoteError};
