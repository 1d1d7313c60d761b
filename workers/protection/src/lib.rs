//! Protects buckets: from then on their new objects are scanned as they arrive.
//!
//! A protection is two things, a policy in `settings/policies.json` and rules in the bucket's notification configuration, and, once,
//! a job over what was there before.
//!
//! * [`site`]: what a protection needs of the deployment.
//! * [`filter`], [`merge`]: our rules among a bucket's others. Pure.
//! * [`policies`]: one bucket's policy among the others.
//! * [`check`]: what keeps a bucket from being protected, or from promoting to another.
//! * [`protect`], [`unprotect`], [`activation`]: the steps, in an order in which a failure leaves no object unscanned in silence.
//! * [`status`], [`waiting`]: what of it is still so.
//! * [`tag`], [`reconcile`]: protection by a tag on the bucket.
//!
//! It scans nothing, and never touches an object.

pub mod activation;
pub mod check;
pub mod error;
pub mod filter;
pub mod merge;
pub mod policies;
pub mod protect;
pub mod reconcile;
pub mod site;
pub mod status;
pub mod tag;
pub mod unprotect;
pub mod waiting;

pub use error::ProtectError;
pub use protect::{Flow, Protected, Wish, protect};
pub use site::{Site, TopicArn};
pub use unprotect::{Unprotected, unprotect};
