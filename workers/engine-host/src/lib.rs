//! The host of an engine: loads once, forks jailed workers, answers an agent. It knows neither libclamav nor YARA-X.
//!
//! Three kinds of process. The *agent* starts the *host* and speaks to it over a socket on the host's descriptor 0. The host
//! loads what its [`Backend`] needs, has no other connection, and forks *workers*, which share what was loaded and scan one
//! file at a time. What a file does to its worker costs that file's verdict and some milliseconds.
//!
//! The major components are:
//!
//! * [`backend`]: what an engine implements.
//! * [`arguments`]: how the host is started.
//! * [`host`]: the poll loop, over the agent's socket and the workers'; who scans what, and what happens when one dies.
//! * [`worker`]: the scanning process; [`jail`]: what it may do; [`process`]: fork, signals, descriptors.
//! * [`scratch`]: the directories that workers unpack into; [`mapping`]: a file's bytes in memory.
//!
//! It knows nothing of AWS, HTTP or async.

pub mod arguments;
pub mod backend;
pub mod host;
pub mod jail;
pub mod mapping;
pub mod process;
pub mod scratch;
pub mod worker;

pub use arguments::Arguments;
pub use backend::{Backend, Finished, Loaded};
pub use host::{HostError, run};
