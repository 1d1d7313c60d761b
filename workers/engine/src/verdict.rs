//! What was seen as a verdict. The only place that says `Clean`, and it does so last.

use std::collections::HashSet;

use lazaret_engine_protocol::{Detection, FailureReason, ScanVerdict, UnscannableReason};

use crate::findings::{Findings, Found};
use crate::layer::UNSCANNED_BYTES;
use crate::libclamav::Outcome;
use crate::observation::{Healing, Observation};
use crate::problem::Problem;

/// This engine's name in detections.
pub const ENGINE: &str = "clamav";

/// What speaks against `Clean` in one scan of libclamav's, gaps that a walk may heal left out. `bytes` is what was scanned.
pub fn problems(outcome: &Outcome, observation: &Observation, bytes: u64) -> Vec<Problem> {
    let unscannable = |reason| move |text: String| Problem::Unscannable(reason, text);
    let failed = |text: &str| Problem::Failed(text.to_owned());
    let mut problems = Vec::new();
    match outcome {
        Outcome::Error(text) => problems.push(failed(text)),
        Outcome::Limit(text) => problems.push(Problem::Unscannable(UnscannableReason::LimitsExceeded, text.clone())),
        Outcome::Clean | Outcome::Found => {}
    }
    let described = |found: &Findings| found.kept().iter().map(describe).collect::<Vec<_>>();
    problems.extend(described(&observation.limits).into_iter().map(unscannable(UnscannableReason::LimitsExceeded)));
    problems.extend(observation.encrypted.iter().cloned().map(unscannable(UnscannableReason::Encrypted)));
    if observation.encrypted.is_empty() {
        problems.extend(described(&observation.encryption).into_iter().map(unscannable(UnscannableReason::Encrypted)));
    }
    let gaps = observation.gaps.iter().filter(|gap| gap.healing == Healing::Never);
    problems.extend(gaps.map(|gap| gap.problem.clone()));
    problems.extend(observation.warnings.iter().cloned().map(unscannable(UnscannableReason::Incomplete)));
    let malware = observation.malware.first().is_some();
    if *outcome == Outcome::Found && !malware && problems.is_empty() {
        problems.push(failed("a finding without a name"));
    }
    if !observation.is_balanced() {
        problems.push(failed("the scan ended within a layer"));
    }
    if !observation.entered && bytes > UNSCANNED_BYTES && problems.is_empty() {
        problems.push(failed("the scan ended before the first layer"));
    }
    problems
}

/// Decides on the file. Malware beside anything else stays malware; then what went wrong or was not read; `Clean` only if nothing
/// speaks against it.
pub fn conclude(malware: &Findings, mut problems: Vec<Problem>) -> ScanVerdict {
    let detection = |found: &Found| Detection {
        member: found.member.clone(),
        threat: found.signature.clone(),
        engine: ENGINE.to_owned(),
    };
    if malware.first().is_some() {
        let detections = malware.kept().iter().map(detection).collect();
        return ScanVerdict::Infected { detections, omitted: malware.omitted };
    }
    problems.sort_by_key(Problem::rank); // stable: of one rank the first that was met
    let Some(first) = problems.first() else { return ScanVerdict::Clean };
    // libclamav and a walk may both have met the same one.
    let same_rank: HashSet<&Problem> = problems.iter().filter(|problem| problem.rank() == first.rank()).collect();
    let others = same_rank.len() - 1;
    let and_others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    match first {
        Problem::Failed(text) => ScanVerdict::failed(FailureReason::EngineFailed, format!("{text}{and_others}")),
        Problem::Unscannable(reason, text) => ScanVerdict::unscannable(*reason, format!("{text}{and_others}")),
    }
}

fn describe(found: &Found) -> String {
    if found.member.is_empty() { found.signature.clone() } else { format!("{} in {}", found.signature, found.member) }
}

#[cfg(test)]
mod tests {
    use lazaret_walker::MemberPath;

    use super::*;

    fn judge(outcome: &Outcome, observation: Observation) -> ScanVerdict {
        let problems = problems(outcome, &observation, 100);
        conclude(&observation.malware, problems)
    }

