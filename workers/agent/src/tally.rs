//! What is counted for CloudWatch: verdicts on objects, and, of new ones, how long they took from the event to the action.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use lazaret_model::Verdict;

/// Latencies that are kept between two lines of metrics. An agent does some hundred objects a second at most; what is above this is
/// left out, and the percentiles are none the worse.
const LATENCIES: usize = 10_000;

/// Counts since the last look.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the verdict's name.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Of the objects.
    pub bytes: u64,
    /// In milliseconds.
    pub latencies: Vec<u64>,
}

impl Tally {
    /// An object that has its verdict.
    pub fn count(&self, verdict: &Verdict, bytes: u64) {
        let mut counts = self.0.lock().expect("no one panics while counting");
        *counts.verdicts.entry(verdict.name()).or_default() += 1;
        counts.bytes = counts.bytes.saturating_add(bytes);
    }

    /// A new object whose action is done.
    pub fn took(&self, stored: Timestamp, acted: Timestamp) {
        let mut counts = self.0.lock().expect("no one panics while counting");
        if counts.latencies.len() < LATENCIES {
            // two clocks: S3's may be ahead of ours
            let milliseconds = acted.as_millisecond().saturating_sub(stored.as_millisecond());
            counts.latencies.push(u64::try_from(milliseconds).unwrap_or_default());
        }
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().expect("no one panics while counting"))
    }
}
