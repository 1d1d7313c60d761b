//! The agent: *receive, fetch, scan, decide, record, act, confirm, delete the message*.
//!
//! The major components are:
//!
//! * [`run`]: the sentence above for the packets of a job, several at once; [`events`]: the same, with *announce* in place of *record*,
//!   for new objects of protected buckets. [`life`]: from the start of either to its end.
//! * [`receive`], [`lease`]: packets of the plan, and messages while they are worked on.
//! * [`inspect`]: [`fetch`] (pinned), [`scan`] and [`decide`] for each object, bounded in number and in bytes ([`spool`]).
//! * [`record`], [`merge`]: a packet's part in S3, which only gains truth.
//! * [`act`]: does what the rows say (`lazaret-actions`); [`confirm`]: writes the part once more.
//! * [`engine`]: the engine's client as a [`Scanner`]; [`definitions`]: the newest published set in it, switched while it works;
//!   [`rules`]: the owner's own, in a second engine; [`cache`]: what was said of the same bytes before.
//! * [`assemble`]: all of these, one over the other, as the scanner that an agent has.
//! * [`policies`], [`progress`], [`metrics`] and [`tally`], [`retry`], [`config`]: what the verbs need.
//!
//! It parses no object: bytes go to the engine by file descriptor. It makes no row up: what an agent can't find out it gives
//! back, and every step is safe to do twice.

pub mod act;
pub mod assemble;
pub mod cache;
pub mod config;
pub mod confirm;
pub mod decide;
pub mod definitions;
pub mod engine;
pub mod error;
pub mod events;
pub mod fetch;
pub mod inspect;
pub mod lease;
pub mod life;
pub mod merge;
pub mod metrics;
pub mod policies;
pub mod progress;
pub mod receive;
pub mod record;
pub mod retry;
pub mod rules;
pub mod run;
pub mod scan;
pub mod spool;
pub mod tally;
#[cfg(test)]
mod testing;

pub use assemble::{Assembly, Layers};
pub use config::Environment;
pub use error::AgentError;
pub use events::{EventDeps, serve};
pub use metrics::Metrics;
pub use run::{Deps, run};
pub use scan::{Content, EngineGone, Scanned, Scanner};
