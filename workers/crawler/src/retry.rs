//! Another attempt, a little later: exponential waits with jitter, and an end.

use std::time::Duration;

use lazaret_aws::{ServiceError, StoreError};
use tracing::debug;
use uuid::Uuid;

/// How often something is tried, and how long to wait between.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// The longest wait before the second try; it doubles from there.
    pub first: Duration,
    /// No wait is longer.
    pub cap: Duration,
}

/// Calls to S3. The SDK has tried five times within each, so that a failure here is a throttled prefix or an outage. Ten tries
/// last about two minutes; after that Step Functions starts another attempt.
const STORE: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };
/// Batches of packets, likewise.
pub const SEND: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };
/// The answer to Step Functions: all was in vain without it.
const ANSWER: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };

impl Backoff {
    /// The wait after `failures` failed tries (1 or more): between half of the step and all of it, so that crawlers that were
    /// throttled together do not come back together.
    pub fn wait(&self, failures: u32) -> Duration {
        let step = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.cap);
        // a v4 UUID is as good a source of random bits as any, and a dependency already
        let random = (Uuid::new_v4().as_u128() & 0xffff) as f64 / 65_536.0;
        step.mul_f64(0.5 + random / 2.0)
    }

    /// Calls until it succeeds, fails in a way that no other try mends, or has been tried often enough.
    pub async fn run<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        retryable: impl Fn(&E) -> bool,
        mut call: impl FnMut() -> F,
    ) -> Result<T, E> {
        let mut failures = 0;
        loop {
            match call().await {
                Err(error) if retryable(&error) && failures + 1 < self.attempts => {
                    failures += 1;
                    let wait = self.wait(failures);
                    debug!(error = %error, failures, wait_ms = wait.as_millis() as u64, "Trying again");
                    tokio::time::sleep(wait).await;
                }
                result => return result,
            }
        }
    }
}

/// A call to S3.
pub async fn store<T, F>(call: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    STORE.run(StoreError::retryable, call).await
}

/// An answer to Step Functions.
pub async fn answer<T, F>(call: impl FnMut() -> F) -> Result<T, ServiceError>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    ANSWER.run(|error: &ServiceError| error.retryable, call).await
}
