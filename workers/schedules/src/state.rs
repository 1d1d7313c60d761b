//! How far a schedule has come: `schedules/<name>/state.json`. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use lazaret_model::job::{WindowInput, s3_opened};
use lazaret_model::{BucketScope, JobId, JobInput, JobLimits, Selection, Source, Upload, Window};
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, Takes};
use crate::name::ScheduleName;

/// An upload that has been open for so long no longer keeps objects of its key and time from being scanned.
pub const UPLOAD_PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where the last complete run of a bucket or prefix ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Objects before this are done, but for those of `open`.
    pub to: Timestamp,
    /// Uploads that were open when that run began.
    #[serde(default)]
    pub open: Vec<Upload>,
}

/// One bucket or prefix of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunScope {
    pub scope: BucketScope,
    /// The mark that it begins at.
    pub from: Timestamp,
    /// Uploads that are open as it begins.
    #[serde(default)]
    pub open: Vec<Upload>,
}

/// A run, from its claim to its settlement. Everything that its job is started with follows from this and from the marks, which do
/// not move meanwhile: whoever finds a claim whose job was never started can start it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub job_id: JobId,
    /// By S3's clock.
    pub claimed_at: Timestamp,
    #[serde(rename = "scope")]
    pub takes: Takes,
    pub to: Timestamp,
    pub scopes: Vec<RunScope>,
    pub target_minutes: u32,
    #[serde(default, skip_serializing_if = "JobLimits::is_none")]
    pub limits: JobLimits,
    /// When Step Functions had taken it; long after the claim, if the first try failed.
    pub started_at: Option<Timestamp>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    pub job_id: JobId,
    pub claimed_at: Timestamp,
    pub to: Timestamp,
    /// Every object that it matched has its row; only then the marks moved.
    pub complete: bool,
}

/// Why a bucket is no part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// There is no such bucket: it was deleted, or never made.
    Missing,
    /// It may not be listed. Its mark stays, and the first run that may list it begins there.
    Denied,
}

/// A bucket that the last run did without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub bucket: String,
    pub why: Why,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Missing => "does not exist",
            Why::Denied => "may not be listed",
        };
        write!(f, "`{}` {why}", self.bucket)
    }
}

/// The whole object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleState {
    /// By `bucket/prefix`.
    pub marks: BTreeMap<String, Mark>,
    pub running: Option<Run>,
    /// What follows as soon as the run has ended.
    pub queued: Option<Definition>,
    /// The newest of Scheduler's calls that was answered: one that comes again is no new run.
    pub last_due: Option<Timestamp>,
    pub last: Option<Ended>,
    /// Runs so far, which numbers them.
    pub runs: u32,
    /// Runs that did not take place because the one before was under way.
    pub refused: u32,
    pub left_out: Vec<LeftOut>,
}

impl ScheduleState {
    /// Where the next run of `new` begins in this scope.
    pub fn from(&self, scope: &BucketScope, definition: &Definition) -> Timestamp {
        let begin = || definition.from.unwrap_or_else(s3_opened);
        self.marks.get(&scope.to_string()).map_or_else(begin, |mark| mark.to)
    }

    /// Enters a run that nobody else has claimed.
    pub fn claim(&mut self, run: Run, due: Option<Timestamp>) {
        self.running = Some(run);
        self.queued = None;
        self.last_due = due.or(self.last_due);
        self.runs += 1;
    }

    /// The run that was under way has ended. A complete one moves the marks.
    pub fn end(&mut self, complete: bool) {
        let Some(run) = self.running.take() else { return };
        self.last = Some(Ended { job_id: run.job_id, claimed_at: run.claimed_at, to: run.to, complete });
        if complete && run.takes == Takes::New {
            for RunScope { scope, open, .. } in run.scopes {
                self.marks.insert(scope.to_string(), Mark { to: run.to, open });
            }
        }
    }

    /// What the crawlers of a run match, scope by scope; nothing for a run that takes all.
    pub fn selections(&self, run: &Run) -> Vec<Selection> {
        match run.takes {
            Takes::All => Vec::new(),
            Takes::New => run.scopes.iter().map(|scope| self.selection(scope, run.to)).collect(),
        }
    }

    fn selection(&self, scope: &RunScope, to: Timestamp) -> Selection {
        let is_old = |upload: &Upload, at: Timestamp| at.duration_since(upload.initiated) >= UPLOAD_PATIENCE;
        let open: BTreeSet<(&str, &str)> =
            scope.open.iter().map(|upload| (upload.key.as_str(), upload.upload_id.as_str())).collect();
        let before = self.marks.get(&scope.scope.to_string()).map_or(&[][..], |mark| &mark.open);
        let comes_in = |upload: &&Upload| {
            let closed = !open.contains(&(upload.key.as_str(), upload.upload_id.as_str()));
            closed || (is_old(upload, to) && !is_old(upload, scope.from))
        };
        Selection {
            window: Window { from: scope.from, to },
            left_out: scope.open.iter().filter(|upload| !is_old(upload, to)).cloned().collect(),
            taken_in: before.iter().filter(comes_in).cloned().collect(),
        }
    }
}

