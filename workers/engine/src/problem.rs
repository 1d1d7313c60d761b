//! Why a file is not clean, malware aside.

use lazaret_engine_protocol::UnscannableReason;
use lazaret_walker::UnreadReason;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The engine failed; the text says how.
    Failed(String),
    /// Something was not read; the text names it.
    Unscannable(UnscannableReason, String),
}

impl Problem {
    /// Something at `path` was not read. Of what is encrypted the path says it all.
    pub fn unread(reason: UnscannableReason, path: &str, why: &str) -> Self {
        let text = match (reason, path) {
            (UnscannableReason::Encrypted, path) => path.to_owned(),
            (_, "") => why.to_owned(),
            (_, path) => format!("{path}: {why}"),
        };
        Self::Unscannable(reason, text)
    }

    /// Of several problems of a file the one with the lowest rank is its verdict: the one that says most about why.
    pub fn rank(&self) -> usize {
        match self {
            Self::Failed(_) => 0,
            Self::Unscannable(reason, _) => match reason {
                UnscannableReason::LimitsExceeded => 1,
                UnscannableReason::Encrypted => 2,
                UnscannableReason::TooLarge => 3,
                UnscannableReason::Unsupported => 4,
                UnscannableReason::Incomplete => 5,
            },
        }
    }
}

/// The walker's reason as a verdict has it.
pub fn reason(unread: UnreadReason) -> UnscannableReason {
    match unread {
        UnreadReason::Encrypted => UnscannableReason::Encrypted,
        UnreadReason::Damaged | UnreadReason::Truncated => UnscannableReason::Incomplete,
        UnreadReason::UnsupportedMethod => UnscannableReason::Unsupported,
        UnreadReason::TooManyMembers
        | UnreadReason::TooDeep
        | UnreadReason::TooLarge
        | UnreadReason::ExpansionRatio => UnscannableReason::LimitsExceeded,
    }
}
