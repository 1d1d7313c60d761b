//! Unpacks bytes that are packed in any of the ways that containers use, as they come.
//!
//! * [`engine`]: the decoders of other crates behind one function.
//! * [`gzip`], [`zstd`]: what these formats put around their data.
//! * [`stream`]: one stream, or all that follow one another, as one.

mod engine;
pub(crate) mod gzip;
pub(crate) mod stream;
pub(crate) mod zstd;

pub(crate) use stream::{Packing, Stream};
