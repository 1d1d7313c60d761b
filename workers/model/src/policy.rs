//! What to do with each verdict: data of a bucket, not code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::ActionKind;
use crate::object::ObjectRef;
use crate::promotion::{Destination, record_name};
use crate::quarantine::quarantine_key;
use crate::tags::TagKeys;
use crate::verdict::{Finding, SkippedReason, UnscannableReason, Verdict};

/// Objects above this are not fetched unless a policy says so: this, and what it unpacks to, fits an agent's disk of 40 GiB. Above
/// 2 GiB the engine reads containers member by member, and calls nothing else clean.
pub const DEFAULT_MAX_BYTES: u64 = 16 << 30;

/// Which verdicts are written to the object as tags. A tag is a billed PUT, most of what a scan costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tagging {
    #[default]
    All,
    /// Everything but `Clean`.
    Findings,
    None,
}

/// What happens to an infected object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InfectedAction {
    #[default]
    Move,
    Delete,
    Keep,
}

/// Which verdicts on new objects are announced, on EventBridge and SNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Announce {
    #[default]
    All,
    /// Everything but `Clean`.
    Findings,
    None,
}

impl Announce {
    pub fn covers(self, verdict: &Verdict) -> bool {
        match self {
            Self::All => true,
            Self::Findings => !matches!(verdict, Verdict::Clean),
            Self::None => false,
        }
    }
}

/// Who protected a bucket: what a tag did, a tag may undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtectedBy {
    Command,
    /// `lazaret:protect` on the bucket.
    Tag,
}

/// How a bucket's events reach the agents' queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By rules of ours in its notification configuration, to our topic.
    #[default]
    Sns,
    /// By its delivery to EventBridge: for buckets whose own rules leave no room for one of ours.
    EventBridge,
}

impl Via {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// New objects of this bucket are scanned as they arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Protection {
    /// Since when it is as it is: events of these keys, promoted to there. What was stored before is a job's matter.
    pub since: Timestamp,
    pub by: ProtectedBy,
    /// If set, this is a staging bucket: what is clean is promoted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote_to: Option<Destination>,
    #[serde(default, skip_serializing_if = "Via::is_default")]
    pub via: Via,
    /// The bucket did not deliver to EventBridge before, and will not after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub event_bridge_switched_on: bool,
}

impl Protection {
    /// Of the standard flow, by notifications.
    pub fn new(since: Timestamp, by: ProtectedBy) -> Self {
        Self { since, by, promote_to: None, via: Via::default(), event_bridge_switched_on: false }
    }

    /// The same for a staging bucket.
    #[must_use]
    pub fn promoting_to(self, destination: Destination) -> Self {
        Self { promote_to: Some(destination), ..self }
    }
}

/// One bucket's policy. An empty JSON object is the default policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    pub tagging: Tagging,
    pub tag_keys: TagKeys,
    pub infected: InfectedAction,
    /// If not empty, only keys that match one of these are scanned. `*` stands for any characters, `?` for one.
    pub include: Vec<String>,
    /// Keys that match one of these are not scanned; wins over `include`.
    pub skip: Vec<String>,
    /// Objects above this are `Unscannable`. In bytes; by default [`DEFAULT_MAX_BYTES`].
    pub max_bytes: u64,
    /// Signatures that the owner accepts: findings of these alone make an `InfectedAllowed`.
    pub allow: Vec<String>,
    pub announce: Announce,
    /// Written by `lazaret bucket protect`, which also asks the bucket for notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<Protection>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tagging: Tagging::All,
            tag_keys: TagKeys::default(),
            infected: InfectedAction::Move,
            include: Vec::new(),
            skip: Vec::new(),
            max_bytes: DEFAULT_MAX_BYTES,
            allow: Vec::new(),
            announce: Announce::default(),
            protection: None,
        }
    }
}

