//! One bucket's policy among the others in `settings/policies.json`.
//!
//! Everything is read, changed and written under the ETag that was read: whoever writes meanwhile keeps what was written.

use std::time::Duration;

use bytes::Bytes;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{Backoff, ObjectStore, StoreError};
use lazaret_model::{Policies, Policy, layout};

use crate::error::ProtectError;
use crate::site::Site;

/// Writers that come first, one after another, before a person is told: each write takes a few milliseconds.
const CONFLICTS_MAX: u32 = 10;
/// Calls of S3, each of which the SDK has tried five times already.
pub(crate) const PATIENCE: Backoff =
    Backoff { attempts: 4, first: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// All policies as they are now.
///
/// # Errors
/// If they can't be read, or are not policies.
pub async fn read(site: &Site) -> Result<Policies, ProtectError> {
    Ok(load(site.store.as_ref(), &site.results_bucket).await?.0)
}

/// Changes one bucket's policy, and returns what it was and what it is: `None` where the defaults hold. A change that refuses
/// changes nothing; neither does one that changes nothing.
///
/// # Errors
/// If the policies can't be read or written, or `change` refuses.
pub async fn change(
    site: &Site,
    bucket: &str,
    change: impl Fn(&Policies) -> Result<Option<Policy>, ProtectError>,
) -> Result<(Option<Policy>, Option<Policy>), ProtectError> {
    let (store, place) = (site.store.as_ref(), site.results_bucket.as_str());
    for _ in 0..CONFLICTS_MAX {
        let (mut policies, etag) = load(store, place).await?;
        let before = policies.buckets.get(bucket).cloned();
        let after = change(&policies)?;
        if after == before {
            return Ok((before, after));
        }
        match &after {
            Some(policy) => policies.buckets.insert(bucket.to_owned(), policy.clone()),
            None => policies.buckets.remove(bucket),
        };
        let condition = etag.as_deref().map_or(PutCondition::Absent, PutCondition::Over);
        let bytes = Bytes::from(serde_json::to_vec_pretty(&policies).expect("policies of the model are always JSON"));
        match store.put(place, layout::POLICIES_KEY, bytes, "application/json", condition).await {
            Ok(_) => return Ok((before, after)),
            // somebody else wrote, or our own attempt did whose answer was lost: either way, look again
            Err(StoreError::PreconditionFailed | StoreError::Transient(_)) => {}
            Err(source) => return Err(ProtectError::store("writing settings/policies.json")(source)),
        }
    }
    Err(ProtectError::Conflicts(CONFLICTS_MAX))
}

async fn load(store: &dyn ObjectStore, bucket: &str) -> Result<(Policies, Option<String>), ProtectError> {
    let stored = PATIENCE.run(StoreError::retryable, || store.get(bucket, layout::POLICIES_KEY)).await;
    match stored.map_err(ProtectError::store("reading settings/policies.json"))? {
        None => Ok((Policies::default(), None)),
        Some(stored) => {
            let policies = serde_json::from_slice(&stored.bytes).map_err(ProtectError::BadPolicies)?;
            Ok((policies, Some(stored.etag)))
        }
    }
}
