//! What the server tells CloudWatch: a line of embedded metric format a minute, or a few, on standard output.
//!
//! The format is `lazaret_model::metrics`, which has the names and units as well; `docs/metrics.md` explains them. Questions about
//! the server's health are not counted: a load balancer asks more often than most callers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use lazaret_model::Verdict;
use lazaret_model::metrics::names::agent::DEFINITIONS_AGE;
use lazaret_model::metrics::names::api::{
    ANSWERS_2XX, ANSWERS_4XX, ANSWERS_5XX, BYTES, CLEAN, ERROR, INFECTED, INFECTED_ALLOWED, LOGINS_FAILED, QUEUE_DEPTH,
    QUEUE_WAIT, REFUSED_LOGINS, REFUSED_QUEUE, REFUSED_RECEIVING, REFUSED_ROOM, SCAN, UNSCANNABLE,
};
use lazaret_model::metrics::{Metric, lines};
use serde_json::{Map, Value};

use crate::problem::Cause;

/// CloudWatch keeps metrics by the minute.
const EVERY: Duration = Duration::from_secs(60);

/// Times that are kept between two lines. Of more scans in a minute the first are told: 170 a second, which no task does for long.
const TIMES: usize = 10_000;

/// All that are told even if they are zero: a metric that has no value has no alarm.
const COUNTED: [Metric; 14] = [
    ANSWERS_2XX,
    ANSWERS_4XX,
    ANSWERS_5XX,
    REFUSED_QUEUE,
    REFUSED_RECEIVING,
    REFUSED_ROOM,
    REFUSED_LOGINS,
    LOGINS_FAILED,
    CLEAN,
    INFECTED,
    INFECTED_ALLOWED,
    UNSCANNABLE,
    ERROR,
    BYTES,
];

/// What is counted since the line before.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    numbers: BTreeMap<Metric, u64>,
    /// In milliseconds, as are the scans.
    waits: Vec<u64>,
    scans: Vec<u64>,
}

impl Tally {
    /// An answer; `refused` says why, if it is a 429.
    pub fn answered(&self, status: StatusCode, refused: Option<Cause>) {
        let class = match status.as_u16() {
            ..400 => ANSWERS_2XX,
            400..500 => ANSWERS_4XX,
            _ => ANSWERS_5XX,
        };
        let mut counts = self.counts();
        counts.add(class, 1);
        if let Some(cause) = refused {
            counts.add(refusal(cause), 1);
        }
    }

    pub fn login_failed(&self) {
        self.counts().add(LOGINS_FAILED, 1);
    }

    /// The verdicts on the files of one request, and the bytes that it brought.
    pub fn judged<'a>(&self, verdicts: impl Iterator<Item = &'a Verdict>, bytes: u64) {
        let mut counts = self.counts();
        counts.add(BYTES, bytes);
        for verdict in verdicts {
            counts.add(judgement(verdict), 1);
        }
    }

    /// How long a file waited for the engine, and how long it was there.
    pub fn scanned(&self, waited: Duration, took: Duration) {
        let counts = &mut *self.counts();
        for (times, time) in [(&mut counts.waits, waited), (&mut counts.scans, took)] {
            if times.len() < TIMES {
                times.push(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            }
        }
    }

    /// Writes a line every minute, for as long as it is asked to.
    pub async fn keep_writing(&self, read: impl Fn() -> Readings) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write(read());
        }
    }

    /// A standard output that is gone costs a metric, not a verdict.
    pub fn write(&self, readings: Readings) {
        let mut out = std::io::stdout().lock();
        for line in self.lines(Timestamp::now(), readings) {
            let _ = writeln!(out, "{}", Value::Object(line));
        }
    }

    /// What was counted since the last call, and what is read now.
    pub fn lines(&self, now: Timestamp, readings: Readings) -> Vec<Map<String, Value>> {
        let Counts { numbers: counted, waits, scans } = std::mem::take(&mut *self.counts());
        let told = COUNTED.into_iter().map(|metric| (metric, counted.get(&metric).copied().unwrap_or_default()));
        let mut numbers: Vec<(Metric, u64)> = told.collect();
        numbers.push((QUEUE_DEPTH, readings.queue_depth as u64));
        numbers.extend(readings.definitions_age_seconds.map(|age| (DEFINITIONS_AGE, age)));
        lines(now, numbers, &[(QUEUE_WAIT, &waits), (SCAN, &scans)])
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, metric: Metric, by: u64) {
        *self.numbers.entry(metric).or_default() += by;
    }
}

