//! How old definitions may be before their word is worth nothing.

use std::time::Duration;

use jiff::Timestamp;
use lazaret_model::verdict::ErrorReason;
use lazaret_model::{DefinitionsStamp, Verdict};

use crate::scan::Scanned;

/// Definitions that are older prove nothing, unless set otherwise. A week: a mirror that stopped is noticed, a long weekend is none.
pub const DEFAULT_MAX_AGE_SECONDS: u64 = 7 * 24 * 3600;

/// The oldest that definitions may be. ClamAV publishes daily; what is a week old misses what spread this week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge(Option<Duration>);

impl MaxAge {
    /// Zero does not check.
    pub fn seconds(seconds: u64) -> Self {
        Self((seconds > 0).then(|| Duration::from_secs(seconds)))
    }

    /// What a scan under these definitions comes to.
    pub fn review(self, stamp: &DefinitionsStamp, scanned: Scanned) -> Scanned {
        match self.stale(stamp, Timestamp::now()) {
            None => scanned,
            Some(why) => Scanned { verdict: under_stale(scanned.verdict, why), ..scanned },
        }
    }

    /// The definitions, unless they are too old.
    pub fn usable(self, stamp: DefinitionsStamp) -> Option<DefinitionsStamp> {
        self.stale(&stamp, Timestamp::now()).is_none().then_some(stamp)
    }

    /// Why these definitions prove nothing at `now`, if so. An age that nobody knows is too old.
    pub fn stale(self, stamp: &DefinitionsStamp, now: Timestamp) -> Option<String> {
        let limit = self.0?.as_secs();
        match stamp.age_seconds(now) {
            Some(age) if age <= limit => None,
            Some(age) => Some(format!("version {} is {} old, {} are allowed", stamp.version, days(age), days(limit))),
            None => Some(format!("version {} does not say how old it is", stamp.version)),
        }
    }
}

/// What is left of a verdict under stale definitions: what they found is found, but what they did not find proves nothing.
pub fn under_stale(verdict: Verdict, why: String) -> Verdict {
    match verdict {
        Verdict::Clean | Verdict::Unscannable { .. } => refused(why),
        other => other,
    }
}

pub fn refused(why: String) -> Verdict {
    Verdict::Error { reason: ErrorReason::StaleDefinitions, detail: why }
}

/// `8 days 3 hours`, `45 s`: for a row's detail.
fn days(seconds: u64) -> String {
    let of = |count: u64, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match (seconds / 86_400, seconds / 3_600 % 24) {
        (0, 0) => format!("{seconds} s"),
        (0, hours) => of(hours, "hour"),
        (days, 0) => of(days, "day"),
        (days, hours) => format!("{} {}", of(days, "day"), of(hours, "hour")),
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::Finding;
    use lazaret_model::verdict::UnscannableReason;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn only_what_is_known_to_be_young_enough_counts() {
        let stamp = |built_at| DefinitionsStamp { version: "daily-7".into(), built_at };
        let week = MaxAge::seconds(604_800);
        assert_eq!(week.stale(&stamp(Some(at(0))), at(604_800)), None);
        let why = week.stale(&stamp(Some(at(0))), at(604_800 + 86_400)).expect("stale");
        assert_eq!(why, "version daily-7 is 8 days old, 7 days are allowed");
        assert!(week.stale(&stamp(None), at(0)).is_some());
        assert_eq!(MaxAge::seconds(0).stale(&stamp(None), at(0)), None);
        assert_eq!([days(59), days(7_200), days(90_000)], ["59 s", "2 hours", "1 day 1 hour"]);
    }

    #[test]
    fn stale_definitions_prove_nothing_but_what_they_found() {
        let finding = Finding { member: String::new(), threat: "T".into(), engine: "clamav".into() };
        let infected = Verdict::Infected { findings: vec![finding] };
        assert_eq!(under_stale(infected.clone(), "old".into()), infected);
        let encrypted = Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() };
        for verdict in [Verdict::Clean, encrypted] {
            assert_eq!(under_stale(verdict, "old".into()), refused("old".into()));
        }
    }
}
