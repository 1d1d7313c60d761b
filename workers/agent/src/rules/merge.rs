//! What two engines say of one content, as one verdict.

use lazaret_engine_protocol::Examined;
use lazaret_model::verdict::UnscannableReason;
use lazaret_model::{Finding, Verdict};

use crate::engine::{finding, verdict};
use crate::scan::Scanned;

/// Findings of one object that are kept, of both engines together.
const MAX_FINDINGS: usize = 1_000;

/// Adds what the rules say to what the first engine said. An infection stays one whatever else went wrong; an error comes before what
/// was not read; and only if all are clean, and all members were shown to the rules, the whole is.
pub(super) fn merge(first: Scanned, rules: Vec<Examined>, all_members_shown: bool) -> Scanned {
    let mut merged = first;
    let mut verdicts = vec![std::mem::replace(&mut merged.verdict, Verdict::Clean)];
    for said in rules {
        merged.notes.extend(said.notes.into_iter().map(finding));
        verdicts.push(verdict(said.verdict));
    }
    if !all_members_shown {
        verdicts.push(Verdict::Unscannable {
            reason: UnscannableReason::LimitsExceeded,
            detail: "the owner's rules saw only the first of its members".to_owned(),
        });
    }
    merged.verdict = worst(verdicts);
    merged
}

fn worst(verdicts: Vec<Verdict>) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    let mut rest: Option<Verdict> = None;
    for said in verdicts {
        match said {
            Verdict::Infected { findings: more } => {
                for finding in more {
                    if findings.len() < MAX_FINDINGS && !findings.contains(&finding) {
                        findings.push(finding);
                    }
                }
            }
            said if rest.as_ref().is_none_or(|rest| rank(&said) < rank(rest)) => rest = Some(said),
            _ => {}
        }
    }
    if findings.is_empty() { rest.unwrap_or(Verdict::Clean) } else { Verdict::Infected { findings } }
}

/// The lowest is told.
const fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Error { .. } => 0,
        Verdict::Clean => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use lazaret_engine_protocol::{Detection, FailureReason, ScanVerdict, UnscannableReason as Unread};

    use super::*;

    fn detection(threat: &str) -> Detection {
        Detection { member: String::new(), threat: threat.to_owned(), engine: "yara".to_owned() }
    }

    fn infected(threat: &str) -> ScanVerdict {
        ScanVerdict::Infected { detections: vec![detection(threat)], omitted: 0 }
    }

    fn say(first: ScanVerdict, rules: Vec<ScanVerdict>, all_members_shown: bool) -> Verdict {
        let scanned = Scanned { verdict: verdict(first), notes: Vec::new(), definitions: None, cached: false };
        merge(scanned, rules.into_iter().map(Examined::from).collect(), all_members_shown).verdict
    }

    #[test]
    fn clean_needs_both_and_every_member() {
        let clean = || ScanVerdict::Clean;
        assert_eq!(say(clean(), vec![clean(), clean()], true), Verdict::Clean);
        assert_eq!(say(clean(), vec![clean()], false).reason(), Some("limits exceeded"));
        for other in [
            infected("X"),
            ScanVerdict::unscannable(Unread::TooLarge, ""),
            ScanVerdict::failed(FailureReason::EngineCrashed, ""),
        ] {
            assert_eq!(say(other.clone(), vec![clean()], true), verdict(other.clone()));
            assert_eq!(say(clean(), vec![clean(), other.clone()], true), verdict(other));
        }
    }

    #[test]
    fn findings_of_both_are_one_infection_whatever_else_went_wrong() {
        let failed = ScanVerdict::failed(FailureReason::EngineTimeout, "");
        let Verdict::Infected { findings } = say(infected("A"), vec![infected("B"), failed, infected("B")], false)
        else {
            panic!("not infected")
        };
        let threats: Vec<_> = findings.iter().map(|finding| finding.threat.as_str()).collect();
        assert_eq!(threats, ["A", "B"]);
    }

    #[test]
    fn an_error_is_told_before_what_was_not_read() {
        let unread = ScanVerdict::unscannable(Unread::Encrypted, "");
        let failed = ScanVerdict::failed(FailureReason::EngineCrashed, "");
        assert_eq!(say(unread.clone(), vec![failed.clone()], true).reason(), Some("engine crashed"));
        assert_eq!(say(failed, vec![unread], true).reason(), Some("engine crashed"));
    }

    #[test]
    fn notes_change_no_verdict() {
        let scanned = Scanned { verdict: Verdict::Clean, notes: Vec::new(), definitions: None, cached: false };
        let said = Examined { verdict: ScanVerdict::Clean, notes: vec![detection("N")], members: None };
        let merged = merge(scanned, vec![said], true);
        assert_eq!((merged.verdict, merged.notes.len()), (Verdict::Clean, 1));
    }
}
