//! What an observation means. The only place that says `Clean`, and it does so last.

use lazaret_engine_protocol::{Detection, FailureReason, ScanVerdict, UnscannableReason};

use crate::libclamav::Outcome;
use crate::observation::{Found, Observation, UNSCANNED_BYTES};

/// This engine's name in detections.
const ENGINE: &str = "clamav";

/// Decides. Malware beside anything else stays malware; then what was not read; `Clean` only if nothing speaks against it.
///
/// `bytes` is the file's size.
pub fn judge(outcome: &Outcome, observation: &Observation, bytes: u64) -> ScanVerdict {
    let detections: Vec<Detection> = observation
        .malware
        .kept()
        .iter()
        .map(|found| Detection {
            member: found.member.clone(),
            threat: found.signature.clone(),
            engine: ENGINE.to_owned(),
        })
        .collect();
    if !detections.is_empty() {
        return ScanVerdict::Infected { detections, omitted: observation.malware.omitted };
    }
    if let Outcome::Error(text) = outcome {
        return ScanVerdict::failed(FailureReason::EngineFailed, text.clone());
    }
    if let Some(found) = observation.limits.first() {
        return ScanVerdict::unscannable(UnscannableReason::LimitsExceeded, describe(found));
    }
    if let Outcome::Limit(text) = outcome {
        return ScanVerdict::unscannable(UnscannableReason::LimitsExceeded, text.clone());
    }
    if let Some(member) = observation.encrypted.first() {
        return ScanVerdict::unscannable(UnscannableReason::Encrypted, first_of(member, observation.encrypted.len()));
    }
    if let Some(found) = observation.encryption.first() {
        return ScanVerdict::unscannable(UnscannableReason::Encrypted, describe(found));
    }
    if let Some(gap) = observation.gaps.first() {
        return ScanVerdict::unscannable(UnscannableReason::Incomplete, first_of(gap, observation.gaps.len()));
    }
    if *outcome == Outcome::Found {
        return ScanVerdict::failed(FailureReason::EngineFailed, "a finding without a name");
    }
    if let Some(warning) = observation.warnings.first() {
        return ScanVerdict::unscannable(UnscannableReason::Incomplete, first_of(warning, observation.warnings.len()));
    }
    if !observation.is_balanced() {
        return ScanVerdict::failed(FailureReason::EngineFailed, "the scan ended within a layer");
    }
    if !observation.entered && bytes > UNSCANNED_BYTES {
        return ScanVerdict::failed(FailureReason::EngineFailed, "the scan ended before the first layer");
    }
    ScanVerdict::Clean
}

fn describe(found: &Found) -> String {
    if found.member.is_empty() { found.signature.clone() } else { format!("{} in {}", found.signature, found.member) }
}

fn first_of(text: &str, count: usize) -> String {
    if count == 1 { text.to_owned() } else { format!("{text} (and {} more)", count - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(outcome: &Outcome, observation: &Observation) -> ScanVerdict {
        super::judge(outcome, observation, 100)
    }

    fn observe(signatures: &[&str]) -> Observation {
        let mut observation = Observation::default();
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
        assert_eq!(judge(&Outcome::Clean, &observe(&[])), ScanVerdict::Clean);
        assert_eq!(reason(&judge(&Outcome::Found, &observe(&[]))), "engine failed");
        assert_eq!(reason(&judge(&Outcome::Error("x".to_owned()), &observe(&[]))), "engine failed");
        assert_eq!(reason(&judge(&Outcome::Limit("x".to_owned()), &observe(&[]))), "limits exceeded");
        let mut unfinished = observe(&[]);
        unfinished.enter(b"CL_TYPE_ZIP");
        assert_eq!(reason(&judge(&Outcome::Clean, &unfinished)), "engine failed");
        // libclamav does not look into files of up to 5 bytes.
        let nothing = Observation::default();
        assert_eq!(super::judge(&Outcome::Clean, &nothing, 5), ScanVerdict::Clean);
        assert_eq!(reason(&super::judge(&Outcome::Clean, &nothing, 6)), "engine failed");
    }

    #[test]
    fn a_warning_is_never_clean_and_hides_no_malware() {
        let mut observation = observe(&[]);
        observation.warn(b"LibClamAV Warning: cut short\n");
        observation.warn(b"LibClamAV Error: again\n");
        let expected = "LibClamAV Warning: cut short (and 1 more)";
        assert_eq!(
            judge(&Outcome::Clean, &observation),
            ScanVerdict::unscannable(UnscannableReason::Incomplete, expected)
        );
        observation.enter(b"CL_TYPE_ANY");
        observation.find(b"Win.Test.X");
        assert!(matches!(judge(&Outcome::Found, &observation), ScanVerdict::Infected { .. }));
    }

    #[test]
    fn limits_and_encryption_are_unscannable_whatever_the_return_code() {
        for outcome in [Outcome::Clean, Outcome::Found] {
            let limit = observe(&["Heuristics.Limits.Exceeded.MaxRecursion"]);
            assert_eq!(reason(&judge(&outcome, &limit)), "limits exceeded");
            assert_eq!(reason(&judge(&outcome, &observe(&["Heuristics.Encrypted.Zip"]))), "encrypted");
        }
    }

    #[test]
    fn malware_beside_a_limit_or_an_error_stays_infected() {
        let observation = observe(&["Heuristics.Encrypted.Zip", "Win.Test.X.UNOFFICIAL", "Win.Test.X.UNOFFICIAL"]);
        for outcome in [Outcome::Found, Outcome::Error("x".to_owned())] {
            let ScanVerdict::Infected { detections, omitted: 0 } = judge(&outcome, &observation) else { panic!() };
            let threats: Vec<_> = detections.iter().map(|detection| detection.threat.as_str()).collect();
            assert_eq!(threats, ["Win.Test.X"]);
        }
    }
}
