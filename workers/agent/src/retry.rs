//! Another attempt, a little later: exponential waits with jitter, and an end.

use std::fmt::Display;
use std::time::Duration;

use lazaret_aws::StoreError;
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

/// Calls to S3. The SDK has tried three times already within each of them, so that a failure here is a throttled prefix or
/// an outage: eight tries last about half a minute, as S3 takes to split a hot partition's load for a while.
pub const STORE: Backoff = Backoff { attempts: 8, first: Duration::from_millis(200), cap: Duration::from_secs(10) };

/// Calls to SQS about one message: short, since the message comes back by itself where they fail.
pub const MESSAGE: Backoff = Backoff { attempts: 4, first: Duration::from_millis(200), cap: Duration::from_secs(2) };

/// Receiving. A queue that answers nothing else for about eight minutes is not coming back for this agent.
pub const RECEIVE: Backoff = Backoff { attempts: 20, first: Duration::from_millis(500), cap: Duration::from_secs(30) };

impl Backoff {
    /// The wait after `failures` failed tries (1 or more): between half of the step and all of it, so that a fleet that was
    /// throttled together does not come back together.
    pub fn wait(&self, failures: u32) -> Duration {
        let step = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.cap);
        // a v4 UUID is as good a source of random bits as any, and a dependency already
        let random = (Uuid::new_v4().as_u128() & 0xffff) as f64 / 65_536.0;
        step.mul_f64(0.5 + random / 2.0)
    }

    /// Calls until it succeeds, fails in a way that no other try mends, or has been tried often enough.
    pub async fn run<T, E: Display, F: Future<Output = Result<T, E>>>(
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
                    let wait_ms = wait.as_millis() as u64;
                    debug!(error = %error.to_string().escape_debug(), failures, wait_ms, "Trying again");
                    tokio::time::sleep(wait).await;
                }
                result => return result,
            }
        }
    }
}

/// A call to S3, tried as [`STORE`] says.
pub async fn store<T, F: Future<Output = Result<T, StoreError>>>(call: impl FnMut() -> F) -> Result<T, StoreError> {
    STORE.run(StoreError::retryable, call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_above() {
        for failures in 1..100 {
            let wait = STORE.wait(failures);
            assert!(wait <= STORE.cap && wait >= STORE.first / 2, "{failures}: {wait:?}");
        }
        assert!(STORE.wait(50) >= STORE.cap / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_is_tried_so_often_and_a_permanent_one_once() {
        for (error, expected) in [
            (StoreError::Transient as fn(String) -> StoreError, STORE.attempts),
            (StoreError::Permanent as fn(String) -> StoreError, 1),
        ] {
            let mut calls = 0;
            let result: Result<(), _> = store(|| {
                calls += 1;
                std::future::ready(Err(error("no".into())))
            })
            .await;
            assert!(result.is_err());
            assert_eq!(calls, expected);
        }
    }
}
