//! Sort out: events that are not to be scanned, by their bucket and by who stored the object.

use std::sync::Arc;
use std::time::Duration;

use lazaret_model::event::CreatedObject;

use crate::config::{EventSettings, Settings};
use crate::policies::{PoliciesError, PolicyBook};

/// By so much S3's clock and ours may differ.
const CLOCKS: Duration = Duration::from_secs(2);

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    Ours,
    /// Why, for a log.
    Ignored(&'static str),
}

/// What is needed to tell.
pub struct SortOut {
    policies: Arc<PolicyBook>,
    own_principals: Vec<String>,
    own_buckets: [String; 2],
}

impl SortOut {
    pub fn new(settings: &Settings, events: &EventSettings, policies: Arc<PolicyBook>) -> Self {
        Self {
            policies,
            own_principals: events.own_role_ids.iter().map(|id| format!("AWS:{id}")).collect(),
            own_buckets: [settings.results_bucket.clone(), settings.quarantine_bucket.clone()],
        }
    }

    /// An event of a bucket that is not protected as far as is known has the policies read again before it is ignored: the bucket
    /// may have been protected a moment ago. Not so an event that is older than what is known: from EventBridge come events of any
    /// bucket, and a flood of them must not keep those of others waiting.
    ///
    /// # Errors
    /// If they can't be read then.
    pub async fn sort(&self, created: &CreatedObject) -> Result<Sorted, PoliciesError> {
        let bucket = &created.object.bucket;
        if self.own_buckets.contains(bucket) {
            return Ok(Sorted::Ignored("it is of a bucket of our own"));
        }
        if created.principal.as_deref().is_some_and(|principal| self.is_own(principal)) {
            return Ok(Sorted::Ignored("it was stored by us"));
        }
        let known = self.policies.as_of() > created.object.last_modified + CLOCKS;
        if !known && !self.is_protected(bucket) {
            self.policies.refresh_now().await?;
        }
        let protected = self.is_protected(bucket);
        Ok(if protected { Sorted::Ours } else { Sorted::Ignored("its bucket is not protected") })
    }

    /// `AWS:<id of the role>:<session>`: an id that is longer is another role's.
    fn is_own(&self, principal: &str) -> bool {
        let begins = |own: &String| principal.strip_prefix(own.as_str());
        self.own_principals.iter().filter_map(begins).any(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    fn is_protected(&self, bucket: &str) -> bool {
        self.policies.current().of(bucket).protection.is_some()
    }
}
