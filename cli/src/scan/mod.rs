//! `lazaret scan`: files, folders and buckets through the engine of the agents, with nothing deployed.
//!
//! * [`target`]: what the arguments name.
//! * [`engine`]: the engine's process on this machine, with its definitions, from its start to its end.
//! * [`walk`] → [`intake`] → [`files`]: the way of a file. [`bucket`]: the way of an object, through the crawler and the agent.
//! * [`examined`]: what came of one of them, as text and as JSON; [`tally`]: what came of all, and the exit code.
//! * [`screen`]: both streams, and the spinner.
//!
//! It changes nothing: no tags, no moves, not a byte written but to a scratch directory that goes with it.

pub mod bucket;
pub mod engine;
pub mod examined;
pub mod files;
pub mod intake;
pub mod screen;
pub mod tally;
pub mod target;
pub mod walk;
