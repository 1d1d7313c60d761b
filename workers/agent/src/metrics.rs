//! What an agent tells CloudWatch: a line of embedded metric format a minute, or a few, on standard output.
//!
//! The format is `lazaret_model::metrics`, which has the names and units as well. The log itself goes to standard error.

use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::metrics::lines;
use lazaret_model::metrics::names::agent::{
    CACHE_HITS, CACHE_MISSES, DEFINITIONS_AGE, EVENT_LATENCY, EVENTS, EVENTS_BYTES, JOBS, JOBS_AGENTS, JOBS_BYTES,
    SCANNED,
};
use lazaret_model::{DefinitionsStamp, JobId, Verdict};
use serde_json::{Value, json};

use crate::scan::{Content, EngineGone, Scanned, Scanner};
use crate::tally::{Counts, Tally};

/// CloudWatch keeps metrics by the minute.
const EVERY: Duration = Duration::from_secs(60);

/// What there is to tell; counts are since the agent's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    pub definitions_age_seconds: Option<u64>,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub scanned: u64,
}

/// Whose metrics they are.
pub enum Teller {
    Job(JobId),
    /// An agent that waits for events.
    Events,
}

/// Writes what has changed since the line before.
pub struct Metrics {
    teller: Teller,
    tally: Arc<Tally>,
    read: Box<dyn Fn() -> Readings + Send + Sync>,
    told: Mutex<Readings>,
}

impl Metrics {
    pub fn new(teller: Teller, tally: Arc<Tally>, read: impl Fn() -> Readings + Send + Sync + 'static) -> Self {
        Self { teller, tally, read: Box::new(read), told: Mutex::default() }
    }

    pub async fn keep_writing(&self) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write();
        }
    }

    /// A standard output that is gone costs a metric, not a verdict.
    pub fn write(&self) {
        let mut out = std::io::stdout().lock();
        for line in self.lines(Timestamp::now()) {
            let _ = writeln!(out, "{line}");
        }
    }

    /// One line, and others only for latencies that don't fit into it.
    fn lines(&self, now: Timestamp) -> Vec<Value> {
        let readings = (self.read)();
        let before = std::mem::replace(&mut *self.told.lock().expect("no one panics while telling"), readings);
        let mut numbers = vec![
            (CACHE_HITS, readings.cache_hits - before.cache_hits),
            (CACHE_MISSES, readings.cache_misses - before.cache_misses),
            (SCANNED, readings.scanned - before.scanned),
        ];
        numbers.extend(readings.definitions_age_seconds.map(|age| (DEFINITIONS_AGE, age)));
        let Counts { verdicts, bytes, latencies } = self.tally.take();
        let count = |verdict| verdicts.get(verdict).copied().unwrap_or_default();
        let mut lines = match &self.teller {
            Teller::Job(_) => {
                numbers.extend(JOBS.map(|(verdict, metric)| (metric, count(verdict))));
                numbers.extend([(JOBS_BYTES, bytes), (JOBS_AGENTS, 1)]);
                lines(now, numbers, &[])
            }
            Teller::Events => {
                numbers.extend(EVENTS.map(|(verdict, metric)| (metric, count(verdict))));
                numbers.push((EVENTS_BYTES, bytes));
                lines(now, numbers, &[(EVENT_LATENCY, &latencies)])
            }
        };
        if let Teller::Job(job_id) = &self.teller {
            for line in &mut lines {
                line.insert("job.id".to_owned(), json!(job_id)); // to search by; not a dimension
            }
        }
        lines.into_iter().map(Value::Object).collect()
    }
}

/// Counts what passes through.
pub struct Counted<S> {
    inner: S,
    scanned: AtomicU64,
}