    fn observe(signatures: &[&str]) -> Observation {
        let mut observation = Observation::at(&MemberPath::root());
        observation.enter(b"CL_TYPE_ANY");
        observation.inspect(None, 100, false);
        for signature in signatures {
            observation.find(signature.as_bytes());
        }
        observation.leave();
        observation
    }

    fn reason(verdict: &ScanVerdict) -> &'static str {
        match verdict {
            ScanVerdict::Unscannable { reason, .. } => reason.text(),
            ScanVerdict::Failed { reason, .. } => reason.text(),
            ScanVerdict::Clean => "clean",
            ScanVerdict::Infected { .. } => "infected",
        }
    }

    #[test]
    fn clean_needs_that_nothing_speaks_against_it() {
        assert_eq!(judge(&Outcome::Clean, observe(&[])), ScanVerdict::Clean);
        assert_eq!(reason(&judge(&Outcome::Found, observe(&[]))), "engine failed");
        assert_eq!(reason(&judge(&Outcome::Error("x".to_owned()), observe(&[]))), "engine failed");
        assert_eq!(reason(&judge(&Outcome::Limit("x".to_owned()), observe(&[]))), "limits exceeded");
        let mut unfinished = observe(&[]);
        unfinished.enter(b"CL_TYPE_ZIP");
        assert_eq!(reason(&judge(&Outcome::Clean, unfinished)), "engine failed");
        // libclamav does not look into files of up to 5 bytes.
        let nothing = Observation::default();
        assert_eq!(problems(&Outcome::Clean, &nothing, 5), []);
        assert_eq!(problems(&Outcome::Clean, &nothing, 6).len(), 1);
    }

    #[test]
    fn a_warning_is_never_clean_and_hides_no_malware() {
        let warned = |signatures: &[&str]| {
            let mut observation = observe(signatures);
            observation.warn(b"LibClamAV Warning: cut short\n");
            observation.warn(b"LibClamAV Error: again\n");
            observation
        };
        let expected = "LibClamAV Warning: cut short (and 1 more)";
        assert_eq!(
            judge(&Outcome::Clean, warned(&[])),
            ScanVerdict::unscannable(UnscannableReason::Incomplete, expected)
        );
        assert_eq!(reason(&judge(&Outcome::Found, warned(&["Win.Test.X"]))), "infected");
    }

    #[test]
    fn limits_and_encryption_are_unscannable_whatever_the_return_code() {
        for outcome in [Outcome::Clean, Outcome::Found] {
            let limit = observe(&["Heuristics.Limits.Exceeded.MaxRecursion"]);
            assert_eq!(reason(&judge(&outcome, limit)), "limits exceeded");
            assert_eq!(reason(&judge(&outcome, observe(&["Heuristics.Encrypted.Zip"]))), "encrypted");
        }
    }

    #[test]
    fn malware_beside_a_limit_or_an_error_stays_infected() {
        for outcome in [Outcome::Found, Outcome::Error("x".to_owned())] {
            let observation = observe(&["Heuristics.Encrypted.Zip", "Win.Test.X.UNOFFICIAL", "Win.Test.X.UNOFFICIAL"]);
            let ScanVerdict::Infected { detections, omitted: 0 } = judge(&outcome, observation) else { panic!() };
            let threats: Vec<_> = detections.iter().map(|detection| detection.threat.as_str()).collect();
            assert_eq!(threats, ["Win.Test.X"]);
        }
    }

    #[test]
    fn what_went_wrong_comes_before_what_was_not_read() {
        let problems = vec![
            Problem::Unscannable(UnscannableReason::Incomplete, "a".to_owned()),
            Problem::Unscannable(UnscannableReason::Encrypted, "b".to_owned()),
            Problem::Unscannable(UnscannableReason::Encrypted, "c".to_owned()),
        ];
        let expected = ScanVerdict::unscannable(UnscannableReason::Encrypted, "b (and 1 more)");
        assert_eq!(conclude(&Findings::default(), problems.clone()), expected);
        let failed = [problems, vec![Problem::Failed("d".to_owned())]].concat();
        assert_eq!(reason(&conclude(&Findings::default(), failed)), "engine failed");
    }
}
