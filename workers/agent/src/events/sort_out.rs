//! Sort out: events that are not to be scanned, by their bucket and by who stored the object.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lazaret_model::event::CreatedObject;
use tokio::time::Instant;

use crate::config::{EventSettings, Settings};
use crate::policies::{PoliciesError, PolicyBook};

/// By so much SQS's clock and ours may differ.
const CLOCKS: Duration = Duration::from_secs(2);

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    Ours,
    /// Of the results or of the quarantine.
    OfOurOwn,
    NotProtected,
    /// Stored by a role of ours, where that needs no scan.
    StoredByUs,
}

impl fmt::Display for Sorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "it is to be scanned",
            Self::OfOurOwn => "it is of a bucket of our own",
            Self::NotProtected => "its bucket is not protected",
            Self::StoredByUs => "it was stored by us",
        })
    }
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

    /// What can be said without a look at the settings. `sent` is the message's: a bucket was protected before it sent its first event.
    ///
    /// What is to be ignored is ignored only by settings that were read after the message was sent: the bucket may have been protected, or
    /// become a staging bucket, a moment ago.
    pub fn known(&self, created: &CreatedObject, sent: Option<Instant>) -> Option<Sorted> {
        let sorted = self.judge(created);
        let up_to_date = sent.is_some_and(|sent| self.policies.as_of() > sent + CLOCKS);
        let certain = matches!(sorted, Sorted::Ours | Sorted::OfOurOwn) || up_to_date && self.policies.are_written();
        certain.then_some(sorted)
    }

    /// Returns once [`Self::looked`] knows of what was written before this call.
    ///
    /// # Errors
    /// If the settings can't be read, or there are none: then nobody said that a bucket is not protected.
    pub async fn look(&self) -> Result<(), PoliciesError> {
        self.policies.refresh_now().await?;
        if self.policies.are_written() { Ok(()) } else { Err(PoliciesError::Missing) }
    }

    /// What can be said after a look.
    pub fn looked(&self, created: &CreatedObject) -> Sorted {
        self.judge(created)
    }

    fn judge(&self, created: &CreatedObject) -> Sorted {
        let bucket = &created.object.bucket;
        if self.own_buckets.contains(bucket) {
            return Sorted::OfOurOwn;
        }
        let policies = self.policies.current();
        let own = created.principal.as_deref().is_some_and(|principal| self.is_own(principal));
        match &policies.of(bucket).protection {
            None => Sorted::NotProtected,
            // what was promoted into a staging bucket has its way before it still
            Some(protection) if own && protection.promote_to.is_none() => Sorted::StoredByUs,
            Some(_) => Sorted::Ours,
        }
    }

    /// `AWS:<id of the role>:<session>`: an id that is longer is another role's.
    fn is_own(&self, principal: &str) -> bool {
        let begins = |own: &String| principal.strip_prefix(own.as_str());
        self.own_principals.iter().filter_map(begins).any(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}
