//! Lists one bucket or prefix, packs what is in the window into work packets, and enqueues them.
//!
//! The major components are:
//!
//! * [`run()`]: one crawl as Step Functions asks for it: it beats, crawls, and answers its task token.
//! * [`list`] → [`lazaret_model::pack`] → [`enqueue`]: the way of an object. Pages are fetched ahead while packets are sent, through bounded
//!   channels, so that memory does not grow with the bucket.
//! * `census`: what was counted. `archive`: the rows of objects that can't be read, which the crawler writes itself.
//! * [`measure`]: the same crawl without a queue, for `lazaret plan`; [`feed`]: with a queue and without a job, for `lazaret scan`.
//!
//! It sees current versions only, decides nothing about content, and never fetches an object.

mod archive;
mod census;
pub mod config;
mod crawl;
pub mod enqueue;
mod error;
mod feed;
mod heartbeat;
pub mod list;
mod measure;
mod progress;
mod retry;
mod run;

pub use config::{Config, ConfigError};
pub use error::CrawlError;
pub use feed::feed;
pub use lazaret_model::pack::PacketLimits;
pub use measure::measure;
pub use run::{Deps, Ending, run};
