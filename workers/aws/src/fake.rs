//! In-memory fakes of every port, with the semantics that the workers rely on, and wrappers that fail on purpose.
//!
//! * [`FakeStore`]: S3 with versioned and unversioned buckets.
//! * [`FakeBuckets`]: the settings of its buckets.
//! * [`FakeQueue`], [`FakeQueues`]: SQS on tokio's clock, so that `tokio::time::pause` drives visibility time-outs.
//! * [`FakeUploads`], [`FakeScheduler`]: uploads in parts, and EventBridge Scheduler.
//! * [`FakeTopic`], [`FakeTopics`], [`FakeBus`]: SNS and EventBridge, which keep what they are told.
//! * [`FakeCallback`], [`FakeFleet`], [`FakeExecutions`]: Step Functions and ECS.
//! * [`FakeUserPools`], [`FakeUserPool`]: Cognito.
//! * [`FailingStore`], [`FailingQueue`]: pass on to another store or queue, but for the calls named in their [`Faults`].
//!
//! All are cheap to clone, and a clone shares its state: keep one to look at what a worker did with the other.

mod announce;
mod buckets;
mod callback;
mod executions;
mod failing;
mod failing_queue;
mod failing_store;
mod fleet;
mod queue;
mod queues;
mod scheduler;
mod store;
mod store_port;
mod topics;
mod uploads;
mod users;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use announce::{FakeBus, FakeTopic, Published};
pub use buckets::FakeBuckets;
pub use callback::{Answer, FakeCallback};
pub use executions::FakeExecutions;
pub use failing::{ANY, Faults};
pub use failing_queue::FailingQueue;
pub use failing_store::FailingStore;
pub use fleet::FakeFleet;
pub use queue::FakeQueue;
pub use queues::FakeQueues;
pub use scheduler::FakeScheduler;
pub use store::{FakeObject, FakeStore};
pub use topics::FakeTopics;
pub use uploads::FakeUploads;
pub use users::{FakeUserPool, FakeUserPools};

use crate::ServiceError;

/// A test that panicked while it held the lock has failed already: whoever comes later may look.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often each operation was called.
#[derive(Debug, Default)]
struct Calls(Mutex<BTreeMap<&'static str, u64>>);

impl Calls {
    fn count(&self, operation: &'static str) {
        *locked(&self.0).entry(operation).or_default() += 1;
    }

    fn of(&self, operation: &str) -> u64 {
        locked(&self.0).get(operation).copied().unwrap_or_default()
    }
}

/// An error that another attempt may not meet, for tests.
pub fn throttled(operation: &'static str) -> ServiceError {
    ServiceError { operation, message: "ThrottlingException: Rate exceeded".into(), retryable: true, not_found: false }
}

/// An error that another attempt meets too.
pub fn refused(operation: &'static str, message: &str) -> ServiceError {
    ServiceError { operation, message: message.to_owned(), retryable: false, not_found: false }
}

/// The error of something that does not exist (any more).
pub fn not_found(operation: &'static str) -> ServiceError {
    ServiceError { operation, message: "it does not exist".into(), retryable: false, not_found: true }
}
