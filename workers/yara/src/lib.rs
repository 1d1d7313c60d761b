//! The owner's own rules: YARA-X, in a program of its own.
//!
//! The host process and its jailed workers are `lazaret-engine-host`'s, the frames `lazaret-engine-protocol`'s; here is what the rules
//! say of a file. It never links libclamav: it has Apache-2.0 code in it, which does not go with GPL-2.0.
//!
//! The major components are:
//!
//! * [`rules`]: reads and compiles them, or says which line is wrong.
//! * [`severity`]: what a rule that matches means.
//! * [`backend`]: YARA-X as the host's engine; [`content`]: the bytes it looks at; [`findings`]: what it found.

pub mod backend;
pub mod content;
pub mod findings;
pub mod rules;
pub mod severity;