impl Policy {
    /// The verdict on an object that is not to be fetched, known before a byte of it is read.
    pub fn verdict_before_fetch(&self, object: &ObjectRef) -> Option<Verdict> {
        let listed_out = self.skip.iter().any(|pattern| matches(pattern, &object.key))
            || !self.include.is_empty() && !self.include.iter().any(|pattern| matches(pattern, &object.key));
        if listed_out {
            return Some(Verdict::Skipped { reason: SkippedReason::SkipList });
        }
        if object.storage_class.is_archived() {
            return Some(Verdict::Skipped { reason: SkippedReason::Archived });
        }
        let limit = self.max_bytes;
        (object.size > limit).then(|| Verdict::Unscannable {
            reason: UnscannableReason::TooLarge,
            detail: format!("{} bytes, the limit is {limit}", object.size),
        })
    }

    /// The verdict as this bucket's owner sees it: findings on the allow list alone don't make an infection.
    pub fn review(&self, verdict: Verdict) -> Verdict {
        let allowed = |finding: &Finding| self.allow.contains(&finding.threat);
        match verdict {
            Verdict::Infected { findings } if findings.iter().all(allowed) => Verdict::InfectedAllowed { findings },
            other => other,
        }
    }

    /// Where clean objects of this bucket go, if it is a staging bucket.
    pub fn promote_to(&self) -> Option<&Destination> {
        self.protection.as_ref()?.promote_to.as_ref()
    }

    /// What is to be done with an object that was `asked` for and is, with what its fetch told, `read`. `quarantine_bucket` is
    /// where `Move` moves to.
    ///
    /// The quarantine key is of `asked`: whoever comes too late to fetch knows only that. In a staging bucket every verdict goes
    /// through the state machine, which moves, promotes or tags.
    pub fn decide(
        &self,
        asked: &ObjectRef,
        read: &ObjectRef,
        verdict: &Verdict,
        quarantine_bucket: &str,
    ) -> Option<ActionKind> {
        if matches!(verdict, Verdict::Skipped { .. } | Verdict::Gone { .. }) {
            return None;
        }
        if self.promote_to().is_some() {
            return Some(ActionKind::Promote { record: record_name(read, verdict) });
        }
        let tag = match self.tagging {
            Tagging::All => true,
            Tagging::Findings => !matches!(verdict, Verdict::Clean),
            Tagging::None => false,
        };
        let tag = tag.then_some(ActionKind::Tag);
        match (verdict, self.infected) {
            (Verdict::Infected { .. }, InfectedAction::Move) => {
                Some(ActionKind::Move { to_bucket: quarantine_bucket.to_owned(), to_key: quarantine_key(asked) })
            }
            (Verdict::Infected { .. }, InfectedAction::Delete) => Some(ActionKind::Delete),
            _ => tag,
        }
    }
}

/// All policies of a deployment, as they lie at [`crate::layout::POLICIES_KEY`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    pub default: Policy,
    /// By the bucket's name.
    pub buckets: BTreeMap<String, Policy>,
}

impl Policies {
    pub fn of(&self, bucket: &str) -> &Policy {
        self.buckets.get(bucket).unwrap_or(&self.default)
    }
}

