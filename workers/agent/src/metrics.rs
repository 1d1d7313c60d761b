//! What an agent tells CloudWatch: a line of embedded metric format a minute, or a few, on standard output.
//!
//! CloudWatch makes metrics of such lines in a task's log: no API is called, no permission is needed. The log itself goes to
//! standard error. Names and units stand here and nowhere else.

use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::{DefinitionsStamp, JobId, Verdict};
use serde_json::{Map, Value, json};

use crate::events::tally::{Counts, Tally};
use crate::scan::{Content, EngineGone, Scanned, Scanner};

const NAMESPACE: &str = "Lazaret";

/// CloudWatch keeps metrics by the minute.
const EVERY: Duration = Duration::from_secs(60);

/// Values of one metric that a line may have (CloudWatch's specification of the format).
const VALUES_A_LINE: usize = 100;

/// A metric and its unit, as CloudWatch spells them. No dimensions: agents are added up, and each value of a dimension is a metric that
/// costs.
#[derive(Debug, Clone, Copy)]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// Of the set in force; missing while there is none.
const DEFINITIONS_AGE: Metric = Metric { name: "DefinitionsAgeSeconds", unit: "Seconds" };
/// Verdicts that were known already.
const CACHE_HITS: Metric = Metric { name: "VerdictCacheHits", unit: "Count" };
/// Scans that the cache could not spare. Hits and misses are 0 where it is off.
const CACHE_MISSES: Metric = Metric { name: "VerdictCacheMisses", unit: "Count" };
/// Verdicts on contents, the cache's among them.
const SCANNED: Metric = Metric { name: "ScannedObjects", unit: "Count" };
/// New objects by their verdict. A metric each and no dimension: it costs the same, and goes into the one line with all others.
const EVENTS: [(&str, Metric); 6] = [
    ("Clean", Metric { name: "EventsClean", unit: "Count" }),
    ("Infected", Metric { name: "EventsInfected", unit: "Count" }),
    ("InfectedAllowed", Metric { name: "EventsInfectedAllowed", unit: "Count" }),
    ("Unscannable", Metric { name: "EventsUnscannable", unit: "Count" }),
    ("Error", Metric { name: "EventsError", unit: "Count" }),
    ("Skipped", Metric { name: "EventsSkipped", unit: "Count" }),
];
/// From the event's time to the end of its action, of each new object.
const EVENT_LATENCY: Metric = Metric { name: "EventLatencyMilliseconds", unit: "Milliseconds" };

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
    /// Of an agent that waits for events.
    Events(Arc<Tally>),
}

/// Writes what has changed since the line before.
pub struct Metrics {
    teller: Teller,
    read: Box<dyn Fn() -> Readings + Send + Sync>,
    told: Mutex<Readings>,
}

impl Metrics {
    pub fn new(teller: Teller, read: impl Fn() -> Readings + Send + Sync + 'static) -> Self {
        Self { teller, read: Box::new(read), told: Mutex::default() }
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
        let mut values = vec![
            (CACHE_HITS, json!(readings.cache_hits - before.cache_hits)),
            (CACHE_MISSES, json!(readings.cache_misses - before.cache_misses)),
            (SCANNED, json!(readings.scanned - before.scanned)),
        ];
        values.extend(readings.definitions_age_seconds.map(|age| (DEFINITIONS_AGE, json!(age))));
        let tally = match &self.teller {
            Teller::Job(job_id) => {
                let mut line = line(now, values);
                line.insert("job.id".to_owned(), json!(job_id)); // to search by; not a dimension
                return vec![Value::Object(line)];
            }
            Teller::Events(tally) => tally,
        };
        let Counts { verdicts, latencies } = tally.take();
        values.extend(
            EVENTS.map(|(verdict, metric)| (metric, json!(verdicts.get(verdict).copied().unwrap_or_default()))),
        );
        let mut latencies = latencies.chunks(VALUES_A_LINE).map(|values| (EVENT_LATENCY, json!(values)));
        values.extend(latencies.next());
        let more = latencies.map(|values| vec![values]);
        std::iter::once(values).chain(more).map(|values| Value::Object(line(now, values))).collect()
    }
}

fn line(now: Timestamp, values: Vec<(Metric, Value)>) -> Map<String, Value> {
    let metrics: Vec<_> = values.iter().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
    let mut line: Map<String, Value> =
        values.into_iter().map(|(metric, value)| (metric.name.to_owned(), value)).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics});
    line.insert("_aws".to_owned(), json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}));
    line
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
    use super::*;

    #[test]
    fn each_line_tells_what_is_new_in_cloudwatchs_own_format() {
        let now = Arc::new(Mutex::new(Readings { scanned: 5, cache_misses: 5, ..Readings::default() }));
        let read = Arc::clone(&now);
        let job_id = "job-1".parse().expect("an id");
        let metrics = Metrics::new(Teller::Job(job_id), move || *read.lock().expect("not poisoned"));
        let at = Timestamp::from_second(1_700_000_000).expect("a time");
        let [first] = &metrics.lines(at)[..] else { panic!("one line") };
        assert_eq!(first["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        assert_eq!(first.get("DefinitionsAgeSeconds"), None, "there are none");
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
            assert!(["Seconds", "Count"].contains(&metric["Unit"].as_str().expect("a unit")));
        }
    }

    #[test]
    fn new_objects_are_counted_by_verdict_and_their_latencies_split_into_lines() {
        let tally = Arc::new(Tally::default());
        let metrics = Metrics::new(Teller::Events(Arc::clone(&tally)), Readings::default);
        let [stored, acted] = [1_000, 1_250].map(|ms| Timestamp::from_millisecond(ms).expect("a time"));
        for _ in 0..250 {
            tally.count(&Verdict::Clean, stored, acted);
        }
        tally.count(&Verdict::Infected { findings: Vec::new() }, acted, stored);
        let lines = metrics.lines(acted);
        assert_eq!((&lines[0]["EventsClean"], &lines[0]["EventsInfected"]), (&json!(250), &json!(1)));
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
    }
}
