//! Another attempt, a little later: exponential waits with jitter, and an end.

use std::fmt::Display;
use std::time::Duration;

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

impl Backoff {
    /// The wait after `failures` failed tries (1 or more): between half of the step and all of it, so that workers that were
    /// throttled together do not come back together.
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

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Backoff = Backoff { attempts: 8, first: Duration::from_millis(200), cap: Duration::from_secs(10) };

    #[test]
    fn waits_grow_to_the_cap_and_never_above() {
        for failures in 1..100 {
            let wait = SOME.wait(failures);
            assert!(wait <= SOME.cap && wait >= SOME.first / 2, "{failures}: {wait:?}");
        }
        assert!(SOME.wait(50) >= SOME.cap / 2);
    }
}
