//! Which definitions a verdict rests on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names a set of definitions. Two sets of one version are the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionsStamp {
    pub version: String,
    /// By the set's own header, else by its newest file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Timestamp>,
}

impl DefinitionsStamp {
    /// Seconds from the build to `at`; none before it, whatever the clocks say.
    pub fn age_seconds(&self, at: Timestamp) -> Option<u64> {
        let seconds = at.as_second() - self.built_at?.as_second();
        Some(u64::try_from(seconds).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_never_younger_than_nothing_and_an_unknown_age_stays_unknown() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let stamp = |built_at| DefinitionsStamp { version: "v".into(), built_at };
        assert_eq!(stamp(Some(at(100))).age_seconds(at(160)), Some(60));
        assert_eq!(stamp(Some(at(100))).age_seconds(at(40)), Some(0));
        assert_eq!(stamp(None).age_seconds(at(40)), None);
    }
}