impl<S: Scanner> Counted<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, scanned: AtomicU64::new(0) }
    }

    /// Contents that got a verdict so far.
    pub fn scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl<S: Scanner> Scanner for Counted<S> {
    async fn scan(&self, content: Content) -> Result<Scanned, EngineGone> {
        let scanned = self.inner.scan(content).await?;
        self.scanned.fetch_add(1, Ordering::Relaxed);
        Ok(scanned)
    }

    fn definitions(&self) -> Option<DefinitionsStamp> {
        self.inner.definitions()
    }

    fn without_engine(&self) -> Option<Verdict> {
        self.inner.without_engine()
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::ErrorReason;

    use super::*;

    #[test]
    fn each_line_tells_what_is_new_in_cloudwatchs_own_format() {
        let now = Arc::new(Mutex::new(Readings { scanned: 5, cache_misses: 5, ..Readings::default() }));
        let read = Arc::clone(&now);
        let job_id = "job-1".parse().expect("an id");
        let tally = Arc::new(Tally::default());
        tally.count(&Verdict::Clean, 700);
        tally.count(&Verdict::Error { reason: ErrorReason::AccessDenied, detail: String::new() }, 50);
        let metrics = Metrics::new(Teller::Job(job_id), tally, move || *read.lock().expect("not poisoned"));
        let at = Timestamp::from_second(1_700_000_000).expect("a time");
        let [first] = &metrics.lines(at)[..] else { panic!("one line") };
        assert_eq!(first["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        assert_eq!(first.get("DefinitionsAgeSeconds"), None, "there are none");
        assert_eq!((&first["JobsClean"], &first["JobsError"], &first["JobsGone"]), (&json!(1), &json!(1), &json!(0)));
        assert_eq!((&first["JobsBytes"], &first["JobsAgents"]), (&json!(750), &json!(1)));
        *now.lock().expect("not poisoned") =
            Readings { definitions_age_seconds: Some(90), scanned: 9, cache_misses: 6, cache_hits: 3 };
        let second = &metrics.lines(at)[0];
        assert_eq!((&second["ScannedObjects"], &second["VerdictCacheHits"]), (&json!(4), &json!(3)));
        assert_eq!((&second["VerdictCacheMisses"], &second["DefinitionsAgeSeconds"]), (&json!(1), &json!(90)));
        let directive = &second["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Lazaret"), &json!([[]])));
        for metric in directive["Metrics"].as_array().expect("metrics") {
            let name = metric["Name"].as_str().expect("a name");
            assert!(second[name].is_u64(), "{name} has a value");
            assert!(["Seconds", "Count", "Bytes"].contains(&metric["Unit"].as_str().expect("a unit")));
        }
    }

    #[test]
    fn new_objects_are_counted_by_verdict_and_their_latencies_split_into_lines() {
        let tally = Arc::new(Tally::default());
        let metrics = Metrics::new(Teller::Events, Arc::clone(&tally), Readings::default);
        let [stored, acted] = [1_000, 1_250].map(|ms| Timestamp::from_millisecond(ms).expect("a time"));
        for _ in 0..250 {
            tally.count(&Verdict::Clean, 2);
            tally.took(stored, acted);
        }
        tally.count(&Verdict::Infected { findings: Vec::new() }, 9);
        tally.took(acted, stored);
        let lines = metrics.lines(acted);
        assert_eq!((&lines[0]["EventsClean"], &lines[0]["EventsInfected"]), (&json!(250), &json!(1)));
        assert_eq!(lines[0]["EventsBytes"], json!(509));
        assert_eq!(lines[0]["EventsError"], json!(0), "a metric that has no value has no alarm");
        let latencies: Vec<_> = lines.iter().map(|line| line["EventLatencyMilliseconds"].as_array()).collect();
        let latencies: Vec<_> = latencies.into_iter().map(|values| values.expect("values").len()).collect();
        assert_eq!(latencies, [100, 100, 51]);
        assert_eq!(lines[2]["EventLatencyMilliseconds"][50], json!(0), "S3's clock was ahead");
        assert_eq!(lines[0].get("job.id"), None);
        let second = metrics.lines(acted);
        assert_eq!((second.len(), &second[0]["EventsClean"]), (1, &json!(0)));
        assert_eq!(second[0].get("EventLatencyMilliseconds"), None);
        assert_eq!(EVENTS.map(|(verdict, metric)| metric.name == format!("Events{verdict}")), [true; 6]);
        assert_eq!(JOBS.map(|(verdict, metric)| metric.name == format!("Jobs{verdict}")), [true; 7]);
    }
}
