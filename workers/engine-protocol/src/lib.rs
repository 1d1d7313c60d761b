//! What passes between an agent and an engine, and the client that starts an engine.
//!
//! The engine is a program of its own (GPL-2.0, it links libclamav); this crate is all that both sides share, under a
//! licence that goes with either. It knows nothing of AWS, of jobs or of libclamav.
//!
//! The major components are:
//!
//! * [`verdict`]: what an engine says about one file.
//! * [`limits`]: what bounds one scan.
//! * [`frame`]: requests, replies and the greeting as bytes, all of bounded size.
//! * [`socket`]: one frame a datagram over a Unix `SOCK_SEQPACKET` socket; the file travels beside it as a descriptor.
//! * [`bundle`]: members on their way from one engine to another.
//! * [`client`] (feature `client`): starts the engine's host process, asks it many things at once, restarts it if it dies.

pub mod bundle;
#[cfg(feature = "client")]
pub mod client;
pub mod frame;
pub mod limits;
pub mod socket;
pub mod verdict;

#[cfg(feature = "client")]
pub use client::{Engine, EngineConfig, Examined, Order, StartError};
pub use frame::{BadFrame, Content, HostFrame, MAX_FRAME_BYTES, Members, Ready, ScanReply, ScanRequest};
pub use limits::Limits;
pub use verdict::{Detection, FailureReason, MAX_FILE_BYTES, ScanVerdict, UnscannableReason};
