//! Definitions as immutable versions in S3: published once, fetched with a digest check.
//!
//! The major components are:
//!
//! * [`set`]: a directory's files with their digests, and the version that follows from them.
//! * [`publish`]: files, then the manifest, then the pointer, each under a condition.
//! * [`published`]: what is there, which version is in force, and another one put in its place.
//! * [`fetch`]: a version onto a disk, whole or not at all.
//!
//! It decides nothing about age, and loads nothing: whoever scans does.

mod digest;
pub mod error;
pub mod fetch;
pub mod header;
pub mod publish;
pub mod published;
pub mod set;
#[cfg(test)]
mod testing;

pub use error::DefinitionsError;
pub use fetch::fetch;
pub use publish::{Published, Tried, publish};
pub use published::{Current, Move, current, list, pointer, read_manifest, switch_to};
pub use set::DefinitionsSet;