/// What there is to read, beside what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    pub definitions_age_seconds: Option<u64>,
    pub queue_depth: usize,
}

fn refusal(cause: Cause) -> Metric {
    match cause {
        Cause::Queue => REFUSED_QUEUE,
        Cause::Receiving => REFUSED_RECEIVING,
        Cause::Room => REFUSED_ROOM,
        Cause::Logins => REFUSED_LOGINS,
    }
}

/// As its caller is told: `answer::ScanResult`.
fn judgement(verdict: &Verdict) -> Metric {
    match verdict {
        Verdict::Clean => CLEAN,
        Verdict::Infected { .. } => INFECTED,
        Verdict::InfectedAllowed { .. } => INFECTED_ALLOWED,
        Verdict::Unscannable { .. } | Verdict::Skipped { .. } => UNSCANNABLE,
        Verdict::Error { .. } | Verdict::Gone { .. } => ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn told(tally: &Tally, readings: Readings) -> Map<String, Value> {
        let lines = tally.lines(Timestamp::UNIX_EPOCH, readings);
        assert_eq!(lines.len(), 1);
        lines.into_iter().next().expect("one line")
    }

    #[test]
    fn each_line_tells_what_is_new_and_what_is_zero() {
        let tally = Tally::default();
        for (status, refused) in [(200, None), (202, None), (401, None), (429, Some(Cause::Room)), (503, None)] {
            tally.answered(StatusCode::from_u16(status).expect("a status"), refused);
        }
        tally.judged([Verdict::Clean, Verdict::InfectedAllowed { findings: Vec::new() }, Verdict::Clean].iter(), 1_000);
        tally.scanned(Duration::from_millis(7), Duration::from_millis(30));
        let first = told(&tally, Readings { definitions_age_seconds: Some(90), queue_depth: 5 });
        let expected = [
            ("ApiAnswers2xx", json!(2)),
            ("ApiAnswers4xx", json!(2)),
            ("ApiAnswers5xx", json!(1)),
            ("ApiRefusedRoom", json!(1)),
            ("ApiRefusedQueue", json!(0)),
            ("ApiClean", json!(2)),
            ("ApiInfectedAllowed", json!(1)),
            ("ApiError", json!(0)),
            ("ApiBytes", json!(1_000)),
            ("ApiQueueDepth", json!(5)),
            ("ApiQueueWaitMilliseconds", json!([7])),
            ("ApiScanMilliseconds", json!([30])),
            ("DefinitionsAgeSeconds", json!(90)),
        ];
        for (name, value) in expected {
            assert_eq!(first[name], value, "{name}");
        }
        let second = told(&tally, Readings::default());
        assert_eq!((&second["ApiAnswers2xx"], &second["ApiBytes"]), (&json!(0), &json!(0)));
        assert!(!second.contains_key("ApiScanMilliseconds") && !second.contains_key("DefinitionsAgeSeconds"));
    }

    #[test]
    fn times_are_kept_up_to_a_bound() {
        let tally = Tally::default();
        for _ in 0..TIMES + 10 {
            tally.scanned(Duration::MAX, Duration::ZERO);
        }
        assert_eq!(tally.lines(Timestamp::UNIX_EPOCH, Readings::default()).len(), TIMES / 100);
    }

    #[test]
    fn every_metric_is_in_the_documentation_and_no_other() {
        let tally = Tally::default();
        tally.scanned(Duration::ZERO, Duration::ZERO);
        let line = told(&tally, Readings { definitions_age_seconds: Some(0), queue_depth: 0 });
        let told: BTreeSet<&str> = line.keys().map(String::as_str).filter(|name| name.starts_with("Api")).collect();
        let document = include_str!("../../docs/metrics.md");
        let written: BTreeSet<&str> =
            document.split('`').filter(|text| text.starts_with("Api") && !text.contains(' ')).collect();
        assert_eq!(told, written);
    }
}
