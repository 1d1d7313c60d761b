//! Schedules: when EventBridge Scheduler calls, what does this run scan, and how far have the complete ones come?
//!
//! * [`name`], [`definition`]: what its owner asked for; [`every`]: `daily` as Scheduler spells it.
//! * [`state`]: the marks of complete runs, and the run that is under way: one object in S3, written under conditions.
//! * [`start()`]: claims a run and starts its job. [`settle()`]: learns how it ended.
//! * [`world`]: the port to all of that; [`aws`]: S3 and Step Functions behind it.
//!
//! All times are S3's own. It scans nothing and lists no objects: a run is a job, and what the job matches is a
//! [`lazaret_model::Selection`]. `docs/schedules.md` has the rules, and why they leave no gap.

pub mod aws;
pub mod definition;
pub mod error;
pub mod every;
pub mod name;
mod settle;
mod start;
pub mod state;
pub mod world;

pub use definition::{Call, Definition, Overlap, Takes};
pub use error::ScheduleError;
pub use name::ScheduleName;
pub use settle::settle;
pub use start::{Due, Outcome, start};
pub use state::ScheduleState;
pub use world::World;
