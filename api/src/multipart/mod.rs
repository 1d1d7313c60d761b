//! Forms with files (`multipart/form-data`, RFC 7578), read as they come in.
//!
//! * [`boundary`]: what a request's head says.
//! * [`parts`]: bytes in; heads of parts, pieces of their bodies, and the end out.
//! * [`head`]: what a part says of itself, the file's name above all.
//!
//! It holds at most a part's head and one piece. What it can't read for certain it refuses: a file that is not seen as one would go by
//! unscanned.

pub mod boundary;
pub mod head;
pub mod parts;

pub use boundary::boundary;
pub use head::PartHead;
pub use parts::{Event, Parts};

/// A form that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the boundary of the form is missing or none")]
    Boundary,
    #[error("the form does not begin with its boundary")]
    Begin,
    #[error("the form ends before its last boundary")]
    Truncated,
    #[error("a boundary of the form runs on")]
    Delimiter,
    #[error("a part of the form has more headers than are read")]
    HeadTooLarge,
    #[error("a part of the form has a header that can't be read")]
    Head,
    #[error("a part of the form says twice what it is")]
    Ambiguous,
    #[error("a part of the form is encoded or has parts of its own: send files as they are")]
    Encoded,
}
