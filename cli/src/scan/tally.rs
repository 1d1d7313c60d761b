//! What came of everything, and the exit code.

use std::time::Duration;

use lazaret_model::Verdict;

use crate::outcome::Outcome;
use crate::scan::examined::Examined;
use crate::units;

/// Counts of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub clean: u64,
    pub infected: u64,
    pub unscannable: u64,
    pub errors: u64,
    /// Archived objects.
    pub skipped: u64,
    /// Objects that were deleted or overwritten after they were listed.
    pub gone: u64,
    pub noted: u64,
    pub cache_hits: u64,
    /// Of all that was scanned.
    pub bytes: u64,
    /// Links below folders, which are not followed.
    pub links: u64,
    /// Pipes, sockets, devices and file systems of the kernel's.
    pub special: u64,
}

impl Tally {
    pub fn count(&mut self, examined: &Examined) {
        let counter = match examined.verdict {
            Verdict::Clean | Verdict::InfectedAllowed { .. } => &mut self.clean,
            Verdict::Infected { .. } => &mut self.infected,
            Verdict::Unscannable { .. } => &mut self.unscannable,
            Verdict::Error { .. } => &mut self.errors,
            Verdict::Skipped { .. } => &mut self.skipped,
            Verdict::Gone { .. } => &mut self.gone,
        };
        *counter += 1;
        self.noted += u64::from(!examined.evidence.notes.is_empty());
        self.cache_hits += u64::from(examined.evidence.cached);
        if examined.evidence.sha256.is_some() {
            self.bytes += examined.bytes;
        }
    }

    /// Files and objects with a verdict of any kind.
    pub fn all(&self) -> u64 {
        self.clean + self.infected + self.unscannable + self.errors + self.skipped + self.gone
    }

    /// As clamscan has it: what was found outweighs what went wrong. Only where everything was read to its end does the code
    /// say that nothing was found.
    pub fn outcome(&self) -> Outcome {
        if self.infected > 0 {
            Outcome::Infected
        } else if self.unscannable + self.errors + self.skipped > 0 {
            Outcome::Failed
        } else {
            Outcome::NothingFound
        }
    }

    /// The end, for a person.
    pub fn text(&self, took: Duration) -> String {
        let rare = [
            (self.unscannable, "unscannable"),
            (self.errors, "not read for an error"),
            (self.skipped, "archived"),
            (self.gone, "gone meanwhile"),
            (self.noted, "with notes"),
            (self.cache_hits, "known already"),
        ];
        let seconds = took.as_secs_f64();
        let mut text = format!(
            "Scanned {} ({}) in {}: {} infected",
            units::counted(self.all(), "file"),
            units::bytes(self.bytes),
            if seconds < 10.0 { format!("{seconds:.1} s") } else { units::duration(seconds) },
            units::count(self.infected)
        );
        for (number, what) in rare.into_iter().filter(|(number, _)| *number > 0) {
            text.push_str(&format!(", {} {what}", units::count(number)));
        }
        if self.links > 0 {
            text.push_str(&format!("; {} not followed", units::counted(self.links, "link")));
        }
        if self.special > 0 {
            text.push_str(&format!("; {} left out, named above", units::counted(self.special, "special file")));
        }
        let unread = self.unscannable + self.errors + self.skipped;
        if unread > 0 {
            let were = if unread == 1 { "was" } else { "were" };
            let unread = units::counted(unread, "file");
            text.push_str(&format!(".\n{unread} {were} not read to the end: nothing is known of what they hold"));
        }
        text.push('.');
        text
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason, UnscannableReason};
    use lazaret_model::{Evidence, Finding};

    use super::*;

    fn tally(verdicts: &[Verdict]) -> Tally {
        let mut tally = Tally::default();
        for verdict in verdicts {
            let evidence = Evidence { sha256: Some(String::new()), ..Evidence::default() };
            tally.count(&Examined { path: "p".into(), bytes: 1_500, verdict: verdict.clone(), evidence });
        }
        tally
    }

    fn verdicts() -> [Verdict; 5] {
        let finding = Finding { member: String::new(), threat: "T".into(), engine: "clamav".into() };
        [
            Verdict::Infected { findings: vec![finding] },
            Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() },
            Verdict::Error { reason: ErrorReason::EngineCrashed, detail: String::new() },
            Verdict::Skipped { reason: SkippedReason::Archived },
            Verdict::Gone { reason: GoneReason::Deleted },
        ]
    }

    #[test]
    fn the_code_is_zero_only_if_all_was_read_and_a_finding_outweighs_an_error() {
        let code = |verdicts: &[Verdict]| tally(verdicts).outcome().code();
        let [infected, unscannable, error, skipped, gone] = verdicts();
        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[Verdict::Clean, gone]), 0);
        for unread in [unscannable, error, skipped] {
            assert_eq!(code(&[Verdict::Clean, unread.clone()]), 2, "{unread:?}");
            assert_eq!(code(&[unread, infected.clone()]), 1);
        }
    }

    #[test]
    fn the_summary_names_what_there_is() {
        let mut all = tally(&verdicts());
        (all.links, all.special) = (2, 1);
        assert_eq!(
            all.text(Duration::from_millis(1_234)),
            "Scanned 5 files (7.5 KB) in 1.2 s: 1 infected, 1 unscannable, 1 not read for an error, 1 archived, 1 gone meanwhile; \
             2 links not followed; 1 special file left out, named above.\n\
             3 files were not read to the end: nothing is known of what they hold."
        );
        assert_eq!(
            tally(&[Verdict::Clean]).text(Duration::from_secs(75)),
            "Scanned 1 file (1.5 KB) in 1 min 15 s: 0 infected."
        );
    }
}
