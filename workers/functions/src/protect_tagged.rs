//! Protect tagged: brings buckets to what their tag `lazaret:protect` asks for, all of them on a schedule, one when CloudTrail tells of it.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::{Buckets, Executions, ObjectStore};
use lazaret_protection::reconcile::{Counts, reconcile};
use lazaret_protection::{ProtectError, Site, TopicArn};
use serde::Deserialize;

use crate::error::FunctionError;

/// An event of EventBridge: of its schedule, which says nothing, or of CloudTrail, which names a bucket.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Input {
    #[serde(default)]
    detail: Detail,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    /// `null` where a call failed.
    request_parameters: Option<RequestParameters>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestParameters {
    bucket_name: Option<String>,
}

impl Input {
    fn bucket(&self) -> Option<&str> {
        self.detail.request_parameters.as_ref()?.bucket_name.as_deref()
    }
}

/// What the function needs.
pub struct ProtectTagged {
    pub store: Arc<dyn ObjectStore>,
    pub buckets: Arc<dyn Buckets>,
    /// The retro job's.
    pub executions: Arc<dyn Executions>,
    pub results_bucket: String,
    pub topic: TopicArn,
    pub settle_seconds: u64,
}

impl ProtectTagged {
    /// Safe to repeat, and to run beside itself.
    ///
    /// # Errors
    /// If buckets or policies can't be read: then nothing was changed. At the end, if a bucket could not be brought there: the log has its
    /// name and why, all others are done, and the next run tries again. Only a failure is seen by the alarm.
    pub async fn handle(&self, input: Input, now: Timestamp) -> Result<Counts, FunctionError> {
        let site = Site {
            store: self.store.clone(),
            buckets: self.buckets.clone(),
            executions: self.executions.clone(),
            results_bucket: self.results_bucket.clone(),
            quarantine_bucket: self.topic.quarantine_bucket(),
            topic: self.topic.clone(),
        };
        let counts =
            reconcile(&site, input.bucket(), self.settle_seconds, now).await.map_err(|error| failure(&error))?;
        match counts.failed {
            0 => Ok(counts),
            failed => Err(FunctionError::permanent(format!(
                "{failed} of {} buckets are not what their tag asks for: the log says which and why",
                counts.buckets
            ))),
        }
    }
}

fn failure(error: &ProtectError) -> FunctionError {
    let text = error.to_string();
    if error.retryable() { FunctionError::transient(text) } else { FunctionError::permanent(text) }
}
