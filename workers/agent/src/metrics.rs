//! What an agent tells CloudWatch: one line of embedded metric format a minute, on standard output.
//!
//! CloudWatch makes metrics of such lines in a task's log: no API is called, no permission is needed. The log itself goes to
//! standard error. Names and units stand here and nowhere else.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::{DefinitionsStamp, JobId, Verdict};
use serde_json::{Map, Value, json};

use crate::scan::{Content, EngineGone, Scanned, Scanner};

const NAMESPACE: &str = "Lazaret";

/// CloudWatch keeps metrics by the minute.
const EVERY: Duration = Duration::from_secs(60);

/// A metric and its unit, as CloudWatch spells them. No dimensions: one job's agents are added up, and each value of a
/// dimension is a metric that costs.
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

/// What there is to tell; counts are since the agent's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    pub definitions_age_seconds: Option<u64>,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub scanned: u64,
}

/// Writes what has changed since the line before.
pub struct Metrics {
    job_id: JobId,
    read: Box<dyn Fn() -> Readings + Send + Sync>,
    told: Mutex<Readings>,
}

impl Metrics {
    pub fn new(job_id: JobId, read: impl Fn() -> Readings + Send + Sync + 'static) -> Self {
        Self { job_id, read: Box::new(read), told: Mutex::default() }
    }

    pub async fn keep_writing(&self) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write();
        }
    }

    /// One line. A standard output that is gone costs a metric, not a verdict.
    pub fn write(&self) {
        let _ = writeln!(std::io::stdout().lock(), "{}", self.line(Timestamp::now()));
    }

    fn line(&self, now: Timestamp) -> Value {
        let readings = (self.read)();
        let before = std::mem::replace(&mut *self.told.lock().expect("no one panics while telling"), readings);
        let values = [
            (DEFINITIONS_AGE, readings.definitions_age_seconds),
            (CACHE_HITS, Some(readings.cache_hits - before.cache_hits)),
            (CACHE_MISSES, Some(readings.cache_misses - before.cache_misses)),
            (SCANNED, Some(readings.scanned - before.scanned)),
        ];
        let known = || values.iter().filter_map(|(metric, value)| Some((metric, (*value)?)));
        let metrics: Vec<_> = known().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
        let mut line: Map<String, Value> =
            known().map(|(metric, value)| (metric.name.to_owned(), json!(value))).collect();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics});
        line.insert("_aws".to_owned(), json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}));
        line.insert("job.id".to_owned(), json!(self.job_id)); // to search by; not a dimension
        Value::Object(line)
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_line_tells_what_is_new_in_cloudwatchs_own_format() {
        let now = Arc::new(Mutex::new(Readings { scanned: 5, cache_misses: 5, ..Readings::default() }));
        let read = Arc::clone(&now);
        let job_id = "job-1".parse().expect("an id");
        let metrics = Metrics::new(job_id, move || *read.lock().expect("not poisoned"));
        let at = Timestamp::from_second(1_700_000_000).expect("a time");
        let first = metrics.line(at);
        assert_eq!(first["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        assert_eq!(first.get("DefinitionsAgeSeconds"), None, "there are none");
        *now.lock().expect("not poisoned") =
            Readings { definitions_age_seconds: Some(90), scanned: 9, cache_misses: 6, cache_hits: 3 };
        let second = metrics.line(at);
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
}
