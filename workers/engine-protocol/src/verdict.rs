//! What an engine says about one file.

use serde::{Deserialize, Serialize};

/// The largest file an engine takes: libclamav clamps its limit to this, and above 4 GiB a scan may never end.
pub const MAX_FILE_BYTES: u64 = (2 << 30) - 3;

/// Detections that a reply carries at most; those beyond are counted in `omitted`.
pub const MAX_DETECTIONS: usize = 1_000;

/// Bytes of a member's path; S3 itself takes keys of 1,024.
pub const MAX_MEMBER_BYTES: usize = 1_024;

/// Bytes of a signature's or an engine's name; the longest in ClamAV's main set has 87.
pub const MAX_NAME_BYTES: usize = 256;

/// Bytes of the text beside a reason.
pub const MAX_DETAIL_BYTES: usize = 2_048;

/// Notes that a reply carries at most; those beyond are dropped: they decide nothing.
pub const MAX_NOTES: usize = 100;

/// Bytes that the detections of one reply take as JSON; the rest of the frame is for the notes and all else in it.
const DETECTIONS_BUDGET_BYTES: usize = 40 << 10;
const NOTES_BUDGET_BYTES: usize = 8 << 10;

/// One detection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// The path inside an archive, escaped; empty for the file itself.
    pub member: String,
    /// The signature's name.
    pub threat: String,
    /// Which engine found it (`clamav`).
    pub engine: String,
}

/// Why a file could not be read to its end, though nothing went wrong. The detail beside it names the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnscannableReason {
    /// A limit of the engine (size, members, depth, expansion) was reached.
    #[serde(rename = "limits exceeded")]
    LimitsExceeded,
    /// The file, or a member of it, is encrypted.
    #[serde(rename = "encrypted")]
    Encrypted,
    /// Larger than a limit; or no container and larger than [`MAX_FILE_BYTES`], and so only looked at in pieces.
    #[serde(rename = "too large")]
    TooLarge,
    /// Packed in a way that no part of the engine reads.
    #[serde(rename = "unsupported")]
    Unsupported,
    /// A container is damaged or truncated: some content was never read.
    #[serde(rename = "incomplete container")]
    Incomplete,
}

impl UnscannableReason {
    pub const ALL: &'static [Self] =
        &[Self::LimitsExceeded, Self::Encrypted, Self::TooLarge, Self::Unsupported, Self::Incomplete];

    /// The stable text, the same as in reports.
    pub const fn text(self) -> &'static str {
        match self {
            Self::LimitsExceeded => "limits exceeded",
            Self::Encrypted => "encrypted",
            Self::TooLarge => "too large",
            Self::Unsupported => "unsupported",
            Self::Incomplete => "incomplete container",
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// The process that parsed the file died, or its host did.
    #[serde(rename = "engine crashed")]
    EngineCrashed,
    /// The engine was killed because the scan took longer than allowed.
    #[serde(rename = "engine timeout")]
    EngineTimeout,
    /// The engine answered with an error of its own.
    #[serde(rename = "engine failed")]
    EngineFailed,
}

impl FailureReason {
    pub const ALL: &'static [Self] = &[Self::EngineCrashed, Self::EngineTimeout, Self::EngineFailed];

    /// The stable text, the same as in reports.
    pub const fn text(self) -> &'static str {
        match self {
            Self::EngineCrashed => "engine crashed",
            Self::EngineTimeout => "engine timeout",
            Self::EngineFailed => "engine failed",
        }
    }
}

/// What was found out about one file. `Clean` means: wholly scanned, nothing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ScanVerdict {
    Clean,
    Infected {
        /// At least one; at most [`MAX_DETECTIONS`].
        detections: Vec<Detection>,
        /// How many more there were than the reply could carry.
        omitted: u64,
    },
    Unscannable {
        reason: UnscannableReason,
        detail: String,
    },
    Failed {
        reason: FailureReason,
        detail: String,
    },
}

impl ScanVerdict {
    pub fn unscannable(reason: UnscannableReason, detail: impl Into<String>) -> Self {
        Self::Unscannable { reason, detail: detail.into() }
    }

    pub fn failed(reason: FailureReason, detail: impl Into<String>) -> Self {
        Self::Failed { reason, detail: detail.into() }
    }

    /// Cut so that it fits in a frame. What is cut is marked (`…`) or counted (`omitted`); an `Infected` stays one.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Clean => Self::Clean,
            Self::Infected { detections, omitted } => {
                let found = detections.len();
                let kept = bounded_list(detections, MAX_DETECTIONS, DETECTIONS_BUDGET_BYTES);
                let cut = u64::try_from(found - kept.len()).unwrap_or(u64::MAX);
                Self::Infected { detections: kept, omitted: omitted.saturating_add(cut) }
            }
            Self::Unscannable { reason, detail } => Self::Unscannable { reason, detail: cut(detail, MAX_DETAIL_BYTES) },
            Self::Failed { reason, detail } => Self::Failed { reason, detail: cut(detail, MAX_DETAIL_BYTES) },
        }
    }

    /// Whether it says one thing only: an `Infected` names at least one detection.
    pub(crate) fn is_consistent(&self) -> bool {
        match self {
            Self::Infected { detections, .. } => !detections.is_empty() && detections.len() <= MAX_DETECTIONS,
            Self::Clean | Self::Unscannable { .. } | Self::Failed { .. } => true,
        }
    }
}

impl Detection {
    fn bounded(self) -> Self {
        Self {
            member: cut(self.member, MAX_MEMBER_BYTES),
            threat: cut(self.threat, MAX_NAME_BYTES),
            engine: cut(self.engine, MAX_NAME_BYTES),
        }
    }
}

/// The first of them that fit, each cut to its own bounds.
fn bounded_list(detections: Vec<Detection>, most: usize, mut budget_bytes: usize) -> Vec<Detection> {
    let mut kept = Vec::with_capacity(detections.len().min(most));
    for detection in detections.into_iter().take(most) {
        let detection = detection.bounded();
        let bytes = json_bytes(&detection) + 1;
        if bytes > budget_bytes {
            break;
        }
        budget_bytes -= bytes;
        kept.push(detection);
    }
    kept
}

pub(crate) fn bounded_notes(notes: Vec<Detection>) -> Vec<Detection> {
    bounded_list(notes, MAX_NOTES, NOTES_BUDGET_BYTES)
}

/// What the text takes as JSON, where a control character becomes six bytes.
fn json_bytes(detection: &Detection) -> usize {
    serde_json::to_vec(detection).map_or(usize::MAX - 1, |json| json.len())
}

/// The text, or its beginning and `…` if it has more than `most` bytes.
fn cut(mut text: String, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len()));
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_written_as_their_text() {
        for reason in UnscannableReason::ALL {
            assert_eq!(serde_json::to_string(reason).expect("a string"), format!("{:?}", reason.text()));
        }
        for reason in FailureReason::ALL {
            assert_eq!(serde_json::to_string(reason).expect("a string"), format!("{:?}", reason.text()));
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_stays_infected() {
        let detection =
            Detection { member: "\u{1}".repeat(5_000), threat: "T".repeat(5_000), engine: "clamav".to_owned() };
        let verdict = ScanVerdict::Infected { detections: vec![detection; 3_000], omitted: 4 }.bounded();
        let ScanVerdict::Infected { detections, omitted } = verdict else { panic!("{verdict:?}") };
        assert!(!detections.is_empty());
        assert_eq!(detections.len() as u64 + omitted, 3_004);
        assert!(detections[0].member.ends_with('…') && detections[0].member.len() <= MAX_MEMBER_BYTES);
    }
}
