//! The Lambda functions: one binary, one file a function.
//!
//! Of the retro job, in the order in which a job meets them:
//!
//! * [`check_input`]: is this a job, and can its buckets be listed?
//! * [`size_fleet`]: how many agents, and the plan that says which crawls count.
//! * [`check_drain`]: has every packet its part, and if not, what next?
//! * [`report`]: totals, the proof of completeness, and the page.
//! * [`tear_down`]: leave nothing behind.
//!
//! Of the flow of events:
//!
//! * [`promote`]: takes a version out of a staging bucket, as its verdict says.
//! * [`watch_staging`]: what has been waiting there too long?
//! * [`protect_tagged`]: protects buckets whose tag asks for it.
//!
//! Of schedules:
//!
//! * [`start_scheduled`]: starts a run when it is due, and learns how it ended.
//!
//! Of definitions:
//!
//! * [`watch_definitions`]: how old are the ones in force?
//!
//! Each is a struct of what it needs with a `handle`, so that a test drives it over in-memory fakes. [`function`] chooses
//! one by its name, [`config`] reads the environment, [`error`] has the names that Step Functions sees, [`work`] reads the
//! job's plan and the objects that lie in `work/`, [`calibrate`] keeps what finished jobs measured for the next.

pub mod calibrate;
pub mod check_drain;
pub mod check_input;
pub mod config;
pub mod error;
pub mod function;
pub mod input;
pub mod parts;
pub mod promote;
pub mod protect_tagged;
pub mod report;
pub mod size_fleet;
pub mod start_scheduled;
pub mod tear_down;
mod told;
pub mod watch_definitions;
pub mod watch_staging;
pub mod work;

pub use error::FunctionError;
pub use function::Function;
