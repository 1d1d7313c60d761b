//! The verdict API: `POST` a file, get a verdict before it is stored anywhere.
//!
//! The major components are:
//!
//! * [`serve`], [`run`]: connections within bounds, and an end without a lost request.
//! * [`routes`]: one file each; [`answer`], [`problem`]: their words on the wire; [`schema`], [`describe`], [`page`]: the document of all,
//!   for programs and for a person.
//! * [`tokens`], [`users`]: who may call, by a token of the user pool, and how he gets one; [`address`]: where he calls from.
//! * [`receive`]: from a body to files, by way of [`pace`] (no slower), [`multipart`] (forms) and [`hold`] (memory, disk, and no more).
//! * [`admission`], [`judge`]: a bounded queue, the engine, and what the owner allows.
//! * [`upload`]: a clean file is stored; [`jobs`]: answers that are fetched later.
//! * [`engine`]: the agent's own scanner, jail and all; [`standing`]: whether there is still one.
//! * [`metrics`]: what CloudWatch is told.
//! * [`app`], [`config`], [`web`]: what they share.
//!
//! It parses no file: bytes go to the engine by descriptor. It keeps no file either, unless it was asked to store a clean one.

pub mod address;
pub mod admission;
pub mod answer;
pub mod app;
pub mod config;
pub mod describe;
pub mod engine;
pub mod hold;
pub mod jobs;
pub mod judge;
pub mod metrics;
pub mod multipart;
pub mod pace;
pub mod page;
pub mod problem;
pub mod receive;
pub mod routes;
pub mod run;
pub mod schema;
pub mod serve;
pub mod standing;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod upload;
pub mod users;

pub use app::{App, Ports};
pub use config::Config;
pub use lazaret_aws::web;
pub use run::run;
