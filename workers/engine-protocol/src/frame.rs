//! Requests, replies and the greeting as bytes.
//!
//! JSON, since both sides are of one build, a reply takes microseconds of a scan's milliseconds, and a person can read it
//! in a trace. The encoding is strict: an unknown field, a missing one or an `Infected` without a detection is no frame,
//! and nothing that is no frame is ever read as `Clean`.

use serde::{Deserialize, Serialize};

use crate::verdict::{Detection, MAX_NOTES, ScanVerdict, bounded_notes};

/// One frame at most: a datagram of this size fits the smallest common socket buffer (`wmem_default`, 208 KiB) thrice.
pub const MAX_FRAME_BYTES: usize = 64 << 10;

/// Asks for one scan; the file's descriptor travels beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    /// Chosen by who asks; the reply repeats it.
    pub id: u64,
    /// Bytes of the file. A file of another size is not scanned.
    pub size: u64,
    pub content: Content,
    /// Whether the reply is to bring the members that were seen, as a [`crate::bundle`], for a second engine.
    pub members: bool,
}

/// What the file beside a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// The thing to scan.
    File,
    /// Members that another engine saw, as a [`crate::bundle`]; each is to be scanned, under its own path.
    Bundle,
}

/// The members that an engine saw; the bundle's descriptor travels beside the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Bytes of the bundle.
    pub bytes: u64,
    pub count: u64,
    /// Whether all of them are in it: else it reached its limit.
    pub complete: bool,
}

/// Answers one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanReply {
    pub id: u64,
    pub verdict: ScanVerdict,
    /// What rules say that only note; beside any verdict.
    pub notes: Vec<Detection>,
    /// If they were asked for and there are any.
    pub members: Option<Members>,
    /// From when a worker had the file to when it had the verdict.
    pub milliseconds: u64,
}

/// The host's first frame, once the definitions are loaded and every worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ready {
    pub signatures: u64,
    /// Names the definitions' content: two hosts with the same text scan alike.
    pub definitions_version: String,
    /// When the definitions were built, in seconds since 1970; unknown for sets without ClamAV's own header.
    pub definitions_built_seconds: Option<i64>,
    /// The engine and its version (`ClamAV 1.4.6`).
    pub engine_version: String,
    /// Scans that run at the same time.
    pub workers: usize,
    /// The host's process, for logs.
    pub host_pid: u32,
    /// Steps of the jail that this kernel does not have, and that the engine was told to do without.
    pub jail_missing: Vec<String>,
}

/// All that a host sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostFrame {
    Ready(Ready),
    Reply(ScanReply),
}

/// Bytes that are no frame.
#[derive(Debug, thiserror::Error)]
pub enum BadFrame {
    #[error("a frame of more than {MAX_FRAME_BYTES} bytes")]
    TooLong,
    #[error("not a frame: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an infected verdict without detections, or with too many, or too many notes")]
    Inconsistent,
}

impl ScanRequest {
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and words are always JSON")
    }

    /// # Errors
    /// If the bytes are anything but one request.
    pub fn decode(frame: &[u8]) -> Result<Self, BadFrame> {
        Ok(serde_json::from_slice(bounded(frame)?)?)
    }
}

impl HostFrame {
    /// Always at most [`MAX_FRAME_BYTES`]: verdicts are cut to fit, see [`ScanVerdict::bounded`].
    pub fn encode(self) -> Vec<u8> {
        let frame = match self {
            Self::Reply(reply) => {
                Self::Reply(ScanReply { verdict: reply.verdict.bounded(), notes: bounded_notes(reply.notes), ..reply })
            }
            ready @ Self::Ready(_) => ready,
        };
        serde_json::to_vec(&frame).expect("structs of text and numbers are always JSON")
    }

    /// # Errors
    /// If the bytes are anything but one frame.
    pub fn decode(frame: &[u8]) -> Result<Self, BadFrame> {
        let frame = serde_json::from_slice(bounded(frame)?)?;
        match &frame {
            Self::Reply(reply) if !reply.verdict.is_consistent() || reply.notes.len() > MAX_NOTES => {
                Err(BadFrame::Inconsistent)
            }
            Self::Reply(_) | Self::Ready(_) => Ok(frame),
        }
    }
}

fn bounded(frame: &[u8]) -> Result<&[u8], BadFrame> {
    if frame.len() > MAX_FRAME_BYTES { Err(BadFrame::TooLong) } else { Ok(frame) }
}
