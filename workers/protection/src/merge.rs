//! Our rules among a bucket's others: added behind them, taken out again, and nothing else touched.

use lazaret_aws::buckets::{NOTIFICATION_RULES_MAX, NotificationRule, Notifications};
use lazaret_model::policy::Via;

use crate::filter::{KeyFilter, filters};

/// What we ask for: new content,
const CREATED: &str = "s3:ObjectCreated:*";
/// and what was archived, and can be read from now on.
const RESTORED: &str = "s3:ObjectRestore:Completed";
/// How the ids of our rules begin; a number follows.
const ID_PREFIX: &str = "lazaret-protect-";

/// A rule of the bucket's owner that leaves no room for one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "its notification rule {} to {} wants new objects too ({theirs}), and S3 lets no two rules want the same event of the same \
     key ({ours}). Narrow --include to keys that the rule does not cover, let a topic of your own tell both, or \
     use --via eventbridge, which needs no rule", .id.as_deref().map_or("without an id".to_owned(), |id| format!("`{}`", id.escape_debug())), .destination.escape_debug()
)]
pub struct Overlap {
    pub id: Option<String>,
    /// An ARN.
    pub destination: String,
    pub theirs: KeyFilter,
    pub ours: KeyFilter,
}

/// Why our rules have no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    #[error(transparent)]
    Overlap(#[from] Box<Overlap>),
    #[error(
        "its notification configuration has {NOTIFICATION_RULES_MAX} rules already, and S3 takes no more: use --via eventbridge, which needs no rule"
    )]
    Full,
}

/// Whether a rule among the topics' is ours: by its id, and where it sends to.
pub fn is_ours(rule: &NotificationRule, topic: &str) -> bool {
    let number = rule.id.as_deref().and_then(|id| id.strip_prefix(ID_PREFIX));
    rule.destination == topic && number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Our rules, in their order.
pub fn ours<'a>(notifications: &'a Notifications, topic: &str) -> Vec<&'a NotificationRule> {
    notifications.topics.iter().filter(|rule| is_ours(rule, topic)).collect()
}

/// The configuration with our rules taken out, and our delivery to EventBridge if it was we who switched it on.
pub fn without_ours(current: &Notifications, topic: &str, switched_on: bool) -> Notifications {
    let mut rest = current.clone();
    rest.topics.retain(|rule| !is_ours(rule, topic));
    rest.event_bridge &= !switched_on;
    rest
}

/// What a bucket's configuration is to be, and what of it is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub notifications: Notifications,
    /// EventBridge is on for us alone.
    pub switched_on: bool,
}

/// The configuration with our rules for `include` behind the others, or with EventBridge on. `switched_on`: it is on already, for
/// us alone.
///
/// # Errors
/// If a rule of the owner's stands in the way.
pub fn merge(
    current: &Notifications,
    topic: &str,
    via: Via,
    include: &[String],
    switched_on: bool,
) -> Result<Merged, NoPlace> {
    let rest = without_ours(current, topic, switched_on);
    match via {
        Via::EventBridge => {
            let switched_on = !rest.event_bridge;
            Ok(Merged { notifications: Notifications { event_bridge: true, ..rest }, switched_on })
        }
        Via::Sns => Ok(Merged { notifications: with_rules(current, rest, topic, include)?, switched_on: false }),
    }
}

fn with_rules(
    current: &Notifications,
    mut rest: Notifications,
    topic: &str,
    include: &[String],
) -> Result<Notifications, NoPlace> {
    let room = NOTIFICATION_RULES_MAX.saturating_sub(rest.rules().count());
    if room == 0 {
        return Err(NoPlace::Full);
    }
    let wanted = filters(include, room);
    for ours in &wanted {
        let theirs = rest.rules().find(|rule| rule.events.iter().any(|e| is_creation(e)) && overlaps(rule, ours));
        if let Some(rule) = theirs {
            return Err(NoPlace::Overlap(Box::new(Overlap {
                id: rule.id.clone(),
                destination: rule.destination.clone(),
                theirs: KeyFilter::of_rule(rule),
                ours: ours.clone(),
            })));
        }
    }
    let wanted: Vec<_> = wanted.into_iter().map(|filter| (events(&rest, &filter), filter)).collect();
    let there = self::ours(current, topic).into_iter().map(|rule| (rule.events.clone(), KeyFilter::of_rule(rule)));
    if there.eq(wanted.iter().cloned()) {
        // ours are what they should be, wherever they stand
        rest.topics.clone_from(&current.topics);
        return Ok(rest);
    }
    let taken: Vec<_> = rest.rules().filter_map(|rule| rule.id.clone()).collect();
    let mut ids = (1..).map(|n| format!("{ID_PREFIX}{n}")).filter(|id| !taken.contains(id));
    for (events, filter) in wanted {
        let filter = filter.to_filter();
        rest.topics.push(NotificationRule { id: ids.next(), destination: topic.to_owned(), events, filter });
    }
    Ok(rest)
}

