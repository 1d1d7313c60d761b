//! Walks containers: zip, tar, ar, gzip, bzip2, xz and zstd; and says whether they are whole.
//!
//! It runs inside the jail, over hostile bytes: no `unsafe`, memory that is bounded whatever they say, and nothing left out in silence.
//! What a container unpacks to goes to a [`Visitor`], piece by piece; this crate keeps none of it and knows nothing of who scans it.
//!
//! The major components are:
//!
//! * [`kind`]: which container, by its first bytes, or by a zip's last.
//! * [`defect`]: whether one container is whole. For those that libclamav reads itself, but not to the end without saying so.
//! * [`fingerprint`]: by which another reader's members are held against these.
//! * [`foreign`]: what neither libclamav nor this crate can read.
//! * [`walk`]: hands over every member. For those that libclamav can't read, or not wholly.
//! * [`limits`]: how much is read at most, over all containers within one another.
//! * [`unread`]: what was not read, and why.
//! * [`name`]: names of members as text.
//! * [`source`]: where bytes come from.
//!
//! Within it, [`mod@walk`] goes by the kind to [`ar`], [`tar`], [`zip`] or [`unpack`].

mod ar;
mod cursor;
pub mod defect;
pub mod fingerprint;
pub mod foreign;
pub mod kind;
pub mod limits;
pub mod name;
pub mod source;
mod tar;
mod unpack;
pub mod unread;
pub mod walk;
mod zip;

pub use defect::{Checked, check, defect};
pub use fingerprint::Fingerprint;
pub use foreign::foreign;
pub use kind::{Kind, detect};
pub use limits::{Budget, Limits};
pub use name::MemberPath;
pub use source::{FileSource, Section, Source};
pub use unread::{Fault, Unread, UnreadList, UnreadReason};
pub use walk::{Content, Member, Stop, Visitor, WalkError, Walked, walk};
pub use zip::has_zip_member;
