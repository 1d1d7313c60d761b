//! The engine: parses hostile bytes with libclamav, in processes that may die.
//!
//! Three kinds of process. The *agent* starts the *host* and speaks to it over a socket on the host's descriptor 0. The host
//! loads the definitions once, has no other connection, and forks *workers*, which share the loaded definitions and scan
//! one file at a time. What a file does to its worker costs that file's verdict and some milliseconds.
//!
//! The major components are:
//!
//! * [`arguments`]: how the host is started; [`definitions`]: what it loads, and when it refuses to start.
//! * [`libclamav`]: the wrapper around the C library; all it says about a file becomes an [`observation`].
//! * [`verdict`]: what an observation means; the only place that says `Clean`.
//! * [`host`]: the poll loop, over the agent's socket and the workers'.
//! * [`worker`]: the scanning process; [`process`]: fork, limits, signals; [`mapping`]: a file's bytes in memory.
//! * [`gzip`]: whether such a file is whole, which libclamav does not say.
//! * [`scratch`]: the directories that libclamav unpacks into.
//!
//! It knows nothing of AWS, HTTP or async. Not here yet: the jail (landlock, seccomp), and a walker of containers of our own.

pub mod arguments;
pub mod definitions;
pub mod gzip;
pub mod host;
pub mod libclamav;
pub mod mapping;
pub mod member;
pub mod observation;
pub mod process;
pub mod scratch;
pub mod verdict;
pub mod worker;
