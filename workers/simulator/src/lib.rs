//! A whole job against a model of AWS: discrete events, packet by packet, with the sizing, the packing and the drain loop's decisions
//! that real jobs are run by.
//!
//! The major components are:
//!
//! * [`scenario`]: a bucket, an account and a target. [`cloud`]: how fast and how evenly AWS and an agent work.
//! * [`pack`]: objects into packets, by the crawler's own packer. [`crawl`]: when the last page is listed.
//! * [`launch`]: `RunTask` under throttling and a quota, in the state machine's order. [`fleet`]: the agents, and the drain loop.
//! * [`job`]: all of it, from the begin to the tear-down. [`table`]: the tables of `docs/scale.md`; [`cost`]: that
//!   of `docs/cost.md`.
//!
//! What it does not model: what is in the objects, Lambda's and SQS's own limits, and S3's splitting of a partition under load. Its
//! constants are in [`cloud`], each with its source. The same seed gives the same job.

pub mod cloud;
pub mod cost;
pub mod crawl;
pub mod fleet;
pub mod job;
pub mod launch;
pub mod pack;
pub mod random;
pub mod scenario;
pub mod table;

pub use cloud::Cloud;
pub use job::{Outcome, run};
pub use scenario::{Bucket, Scenario, Sizes};