/// What a rule of ours for these keys asks for. Who waits for restored objects already keeps their event: what is in the archive was
/// either scanned before it went there, or is in the next job's report.
fn events(others: &Notifications, filter: &KeyFilter) -> Vec<String> {
    let is_taken =
        others.rules().any(|rule| rule.events.iter().any(|event| is_restoration(event)) && overlaps(rule, filter));
    [Some(CREATED), (!is_taken).then_some(RESTORED)].into_iter().flatten().map(str::to_owned).collect()
}

/// Whether a rule for `event` tells of new objects.
fn is_creation(event: &str) -> bool {
    event.starts_with("s3:ObjectCreated:") || event == "s3:*"
}

fn is_restoration(event: &str) -> bool {
    matches!(event, RESTORED | "s3:ObjectRestore:*" | "s3:*")
}

fn overlaps(rule: &NotificationRule, filter: &KeyFilter) -> bool {
    KeyFilter::of_rule(rule).overlaps(filter)
}

#[cfg(test)]
mod tests {
    use lazaret_aws::buckets::{KeyRule, NotificationFilter};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-test-1:000000000000:lazaret-events";
    const THEIRS: &str = "arn:aws:sns:eu-test-1:000000000000:theirs";

    fn rule(id: &str, events: &[&str], prefix: &str, suffix: &str) -> NotificationRule {
        NotificationRule {
            id: Some(id.into()),
            destination: THEIRS.into(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            filter: KeyFilter { prefix: prefix.into(), suffix: suffix.into() }.to_filter(),
        }
    }

    fn with(topics: Vec<NotificationRule>) -> Notifications {
        Notifications { topics, ..Notifications::default() }
    }

    fn include(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    #[test]
    fn our_rules_stand_behind_the_owners_and_are_numbered() {
        let current =
            with(vec![rule("theirs", &["s3:ObjectRemoved:*"], "", ""), rule("lazaret-protect-1", &[], "", "")]);
        let merged = merge(&current, TOPIC, Via::Sns, &include(&["a/*", "b/*"]), false).expect("room").notifications;
        assert_eq!(merged.topics[..2], current.topics);
        let ids: Vec<_> = ours(&merged, TOPIC).iter().filter_map(|rule| rule.id.as_deref()).collect();
        assert_eq!(ids, ["lazaret-protect-2", "lazaret-protect-3"], "an id is given once");
        assert_eq!(merged.topics[2].events, ["s3:ObjectCreated:*", "s3:ObjectRestore:Completed"]);
        assert_eq!(
            merge(&merged, TOPIC, Via::Sns, &include(&["a/*", "b/*"]), false).expect("room").notifications,
            merged
        );
        assert_eq!(without_ours(&merged, TOPIC, false), current);
    }

    #[test]
    fn an_overlap_is_named_with_a_way_out() {
        let mut current = with(Vec::new());
        current.queues.push(rule("thumbs", &["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"], "in/", ".jpg"));
        let refused = merge(&current, TOPIC, Via::Sns, &[], false).expect_err("both want in/*.jpg").to_string();
        for word in ["`thumbs`", THEIRS, "keys `in/*.jpg`", "every key", "--include", "--via eventbridge"] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
        merge(&current, TOPIC, Via::Sns, &include(&["out/*"]), false).expect("apart");
        merge(&current, TOPIC, Via::Sns, &include(&["in/*.png"]), false).expect("apart");
        merge(&current, TOPIC, Via::EventBridge, &[], false).expect("no rule");
        let removals = with(vec![rule("r", &["s3:ObjectRemoved:*"], "", "")]);
        merge(&removals, TOPIC, Via::Sns, &[], false).expect("other events");
    }

    #[test]
    fn whoever_waits_for_restored_objects_keeps_their_event() {
        for event in ["s3:ObjectRestore:Completed", "s3:ObjectRestore:*"] {
            let current = with(vec![rule("theirs", &[event], "a/", "")]);
            let merged =
                merge(&current, TOPIC, Via::Sns, &include(&["a/b*", "b/*"]), false).expect("room").notifications;
            let events: Vec<_> = ours(&merged, TOPIC).iter().map(|rule| rule.events.len()).collect();
            assert_eq!(events, [1, 2]);
            let without = without_ours(&merged, TOPIC, false);
            assert_eq!(without, current);
        }
        let asked = with(vec![rule("theirs", &["s3:ObjectRestore:Post"], "", "")]);
        let merged = merge(&asked, TOPIC, Via::Sns, &[], false).expect("room").notifications;
        assert_eq!(ours(&merged, TOPIC)[0].events.len(), 2, "another event");
    }

    #[test]
    fn a_rule_of_an_earlier_release_is_brought_up_to_date() {
        let mut merged = merge(&with(Vec::new()), TOPIC, Via::Sns, &[], false).expect("room").notifications;
        let wanted = merged.clone();
        merged.topics[0].events.truncate(1);
        assert_eq!(merge(&merged, TOPIC, Via::Sns, &[], false).expect("room").notifications, wanted);
    }

    #[test]
    fn a_full_configuration_is_said_to_be_full() {
        let current =
            with((0..100).map(|n| rule(&format!("r{n}"), &["s3:ObjectRemoved:*"], &n.to_string(), "")).collect());
        assert_eq!(merge(&current, TOPIC, Via::Sns, &[], false), Err(NoPlace::Full));
    }

    #[test]
    fn event_bridge_is_switched_off_only_by_who_switched_it_on() {
        let (off, on) = (with(Vec::new()), Notifications { event_bridge: true, ..with(Vec::new()) });
        let merged = merge(&off, TOPIC, Via::EventBridge, &[], false).expect("no rule");
        assert!(merged.switched_on && merged.notifications.event_bridge);
        let again = merge(&merged.notifications, TOPIC, Via::EventBridge, &[], merged.switched_on).expect("no rule");
        assert_eq!(again, merged);
        assert_eq!(without_ours(&again.notifications, TOPIC, again.switched_on), off);
        let theirs = merge(&on, TOPIC, Via::EventBridge, &[], false).expect("no rule");
        assert!(!theirs.switched_on);
        assert_eq!(without_ours(&theirs.notifications, TOPIC, theirs.switched_on), on);
    }

    fn any_rule() -> impl Strategy<Value = NotificationRule> {
        let key_rule = ("prefix|Prefix|suffix|Suffix", "[a-c/]{0,3}").prop_map(|(name, value)| KeyRule { name, value });
        let filter = proptest::option::of(proptest::option::of(vec(key_rule, 0..3)));
        let events =
            vec("s3:Object(Created:(\\*|Put|Copy)|Restore:(\\*|Completed)|Removed:\\*|Tagging:Put)|s3:New:Thing", 1..3);
        let id = proptest::option::of("lazaret-protect-[0-3x]?|[a-z]{1,4}");
        let destination = prop_oneof![Just(THEIRS.to_owned()), "arn:aws:(sqs|lambda):r:1:[a-z]{1,3}"];
        (id, destination, events, filter).prop_map(|(id, destination, events, filter)| NotificationRule {
            id,
            destination,
            events,
            filter: filter.map(|key_rules| NotificationFilter { key_rules }),
        })
    }

    fn any_notifications() -> impl Strategy<Value = Notifications> {
        let rules = || vec(any_rule(), 0..4);
        (rules(), rules(), rules(), any::<bool>()).prop_map(|(topics, queues, functions, event_bridge)| Notifications {
            topics,
            queues,
            functions,
            event_bridge,
        })
    }

    fn any_via() -> impl Strategy<Value = Via> {
        prop_oneof![Just(Via::Sns), Just(Via::EventBridge)]
    }

    proptest! {
        #[test]
        fn unprotect_undoes_protect_whatever_else_is_configured(
            before in any_notifications(),
            steps in vec((any_via(), vec("[a-d/]{0,2}\\*[a-c]{0,1}", 0..3)), 1..4),
        ) {
            let (mut now, mut switched_on) = (before.clone(), false);
            for (via, include) in steps {
                // a refusal changes nothing
                let Ok(merged) = merge(&now, TOPIC, via, &include, switched_on) else { continue };
                let rest = without_ours(&merged.notifications, TOPIC, merged.switched_on);
                prop_assert_eq!(&rest, &before, "the others stay as they were");
                let none_but_ours = merged.notifications.rules().count() - before.rules().count();
                prop_assert_eq!(ours(&merged.notifications, TOPIC).len(), none_but_ours);
                prop_assert_eq!(none_but_ours > 0, via == Via::Sns);
                (now, switched_on) = (merged.notifications, merged.switched_on);
            }
            prop_assert_eq!(without_ours(&now, TOPIC, switched_on), before);
        }
    }
}
