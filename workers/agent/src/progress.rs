//! Counters for whoever watches the job.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lazaret_aws::ObjectStore;
use lazaret_aws::objects::PutCondition;
use lazaret_model::{JobId, Progress, ResultRow, Verdict, layout};
use tokio::time::timeout;
use tracing::debug;
use uuid::Uuid;

/// A write of the counters takes no longer: the agent's end must not wait for them.
const WRITE: Duration = Duration::from_secs(5);

/// The counters of this agent, at a key of their own.
pub struct ProgressBoard {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
    key: String,
    now: Mutex<Progress>,
    written: Mutex<Progress>,
}

impl ProgressBoard {
    pub fn new(store: Arc<dyn ObjectStore>, results_bucket: String, job_id: &JobId) -> Self {
        let key = layout::progress_key(job_id, &format!("agent-{}", Uuid::new_v4()));
        Self { store, results_bucket, key, now: Mutex::default(), written: Mutex::default() }
    }

    /// Counts the rows of a packet that were recorded for the first time.
    pub fn count(&self, rows: &[ResultRow]) {
        let infected = rows.iter().filter(|row| matches!(row.verdict, Verdict::Infected { .. })).count();
        *self.now.lock().expect("no one panics while counting") += Progress {
            scanned: rows.len() as u64,
            infected: infected as u64,
            bytes: rows.iter().map(|row| row.object.size).sum(),
            cache_hits: rows.iter().filter(|row| row.evidence.cached).count() as u64,
            ..Progress::default()
        };
    }

    pub fn now(&self) -> Progress {
        *self.now.lock().expect("no one panics while counting")
    }

    /// Writes the counters every so often while they change.
    pub async fn keep_writing(&self, every: Duration) -> Infallible {
        loop {
            tokio::time::sleep(every).await;
            self.write().await;
        }
    }

    /// Writes the counters if they changed. A failure is nobody's loss: the next write has it all.
    pub async fn write(&self) {
        let now = self.now();
        if now == *self.written.lock().expect("no one panics while counting") {
            return;
        }
        let json = Bytes::from(serde_json::to_vec(&now).expect("counters are JSON"));
        let put = self.store.put(&self.results_bucket, &self.key, json, "application/json", PutCondition::Always);
        match timeout(WRITE, put).await {
            Ok(Ok(_)) => *self.written.lock().expect("no one panics while counting") = now,
            Ok(Err(error)) => debug!(%error, "The progress was not written"),
            Err(_) => debug!("The progress was not written in time"),
        }
    }
}
