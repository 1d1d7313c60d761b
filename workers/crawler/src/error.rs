//! Why a crawl failed, and what Step Functions hears of it.

use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::Failure;

/// One variant for each thing that can be missing.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// The bucket that is crawled.
    #[error("listing: {0}")]
    List(#[source] StoreError),
    /// The results bucket.
    #[error("writing {what}: {source}")]
    Record { what: &'static str, source: StoreError },
    /// What the schedule wrote for this crawl.
    #[error("reading which objects this run of the schedule takes: {0}")]
    Selection(#[source] StoreError),
    /// The job's queue.
    #[error("enqueuing: {0}")]
    Enqueue(#[source] ServiceError),
    /// SQS took some packets of a batch again and again, and never these.
    #[error("enqueuing: the queue refused {packets} packets {attempts} times")]
    Refused { packets: usize, attempts: u32 },
    /// A defect here.
    #[error("{0} ended before its work was done")]
    Panicked(&'static str),
}

impl CrawlError {
    /// The name that Step Functions hears.
    pub fn failure(&self) -> Failure {
        match self {
            Self::List(StoreError::NoSuchBucket(_)) => Failure::BucketNotFound,
            Self::List(StoreError::AccessDenied(_)) => Failure::AccessDenied,
            Self::List(error) | Self::Record { source: error, .. } | Self::Selection(error) if error.retryable() => {
                Failure::Transient
            }
            Self::Enqueue(error) if error.retryable => Failure::Transient,
            Self::Refused { .. } => Failure::Transient,
            _ => Failure::Permanent,
        }
    }

    pub fn retryable(&self) -> bool {
        self.failure().retryable()
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{not_found, throttled};

    use super::*;

    #[test]
    fn only_what_another_attempt_may_mend_is_tried_again() {
        let transient = || StoreError::Transient("SlowDown".into());
        for (error, failure) in [
            (CrawlError::List(StoreError::NoSuchBucket("b".into())), Failure::BucketNotFound),
            (CrawlError::List(StoreError::AccessDenied("no".into())), Failure::AccessDenied),
            (CrawlError::List(transient()), Failure::Transient),
            (CrawlError::List(StoreError::Permanent("no".into())), Failure::Permanent),
            (CrawlError::Record { what: "a part", source: transient() }, Failure::Transient),
            // the results bucket is ours: that it is missing says nothing of the job's input
            (CrawlError::Record { what: "a part", source: StoreError::NoSuchBucket("r".into()) }, Failure::Permanent),
            (CrawlError::Record { what: "a part", source: StoreError::AccessDenied("no".into()) }, Failure::Permanent),
            (CrawlError::Selection(transient()), Failure::Transient),
            // a crawl without it would leave objects out in silence
            (CrawlError::Selection(StoreError::NotFound), Failure::Permanent),
            (CrawlError::Enqueue(throttled("SendMessageBatch")), Failure::Transient),
            (CrawlError::Enqueue(not_found("SendMessageBatch")), Failure::Permanent),
            (CrawlError::Refused { packets: 1, attempts: 9 }, Failure::Transient),
            (CrawlError::Panicked("the listing"), Failure::Permanent),
        ] {
            assert_eq!(error.failure(), failure, "{error}");
        }
    }
}
