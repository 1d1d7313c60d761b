//! What was found out about one exact version of an object.

use serde::{Deserialize, Serialize};

/// One detection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// The path inside an archive, escaped; empty for the object itself.
    pub member: String,
    /// The signature's name.
    pub threat: String,
    /// Which engine found it (`clamav`).
    pub engine: String,
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text that reports and tags carry.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.text())
            }
        }
    };
}

reasons! {
    /// Why an object could not be read to its end, though nothing went wrong.
    UnscannableReason {
        /// A limit of the engine (size, members, depth, expansion) was reached.
        LimitsExceeded = "limits exceeded",
        /// The object, or a member of it, is encrypted.
        Encrypted = "encrypted",
        /// The object is larger than the policy or the engine takes.
        TooLarge = "too large",
        /// Packed in a way that the engine does not read.
        Unsupported = "unsupported",
        /// A container is damaged or truncated: some content was never read.
        Incomplete = "incomplete container",
    }
}

reasons! {
    /// What went wrong.
    ErrorReason {
        EngineCrashed = "engine crashed",
        /// The engine was killed because the scan took longer than allowed.
        EngineTimeout = "engine timeout",
        /// The engine answered with an error of its own.
        EngineFailed = "engine failed",
        StaleDefinitions = "stale definitions",
        /// This deployment may not read the object.
        AccessDenied = "access denied",
        /// The object could not be fetched, retries included.
        FetchFailed = "fetch failed",
        /// Its packet was given up after too many deliveries.
        GaveUp = "gave up",
    }
}

reasons! {
    /// Why an object was not looked at.
    SkippedReason {
        /// Its storage class must be restored before a read.
        Archived = "archived",
        /// The policy's lists leave it out.
        SkipList = "skip list",
    }
}

reasons! {
    /// Where the matched version went before it was scanned.
    GoneReason {
        Deleted = "deleted",
        Overwritten = "overwritten",
    }
}

/// The verdict on one exact version. `Clean` means: wholly scanned, nothing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "VerdictRecord", into = "VerdictRecord")]
pub enum Verdict {
    Clean,
    /// At least one finding.
    Infected {
        findings: Vec<Finding>,
    },
    /// Findings that are all on the owner's allow list.
    InfectedAllowed {
        findings: Vec<Finding>,
    },
    Unscannable {
        reason: UnscannableReason,
        detail: String,
    },
    Error {
        reason: ErrorReason,
        detail: String,
    },
    Skipped {
        reason: SkippedReason,
    },
    Gone {
        reason: GoneReason,
    },
}

impl Verdict {
    /// The name, as tags and reports spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Clean => "Clean",
            Self::Infected { .. } => "Infected",
            Self::InfectedAllowed { .. } => "InfectedAllowed",
            Self::Unscannable { .. } => "Unscannable",
            Self::Error { .. } => "Error",
            Self::Skipped { .. } => "Skipped",
            Self::Gone { .. } => "Gone",
        }
    }

    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Infected { findings } | Self::InfectedAllowed { findings } => findings,
            _ => &[],
        }
    }

    /// The stable text of the reason, for the verdicts that have one.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Clean | Self::Infected { .. } | Self::InfectedAllowed { .. } => None,
            Self::Unscannable { reason, .. } => Some(reason.text()),
            Self::Error { reason, .. } => Some(reason.text()),
            Self::Skipped { reason } => Some(reason.text()),
            Self::Gone { reason } => Some(reason.text()),
        }
    }

    /// What is worth saying beside the reason (a member's name, an error's text); empty if nothing is.
    pub fn detail(&self) -> &str {
        match self {
            Self::Unscannable { detail, .. } | Self::Error { detail, .. } => detail,
            _ => "",
        }
    }

    /// Whether the object's bytes were looked at, so that the verdict says something about them.
    pub const fn was_scanned(&self) -> bool {
        !matches!(self, Self::Skipped { .. } | Self::Gone { .. })
    }
}

/// The flat shape of a verdict in JSON: the same four fields for every verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerdictRecord {
    result: String,
    #[serde(default)]
    findings: Vec<Finding>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// A record that is no verdict. Never mapped to `Clean`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{result}` with {findings} findings and reason `{reason}` is no verdict")]
pub struct BadVerdict {
    result: String,
    findings: usize,
    reason: String,
}

impl From<Verdict> for VerdictRecord {
    fn from(verdict: Verdict) -> Self {
        Self {
            result: verdict.name().to_owned(),
            findings: verdict.findings().to_vec(),
            reason: verdict.reason().map(str::to_owned),
            detail: verdict.detail().to_owned(),
        }
    }
}

impl TryFrom<VerdictRecord> for Verdict {
    type Error = BadVerdict;

    fn try_from(record: VerdictRecord) -> Result<Self, BadVerdict> {
        let VerdictRecord { result, findings, reason, detail } = record;
        let reason = reason.as_deref();
        let verdict = match (result.as_str(), findings.is_empty(), reason) {
            ("Clean", true, None) => Some(Self::Clean),
            ("Infected", false, None) => Some(Self::Infected { findings: findings.clone() }),
            ("InfectedAllowed", false, None) => Some(Self::InfectedAllowed { findings: findings.clone() }),
            ("Unscannable", true, Some(text)) => {
                UnscannableReason::from_text(text).map(|reason| Self::Unscannable { reason, detail })
            }
            ("Error", true, Some(text)) => ErrorReason::from_text(text).map(|reason| Self::Error { reason, detail }),
            ("Skipped", true, Some(text)) => SkippedReason::from_text(text).map(|reason| Self::Skipped { reason }),
            ("Gone", true, Some(text)) => GoneReason::from_text(text).map(|reason| Self::Gone { reason }),
            _ => None,
        };
        verdict.ok_or_else(|| BadVerdict {
            findings: findings.len(),
            reason: reason.unwrap_or_default().to_owned(),
            result,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_from_its_text() {
        for reason in UnscannableReason::ALL {
            assert_eq!(UnscannableReason::from_text(reason.text()), Some(*reason));
        }
        for reason in ErrorReason::ALL {
            assert_eq!(ErrorReason::from_text(reason.text()), Some(*reason));
        }
    }

    #[test]
    fn contradictions_are_refused_and_never_read_as_clean() {
        for text in [
            r#"{"result":"Clean","findings":[{"member":"","threat":"x","engine":"clamav"}]}"#,
            r#"{"result":"Clean","reason":"encrypted"}"#,
            r#"{"result":"Infected","findings":[]}"#,
            r#"{"result":"Unscannable","reason":"no such reason"}"#,
            r#"{"result":"clean"}"#,
            r#"{}"#,
        ] {
            assert!(serde_json::from_str::<Verdict>(text).is_err(), "{text}");
        }
    }
}
