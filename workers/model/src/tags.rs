//! The tags that carry a verdict, merged into what an object already has.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// Tags that S3 allows on one object.
pub const TAGS_PER_OBJECT: usize = 10;
/// Characters (UTF-16 units) that S3 allows in a tag's value.
const VALUE_UNITS: usize = 256;

/// The names of the tags; they can be changed, the values can't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TagKeys {
    pub result: String,
    pub date: String,
    pub virus: String,
    pub message: String,
}

impl Default for TagKeys {
    fn default() -> Self {
        Self {
            result: "scan-result".into(),
            date: "date-scanned".into(),
            virus: "virus-name".into(),
            message: "message".into(),
        }
    }
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// The tags of a verdict, the most telling first: where there is no room for all, the last are left out.
pub fn verdict_tags(keys: &TagKeys, verdict: &Verdict, scanned_at: Timestamp) -> Vec<Tag> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: tag_value(value) };
    let mut tags = vec![tag(&keys.result, verdict.name())];
    if let Some(finding) = verdict.findings().first() {
        tags.push(tag(&keys.virus, &finding.threat));
    }
    tags.push(tag(&keys.date, &scanned_at.to_string()));
    if let Some(reason) = verdict.reason() {
        let detail = verdict.detail();
        let message = if detail.is_empty() { reason.to_owned() } else { format!("{reason}: {detail}") };
        tags.push(tag(&keys.message, &message));
    }
    tags
}

/// The object's own tags kept, those of an earlier scan replaced. `None` if not even the result fits beside ten tags of
/// the owner's.
pub fn merge_tags(keys: &TagKeys, existing: &[Tag], verdict: &[Tag]) -> Option<Vec<Tag>> {
    let ours = [&keys.result, &keys.date, &keys.virus, &keys.message];
    let mut merged: Vec<Tag> = existing.iter().filter(|tag| !ours.contains(&&tag.key)).cloned().collect();
    let room = TAGS_PER_OBJECT.saturating_sub(merged.len());
    if room == 0 {
        return None;
    }
    merged.extend(verdict.iter().take(room).cloned());
    Some(merged)
}

/// `text` with all but ASCII letters, digits and the signs that S3 allows in a tag's value replaced by `_`, cut to its length.
///
/// S3 takes letters of other scripts too, by a table of its own: one that it does not know would cost the whole verdict.
pub fn tag_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    text.chars().take(VALUE_UNITS).map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::{Finding, UnscannableReason};

    fn tag(key: &str) -> Tag {
        Tag { key: key.into(), value: "v".into() }
    }

    fn infected() -> Verdict {
        Verdict::Infected {
            findings: vec![Finding { member: String::new(), threat: "Eicar<script>".into(), engine: "clamav".into() }],
        }
    }

    #[test]
    fn the_owners_tags_stay_and_an_earlier_verdict_goes() {
        let keys = TagKeys::default();
        let existing = [tag("team"), tag("scan-result"), tag("message")];
        let merged =
            merge_tags(&keys, &existing, &verdict_tags(&keys, &infected(), Timestamp::UNIX_EPOCH)).expect("room");
        let names: Vec<_> = merged.iter().map(|tag| tag.key.as_str()).collect();
        assert_eq!(names, ["team", "scan-result", "virus-name", "date-scanned"]);
        assert_eq!(merged[2].value, "Eicar_script_");
    }

    #[test]
    fn with_nine_tags_the_result_stays_and_with_ten_nothing_is_lost() {
        let keys = TagKeys::default();
        let verdict = verdict_tags(&keys, &infected(), Timestamp::UNIX_EPOCH);
        let owned: Vec<Tag> = (0..10).map(|n| tag(&format!("t{n}"))).collect();
        let merged = merge_tags(&keys, &owned[..9], &verdict).expect("room for one");
        assert_eq!(merged.last().map(|tag| tag.key.as_str()), Some("scan-result"));
        assert_eq!(merge_tags(&keys, &owned, &verdict), None);
    }

    #[test]
    fn the_message_says_why() {
        let verdict = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "a.txt".into() };
        let tags = verdict_tags(&TagKeys::default(), &verdict, Timestamp::UNIX_EPOCH);
        assert_eq!(tags.last().map(|tag| tag.value.as_str()), Some("encrypted: a.txt"));
    }

    proptest! {
        #[test]
        fn values_are_always_within_the_limits_of_s3(text in "(?s).{0,600}", marks in "[\u{24b6}-\u{24e9}\u{345}a9 @-]{0,9}") {
            for text in [text, marks] {
                let value = tag_value(&text);
                prop_assert_eq!(value.chars().count(), text.chars().count().min(256));
                for (is, was) in value.chars().zip(text.chars()) {
                    prop_assert!(is.is_ascii_alphanumeric() || " _.:/=+-@".contains(is), "{:?}", is);
                    prop_assert!(is == was || is == '_');
                }
            }
        }
    }
}
