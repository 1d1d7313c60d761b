//! Contents that their owner allowed, though something was found in them: restored from quarantine on purpose.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::verdict::{Finding, Verdict};

/// One content and the signatures that it may match, as it lies at [`crate::layout::allowed_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedContent {
    /// In hex.
    pub sha256: String,
    pub threats: Vec<String>,
    pub at: Timestamp,
    /// Who allowed it, as far as that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

impl AllowedContent {
    /// The verdict on a content with this digest: one finding of another signature, and it stays an infection.
    pub fn review(&self, sha256: &str, verdict: Verdict) -> Verdict {
        let allowed = |finding: &Finding| self.threats.contains(&finding.threat);
        match verdict {
            Verdict::Infected { findings } if self.sha256 == sha256 && findings.iter().all(allowed) => {
                Verdict::InfectedAllowed { findings }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_allowed_for_its_own_signatures_only() {
        let infected = |threats: &[&str]| Verdict::Infected {
            findings: threats
                .iter()
                .map(|threat| Finding { member: String::new(), threat: (*threat).into(), engine: "clamav".into() })
                .collect(),
        };
        let allowed = AllowedContent {
            sha256: "ab".into(),
            threats: vec!["a".into(), "b".into()],
            at: Timestamp::UNIX_EPOCH,
            by: String::new(),
        };
        assert_eq!(allowed.review("ab", infected(&["a"])).name(), "InfectedAllowed");
        assert_eq!(allowed.review("ab", infected(&["a", "c"])).name(), "Infected");
        assert_eq!(allowed.review("cd", infected(&["a"])).name(), "Infected");
        assert_eq!(allowed.review("ab", Verdict::Clean), Verdict::Clean);
    }
}