impl Run {
    /// The input of its job.
    pub fn input(&self, name: &ScheduleName) -> JobInput {
        let first = self.scopes.iter().map(|scope| scope.from).min();
        JobInput {
            buckets: self.scopes.iter().map(|scope| scope.scope.clone()).collect(),
            window: match self.takes {
                // up to its start
                Takes::All => WindowInput::default(),
                Takes::New => WindowInput { from: first, to: Some(self.to) },
            },
            source: Source::Schedule(name.to_string()),
            target_minutes: self.target_minutes,
            limits: self.limits,
            selected: self.takes == Takes::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + hours * 3600).expect("a time")
    }

    fn upload(key: &str, hours: i64) -> Upload {
        Upload { key: key.into(), upload_id: format!("id-{key}"), initiated: at(hours) }
    }

    fn run(from: i64, to: i64, open: Vec<Upload>) -> Run {
        Run {
            job_id: "nightly-1".parse().expect("an id"),
            claimed_at: at(to),
            takes: Takes::New,
            to: at(to),
            scopes: vec![RunScope { scope: BucketScope::parse("cargo"), from: at(from), open }],
            target_minutes: 60,
            limits: JobLimits::default(),
            started_at: Some(at(to)),
        }
    }

    #[test]
    fn only_a_complete_run_moves_the_mark() {
        let mut state = ScheduleState::default();
        for (complete, expected) in [(false, None), (true, Some(at(10)))] {
            state.claim(run(0, 10, vec![]), None);
            state.end(complete);
            assert_eq!(state.marks.get("cargo/").map(|mark| mark.to), expected);
        }
        assert_eq!((state.runs, state.running), (2, None));
    }

    #[test]
    fn a_run_that_takes_all_moves_no_mark() {
        let mut state = ScheduleState::default();
        state.claim(Run { takes: Takes::All, ..run(0, 10, vec![]) }, None);
        state.end(true);
        assert!(state.marks.is_empty());
    }

    #[test]
    fn an_upload_is_left_out_while_it_is_open_and_taken_in_once_it_is_closed() {
        let mut state = ScheduleState::default();
        let first = run(0, 10, vec![upload("a", 5), upload("b", 6)]);
        assert_eq!(state.selections(&first)[0].left_out.len(), 2);
        state.claim(first, None);
        state.end(true);

        let second = run(10, 20, vec![upload("b", 6)]);
        let selection = &state.selections(&second)[0];
        assert_eq!(selection.left_out, [upload("b", 6)]);
        assert_eq!(selection.taken_in, [upload("a", 5)]);
        // a run that failed leaves it to the next
        state.claim(second, None);
        state.end(false);
        let third = run(10, 30, vec![]);
        assert_eq!(state.selections(&third)[0].taken_in, [upload("a", 5), upload("b", 6)]);
    }

    #[test]
    fn an_upload_that_stays_open_hides_nothing_for_longer_than_a_week() {
        let mut state = ScheduleState::default();
        let week = UPLOAD_PATIENCE.as_hours();
        state.claim(run(0, 10, vec![upload("a", 5)]), None);
        state.end(true);
        let young = run(10, week, vec![upload("a", 5)]);
        assert_eq!((state.selections(&young)[0].left_out.len(), state.selections(&young)[0].taken_in.len()), (1, 0));
        let old = run(10, week + 5, vec![upload("a", 5)]);
        assert_eq!((state.selections(&old)[0].left_out.len(), state.selections(&old)[0].taken_in.len()), (0, 1));
        state.claim(old, None);
        state.end(true);
        let later = run(week + 5, week + 10, vec![upload("a", 5)]);
        assert_eq!((state.selections(&later)[0].left_out.len(), state.selections(&later)[0].taken_in.len()), (0, 0));
    }

    #[test]
    fn the_state_reads_itself_and_an_empty_one() {
        let mut state = ScheduleState::default();
        assert_eq!(serde_json::from_str::<ScheduleState>("{}").expect("a state"), state);
        state.claim(run(0, 10, vec![upload("a", 5)]), Some(at(9)));
        state.left_out.push(LeftOut { bucket: "gone".into(), why: Why::Missing });
        let json = serde_json::to_string(&state).expect("JSON");
        assert_eq!(serde_json::from_str::<ScheduleState>(&json).expect("a state"), state);
    }
}
