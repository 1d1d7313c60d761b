//! A job's totals and the proof that it missed nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::ActionOutcome;
use crate::crawl::SizeHistogram;
use crate::job::{BucketScope, JobId, Source, Window};
use crate::plan::JobPlan;
use crate::result::{Evidence, ResultRow};
use crate::verdict::Verdict;

/// Objects by verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Objects that the listings returned.
    pub crawled: u64,
    pub in_window: u64,
    pub clean: u64,
    pub infected: u64,
    pub infected_allowed: u64,
    pub unscannable: u64,
    pub error: u64,
    pub skipped: u64,
    pub gone: u64,
    /// Bytes of all matched objects.
    pub bytes: u64,
    /// Actions that could not be done: an infected object that stands where it stood, a tag that is not there.
    pub actions_failed: u64,
    /// Objects whose bytes had been scanned before, under the same definitions.
    pub cache_hits: u64,
    /// Objects with a note, whatever their verdict.
    pub noted: u64,
}

impl Totals {
    pub fn count(&mut self, row: &ResultRow) {
        let counter = match row.verdict {
            Verdict::Clean => &mut self.clean,
            Verdict::Infected { .. } => &mut self.infected,
            Verdict::InfectedAllowed { .. } => &mut self.infected_allowed,
            Verdict::Unscannable { .. } => &mut self.unscannable,
            Verdict::Error { .. } => &mut self.error,
            Verdict::Skipped { .. } => &mut self.skipped,
            Verdict::Gone { .. } => &mut self.gone,
        };
        *counter += 1;
        self.bytes += row.object.size;
        let failed = |outcome: &ActionOutcome| matches!(outcome, ActionOutcome::Failed(_) | ActionOutcome::Pending);
        if row.action.as_ref().is_some_and(|action| failed(&action.outcome)) {
            self.actions_failed += 1;
        }
        self.cache_hits += u64::from(row.evidence.cached);
        self.noted += u64::from(!row.evidence.notes.is_empty());
    }

    /// Rows counted so far.
    pub fn rows(&self) -> u64 {
        self.clean + self.infected + self.infected_allowed + self.unscannable + self.error + self.skipped + self.gone
    }
}

/// Crawled = in window + outside, in window = rows, every packet has its part, no object twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    pub crawled: u64,
    pub in_window: u64,
    pub outside_window: u64,
    pub rows: u64,
    pub packets: u64,
    pub parts: u64,
    pub duplicates: u64,
    /// The first packets without a part, at most [`Completeness::NAMED`].
    pub missing_packets: Vec<String>,
    pub complete: bool,
}

impl Completeness {
    /// Missing packets that are named; the rest is the difference of the numbers.
    pub const NAMED: usize = 20;

    /// Holds what was reported against what was crawled.
    pub fn new(plan: &JobPlan, rows: u64, parts: u64, duplicates: u64, missing_packets: Vec<String>) -> Self {
        let (crawled, in_window, outside_window) = (plan.listed(), plan.matched(), plan.outside_window());
        let complete = crawled == in_window + outside_window
            && rows == in_window
            && parts == plan.packets()
            && duplicates == 0
            && missing_packets.is_empty();
        Self {
            crawled,
            in_window,
            outside_window,
            rows,
            packets: plan.packets(),
            parts,
            duplicates,
            missing_packets,
            complete,
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Running,
    /// Every matched object has its row.
    Complete,
    /// Rows are missing, or there are too many.
    Incomplete,
    /// Failed before a report could be made.
    Failed,
    Stopped,
}

/// Definitions that verdicts of a job rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionsUse {
    pub version: String,
    /// Rows that name it.
    pub objects: u64,
    /// How old they were at the last of these scans, if they say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_age_seconds: Option<u64>,
}

impl DefinitionsUse {
    /// Versions that a summary names. A job of hours may see two or three.
    pub const NAMED: usize = 20;

    /// Counts a row among `uses`, which are in the order of their first row.
    pub fn count(uses: &mut Vec<Self>, row: &ResultRow) {
        let Evidence { definitions: Some(version), definitions_age_seconds: age, .. } = &row.evidence else { return };
        if let Some(known) = uses.iter_mut().find(|known| known.version == *version) {
            known.objects += 1;
            known.oldest_age_seconds = known.oldest_age_seconds.max(*age);
        } else if uses.len() < Self::NAMED {
            uses.push(Self { version: version.clone(), objects: 1, oldest_age_seconds: *age });
        }
    }
}

/// A scope's own numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeTotals {
    pub scope: BucketScope,
    pub crawled: u64,
    pub in_window: u64,
}

/// The output of the execution: what a person sees in the console, and what `lazaret` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub job_id: JobId,
    pub status: Status,
    pub totals: Totals,
    pub completeness: Completeness,
    pub window: Window,
    pub source: Source,
    /// At most the first 100 scopes; the numbers above are of all.
    pub scopes: Vec<ScopeTotals>,
    /// Sizes of the objects that were to be scanned.
    pub sizes: SizeHistogram,
    /// The definitions that were used, at most [`DefinitionsUse::NAMED`].
    #[serde(default)]
    pub definitions: Vec<DefinitionsUse>,
    /// Agents that were launched, those launched again included.
    pub agents: u64,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Where the report lies: `s3://BUCKET/KEY`.
    pub report: String,
}