/// Glob match without brackets: linear in `text`, whatever the pattern is.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{ETag, StorageClass};
    use crate::verdict::ErrorReason;

    fn decided(policy: &Policy, verdict: &Verdict) -> Option<ActionKind> {
        policy.decide(&object("k", 1), &object("k", 1), verdict, "q")
    }

    fn object(key: &str, size: u64) -> ObjectRef {
        ObjectRef {
            bucket: "bucket".into(),
            key: key.into(),
            version_id: None,
            etag: ETag::from("e"),
            size,
            last_modified: "2026-01-01T00:00:00Z".parse().expect("a timestamp"),
            storage_class: StorageClass::standard(),
        }
    }

    fn infected(threats: &[&str]) -> Verdict {
        let finding =
            |threat: &&str| Finding { member: String::new(), threat: (*threat).into(), engine: "clamav".into() };
        Verdict::Infected { findings: threats.iter().map(finding).collect() }
    }

    #[test]
    fn too_large_and_archived_objects_are_never_fetched() {
        let policy = Policy::default();
        let large = policy.verdict_before_fetch(&object("k", DEFAULT_MAX_BYTES + 1));
        assert!(matches!(large, Some(Verdict::Unscannable { reason: UnscannableReason::TooLarge, .. })));
        assert_eq!(policy.verdict_before_fetch(&object("k", DEFAULT_MAX_BYTES)), None);
        let archived = ObjectRef { storage_class: StorageClass("DEEP_ARCHIVE".into()), ..object("k", 1) };
        assert_eq!(policy.verdict_before_fetch(&archived), Some(Verdict::Skipped { reason: SkippedReason::Archived }));
    }

    #[test]
    fn the_skip_list_wins_over_the_include_list() {
        let policy = Policy { include: vec!["in/*".into()], skip: vec!["*.log".into()], ..Policy::default() };
        let skipped = |key: &str| policy.verdict_before_fetch(&object(key, 1)).is_some();
        assert!(!skipped("in/a") && skipped("in/a.log") && skipped("out/a"));
    }

    #[test]
    fn only_infected_objects_are_moved_or_deleted() {
        for action in [InfectedAction::Move, InfectedAction::Delete, InfectedAction::Keep] {
            let policy = Policy { infected: action, ..Policy::default() };
            for verdict in [
                Verdict::Clean,
                Verdict::Error { reason: ErrorReason::EngineCrashed, detail: String::new() },
                Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() },
            ] {
                assert_eq!(decided(&policy, &verdict), Some(ActionKind::Tag));
            }
        }
        let moved = decided(&Policy::default(), &infected(&["a"]));
        assert!(matches!(moved, Some(ActionKind::Move { to_bucket, .. }) if to_bucket == "q"));
    }

    #[test]
    fn in_a_staging_bucket_every_verdict_goes_through_the_state_machine() {
        let production = Destination { bucket: "production".into(), prefix: String::new() };
        let protection = Protection::new(Timestamp::UNIX_EPOCH, ProtectedBy::Command).promoting_to(production);
        let policy = Policy { protection: Some(protection), tagging: Tagging::None, ..Policy::default() };
        for verdict in [Verdict::Clean, infected(&["a"])] {
            let record = record_name(&object("k", 1), &verdict);
            assert_eq!(decided(&policy, &verdict), Some(ActionKind::Promote { record }));
        }
        assert_eq!(decided(&policy, &Verdict::Skipped { reason: SkippedReason::Archived }), None);
    }

    #[test]
    fn one_finding_off_the_allow_list_is_an_infection() {
        let policy = Policy { allow: vec!["a".into()], ..Policy::default() };
        assert_eq!(policy.review(infected(&["a"])).name(), "InfectedAllowed");
        assert_eq!(policy.review(infected(&["a", "b"])).name(), "Infected");
    }

    #[test]
    fn an_empty_json_object_is_the_default_and_unknown_fields_are_refused() {
        assert_eq!(serde_json::from_str::<Policy>("{}").expect("defaults"), Policy::default());
        assert!(serde_json::from_str::<Policy>(r#"{"infectd":"Keep"}"#).is_err());
    }

    #[test]
    fn a_protection_says_only_what_is_not_usual() {
        let usual = Protection::new(Timestamp::UNIX_EPOCH, ProtectedBy::Tag);
        let text = serde_json::to_string(&usual).expect("JSON");
        assert_eq!(text, r#"{"since":"1970-01-01T00:00:00Z","by":"tag"}"#);
        let other = Protection { via: Via::EventBridge, event_bridge_switched_on: true, ..usual };
        let text = serde_json::to_string(&other).expect("JSON");
        assert!(text.contains(r#""via":"eventbridge","eventBridgeSwitchedOn":true"#), "{text}");
        assert_eq!(serde_json::from_str::<Protection>(&text).expect("JSON"), other);
    }

    proptest! {
        #[test]
        fn a_pattern_made_from_the_text_matches_it(text in ".{0,40}", cut in 0usize..40) {
            let kept: String = text.chars().take(cut).filter(|c| *c != '*').collect();
            prop_assert!(matches("*", &text));
            if text.starts_with(&kept) {
                let prefix = format!("{kept}*");
                prop_assert!(matches(&prefix, &text));
            }
            let longer = format!("{}?", text.replace('*', "?"));
            prop_assert!(!matches(&longer, &text));
        }

        #[test]
        fn tagging_findings_never_tags_the_clean(size in 0u64..10_000) {
            let policy = Policy { tagging: Tagging::Findings, ..Policy::default() };
            let object = object("k", size);
            prop_assert_eq!(policy.decide(&object, &object, &Verdict::Clean, "q"), None);
        }
    }
}
