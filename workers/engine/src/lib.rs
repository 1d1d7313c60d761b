//! The engine: parses hostile bytes with libclamav, in processes that may die.
//!
//! The host process, its jailed workers and the scratch directories are `lazaret-engine-host`'s; here is what they do to a file.
//!
//! The major components are:
//!
//! * [`backend`]: libclamav as the host's engine; [`definitions`]: what it loads, and when it refuses to start.
//! * [`examination`]: one file from end to end: libclamav first, then a walk of ours over what it left unread.
//! * [`libclamav`]: the wrapper around the C library. What it says goes to a [`watch`], which looks over each [`layer`] (is it
//!   whole, within the limits of the [`meter`]?) and keeps the [`observation`].
//! * [`verdict`]: what was seen, [`findings`] and [`problem`]s, as a verdict; the only place that says `Clean`.
//! * [`warm_up`]: what would be loaded on first use, loaded before the jail closes.
//! * [`part`], [`region`], [`spool`], [`bundle`]: bytes in a file, in memory, on the disk, and for a second engine.

pub mod backend;
pub mod bundle;
pub mod definitions;
pub mod examination;
pub mod findings;
pub mod huge_pages;
pub mod layer;
pub mod libclamav;
pub mod meter;
pub mod observation;
pub mod part;
pub mod problem;
pub mod region;
pub mod spool;
pub mod verdict;
pub mod warm_up;
pub mod watch;
