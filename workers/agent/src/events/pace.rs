//! Pace: starts of executions, about as fast as Step Functions takes them from this account.
//!
//! All agents, and whatever else the account runs, share one bucket: for a Standard machine 150 starts a second come into it in most
//! regions, and 800 have room (quotas of Step Functions). Nobody tells an agent how many others there are, so that each finds its share:
//! half as fast after each refusal, and faster again as long as there is none.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use lazaret_aws::executions::{Execution, Started};
use lazaret_aws::{Executions, ServiceError};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

/// Starts a second of an agent that meets no refusal: more than it scans of all but the smallest objects, and a third of what the account has.
const MOST: f64 = 50.0;

/// Starts a second however often it is refused: twelve agents, the most that a deployment has unless it asks for more, leave more than
/// half of the account's to others.
const LEAST: f64 = 5.0;

/// Executions whose starts wait for their turn.
pub struct Paced {
    inner: Arc<dyn Executions>,
    pace: Mutex<Pace>,
}

struct Pace {
    per_second: f64,
    next: Instant,
}

impl Paced {
    pub fn new(inner: Arc<dyn Executions>) -> Self {
        Self { inner, pace: Mutex::new(Pace { per_second: MOST, next: Instant::now() }) }
    }

    async fn turn(&self) {
        let turn = {
            let mut pace = self.pace();
            let turn = pace.next.max(Instant::now());
            pace.next = turn + Duration::from_secs_f64(1.0 / pace.per_second);
            turn
        };
        sleep_until(turn).await;
    }

    fn learn(&self, refused: bool) {
        let mut pace = self.pace();
        // one more a second, each second
        let next = if refused { pace.per_second / 2.0 } else { pace.per_second + 1.0 / pace.per_second };
        pace.per_second = next.clamp(LEAST, MOST);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().expect("no one panics while counting")
    }
}

#[async_trait]
impl Executions for Paced {
    async fn start_once(&self, name: &str, input: &Value) -> Result<Started, ServiceError> {
        self.turn().await;
        let started = self.inner.start_once(name, input).await;
        self.learn(started.as_ref().is_err_and(|error| error.retryable));
        started
    }

    async fn start(&self, name: &str, input: &Value) -> Result<String, ServiceError> {
        self.turn().await;
        self.inner.start(name, input).await
    }

    async fn describe(&self, name: &str) -> Result<Option<Execution>, ServiceError> {
        self.inner.describe(name).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Execution>, ServiceError> {
        self.inner.list(limit).await
    }

    async fn stop(&self, name: &str, error: &str, cause: &str) -> Result<(), ServiceError> {
        self.inner.stop(name, error, cause).await
    }

    async fn current_state(&self, name: &str) -> Result<Option<String>, ServiceError> {
        self.inner.current_state(name).await
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{FakeExecutions, throttled};
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn refusals_slow_it_down_to_a_share_and_their_absence_speeds_it_up_again() {
        let fake = FakeExecutions::new();
        let paced = Paced::new(Arc::new(fake.clone()));
        let number = std::sync::atomic::AtomicU64::new(0);
        let seconds_of = async |starts: u32| {
            let began = Instant::now();
            for _ in 0..starts {
                let name = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst).to_string();
                let _ = paced.start_once(&name, &json!({})).await;
            }
            began.elapsed().as_secs_f64()
        };
        let fast = seconds_of(101).await;
        assert!((1.9..2.1).contains(&fast), "{fast}");
        fake.fail_starts(Some(throttled("StartExecution")));
        seconds_of(10).await;
        let slow = seconds_of(50).await;
        assert!((9.0..10.5).contains(&slow), "{slow}: never slower than its share");
        fake.fail_starts(None);
        seconds_of(2_000).await;
        let again = seconds_of(100).await;
        assert!(again < 2.1, "{again}");
    }
}
