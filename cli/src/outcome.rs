//! How the program ends: clamscan's exit codes.

use std::process::ExitCode;

use lazaret_model::Totals;
use lazaret_model::summary::Status;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The command did what it was asked; where it speaks of a job, that job is complete and found nothing.
    NothingFound,
    /// The job is complete and found something.
    Infected,
    /// The job failed, was stopped or is incomplete, or the command could not be done.
    Failed,
    /// Ctrl-C while a job was watched: the job goes on. 128 + SIGINT, as shells have it.
    Interrupted,
}

impl Outcome {
    /// Only a complete job says that nothing was found. `InfectedAllowed` was accepted by the owner and is no finding.
    pub fn of_job(status: Status, totals: &Totals) -> Self {
        match status {
            Status::Complete if totals.infected > 0 => Self::Infected,
            Status::Complete => Self::NothingFound,
            Status::Running | Status::Incomplete | Status::Failed | Status::Stopped => Self::Failed,
        }
    }

    pub const fn code(self) -> u8 {
        match self {
            Self::NothingFound => 0,
            Self::Infected => 1,
            Self::Failed => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_job_without_findings_ends_with_zero() {
        let totals = |infected| Totals { infected, infected_allowed: 1, unscannable: 1, error: 1, ..Totals::default() };
        assert_eq!(Outcome::of_job(Status::Complete, &totals(0)).code(), 0);
        assert_eq!(Outcome::of_job(Status::Complete, &totals(1)).code(), 1);
        for status in [Status::Running, Status::Incomplete, Status::Failed, Status::Stopped] {
            assert_eq!(Outcome::of_job(status, &totals(0)).code(), 2, "{status:?}");
            assert_eq!(Outcome::of_job(status, &totals(1)).code(), 2, "{status:?}");
        }
    }
}
