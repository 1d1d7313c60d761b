//! Definitions while an agent runs: the newest published set, tried before it is trusted, and honest about its age.
//!
//! * [`start`]: from settings to the first set in force.
//! * [`scanner`]: the [`Scanner`](crate::Scanner) that the agent has: whichever set is in force, and [`age`]'s word on it.
//! * [`aged`]: one set that is never replaced, with the same word on its age.
//! * [`keep`]: looks for another version, fetches it, loads it beside the first, switches, drains the first.
//! * [`load`]: from a directory to an engine; [`trial`]: what a set must find, and must not.

pub mod age;
pub mod aged;
pub mod keep;
pub mod load;
pub mod scanner;
pub mod start;
#[cfg(test)]
mod testing;
pub mod trial;

pub use aged::AgedScanner;
pub use keep::Keeper;
pub use load::{EngineLoader, Loader};
pub use scanner::DefinitionsScanner;
pub use start::{Place, Upkeep, start};
