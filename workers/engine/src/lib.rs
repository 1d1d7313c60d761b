//! The engine: parses hostile bytes with libclamav, in processes that may die.
//!
//! The host process, its jailed workers and the scratch directories are `lazaret-engine-host`'s; here is what they do to a file.
//!
//! The major components are:
//!
//! * [`backend`]: libclamav as the host's engine.
//! * [`definitions`]: what it loads, and when it refuses to start.
//! * [`libclamav`]: the wrapper around the C library; all it says about a file becomes an [`observation`].
//! * [`verdict`]: what an observation means; the only place that says `Clean`.
//! * [`gzip`]: whether such a file is whole, which libclamav does not say.

pub mod backend;
pub mod definitions;
pub mod gzip;
pub mod libclamav;
pub mod member;
pub mod observation;
pub mod verdict;
