//! Counters for whoever watches the job.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_aws::objects::PutCondition;
use lazaret_model::calibration::AgentAccount;
use lazaret_model::{JobId, ResultRow, layout};
use tokio::time::{Instant, timeout};
use tracing::debug;
use uuid::Uuid;

/// A write of the counters takes no longer: the agent's end must not wait for them.
const WRITE: Duration = Duration::from_secs(5);

/// The counters of this agent, at a key of their own.
pub struct ProgressBoard {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
    key: String,
    books: Mutex<Books>,
    written: Mutex<AgentAccount>,
}

#[derive(Default)]
struct Books {
    account: AgentAccount,
    packets_in_hand: u32,
    /// Until when the time with packets in hand is in the account; none while there are none.
    busy_since: Option<Instant>,
}

impl Books {
    /// Brings the time with packets in hand up to now.
    fn clock(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.busy_since {
            let milliseconds = (now - since).as_millis() as u64;
            self.account.busy_milliseconds += milliseconds;
            // what is less than a millisecond is counted the next time
            self.busy_since = Some(since + Duration::from_millis(milliseconds));
        }
        if self.packets_in_hand == 0 {
            self.busy_since = None;
        } else if self.busy_since.is_none() {
            self.busy_since = Some(now);
        }
    }
}

/// A packet in hand, until it is dropped.
pub struct InHand<'a>(&'a ProgressBoard);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut books = self.0.books.lock().expect("no one panics while counting");
        books.packets_in_hand -= 1;
        books.clock();
    }
}

impl ProgressBoard {
    pub fn new(store: Arc<dyn ObjectStore>, results_bucket: String, job_id: &JobId) -> Self {
        let key = layout::progress_key(job_id, &format!("agent-{}", Uuid::new_v4()));
        Self { store, results_bucket, key, books: Mutex::default(), written: Mutex::default() }
    }

    /// Counts the time until the answer is dropped as the agent's, once however many packets it has.
    pub fn in_hand(&self) -> InHand<'_> {
        let mut books = self.books.lock().expect("no one panics while counting");
        books.packets_in_hand += 1;
        books.clock();
        books.account.first_packet_at.get_or_insert_with(Timestamp::now);
        InHand(self)
    }

    /// Counts the rows of a packet that were recorded for the first time.
    pub fn count(&self, rows: &[ResultRow]) {
        self.books.lock().expect("no one panics while counting").account.count(rows);
    }

    pub fn now(&self) -> AgentAccount {
        let mut books = self.books.lock().expect("no one panics while counting");
        books.clock();
        books.account
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
