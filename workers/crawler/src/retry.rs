//! How often the crawler tries again, and for how long.

use std::time::Duration;

use lazaret_aws::{Backoff, ServiceError, StoreError};

/// Calls to S3. The SDK has tried five times within each, so that a failure here is a throttled prefix or an outage. Ten tries
/// last about two minutes; after that Step Functions starts another attempt.
const STORE: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };
/// Batches of packets, likewise.
pub const SEND: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };
/// The answer to Step Functions: all was in vain without it.
const ANSWER: Backoff = Backoff { attempts: 10, first: Duration::from_millis(500), cap: Duration::from_secs(30) };

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
