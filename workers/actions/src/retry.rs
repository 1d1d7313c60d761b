//! How often S3 is tried, and for how long.

use std::time::Duration;

use lazaret_aws::{Backoff, StoreError};

/// Calls to S3. The SDK has tried five times already within each of them, so that a failure here is a throttled prefix or
/// an outage: eight tries last about half a minute, as S3 takes to split a hot partition's load for a while.
pub const STORE: Backoff = Backoff { attempts: 8, first: Duration::from_millis(200), cap: Duration::from_secs(10) };

/// A call to S3, tried as [`STORE`] says.
pub async fn store<T, F: Future<Output = Result<T, StoreError>>>(call: impl FnMut() -> F) -> Result<T, StoreError> {
    STORE.run(StoreError::retryable, call).await
}

#[cfg(test)]
mod tests {
    use super::*;

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
