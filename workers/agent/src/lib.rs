//! The agent: *receive, fetch, scan, decide, record, act, confirm, delete the message*.
//!
//! The major components are:
//!
//! * [`run`]: the sentence above, for several packets at once, from the start of an agent to its end.
//! * [`receive`], [`lease`]: packets of the plan, and their messages while they are worked on.
//! * [`inspect`]: [`fetch`] (pinned), [`scan`] and [`decide`] for each object of a packet, bounded in number and in bytes ([`spool`]).
//! * [`record`], [`merge`]: a packet's part in S3, which only gains truth.
//! * [`confirm`]: does what the rows say (`lazaret-actions`), and writes the part once more.
//! * [`engine`]: the engine's client as a [`Scanner`]; [`definitions`]: the newest published set in it, switched while it works;
//!   [`rules`]: the owner's own, in a second engine; [`cache`]: what was said of the same bytes before.
//! * [`assemble`]: all of these, one over the other, as the scanner that an agent has.
//! * [`policies`], [`progress`], [`metrics`], [`retry`], [`config`]: what the verbs need.
//!
//! It parses no object: bytes go to the engine by file descriptor. It makes no row up: what an agent can't find out it gives
//! back, and every step is safe to do twice.

pub mod assemble;
pub mod cache;
pub mod config;
pub mod confirm;
pub mod decide;
pub mod definitions;
pub mod engine;
pub mod error;
pub mod fetch;
pub mod inspect;
pub mod lease;
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
#[cfg(test)]
mod testing;

pub use assemble::{Assembly, Layers};
pub use config::{Config, Environment};
pub use error::AgentError;
pub use metrics::Metrics;
pub use run::{Deps, run};
pub use scan::{Content, EngineGone, Scanned, Scanner};
