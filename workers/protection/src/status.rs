//! How protected buckets stand: what the policies say, held against what S3 says.

use futures::{StreamExt, stream};
use lazaret_aws::StoreError;
use lazaret_aws::buckets::Versioning;
use lazaret_model::Policy;
use lazaret_model::policy::Protection;
use serde::Serialize;

use crate::error::ProtectError;
use crate::merge::ours;
use crate::policies;
use crate::protect::{is_on, protection};
use crate::site::Site;

/// Buckets that are looked at together: each takes three small calls.
const LOOKS_AT_ONCE: usize = 8;

/// What of a protection is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Drift {
    NoBucket,
    /// Its events do not come.
    EventsOff,
    /// Its policy includes keys for which its rules do not ask.
    KeysMissing,
    /// A staging bucket must have versions: until then everything in it is held.
    NotVersioned,
    NoDestination {
        bucket: String,
    },
    /// S3 could not be asked.
    Unknown {
        why: String,
    },
}

impl Drift {
    /// For a person: what is wrong, and what to do.
    pub fn text(&self, bucket: &str) -> String {
        match self {
            Self::NoBucket => format!("the bucket is gone: lazaret bucket unprotect {bucket}"),
            Self::EventsOff => format!(
                "its events are off, so new objects are not scanned: lazaret bucket protect {bucket} (and --scan-existing since T for what came meanwhile)"
            ),
            Self::KeysMissing => {
                format!("its events are on for fewer keys than its settings include: lazaret bucket protect {bucket}")
            }
            Self::NotVersioned => format!(
                "its versioning is off, so nothing is promoted: aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
            ),
            Self::NoDestination { bucket: to } => format!("its destination `{to}` is gone, so nothing is promoted"),
            Self::Unknown { why } => format!("it could not be looked at: {why}"),
        }
    }
}

/// One protected bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub bucket: String,
    pub policy: Policy,
    pub protection: Protection,
    pub drift: Vec<Drift>,
}

/// All protected buckets, by name.
///
/// # Errors
/// If the policies can't be read.
pub async fn all(site: &Site) -> Result<Vec<Status>, ProtectError> {
    let policies = policies::read(site).await?;
    let protected = policies
        .buckets
        .iter()
        .filter_map(|(bucket, policy)| Some((bucket.clone(), policy.clone(), policy.protection.clone()?)));
    let looks = stream::iter(protected.collect::<Vec<_>>())
        .map(|(bucket, policy, protection)| look(site, bucket, policy, protection))
        .buffered(LOOKS_AT_ONCE);
    Ok(looks.collect().await)
}

/// One protected bucket.
///
/// # Errors
/// If it is not protected, or the policies can't be read.
pub async fn one(site: &Site, bucket: &str) -> Result<Status, ProtectError> {
    let policies = policies::read(site).await?;
    let protection =
        protection(&policies, bucket).cloned().ok_or_else(|| ProtectError::NotProtected(bucket.to_owned()))?;
    Ok(look(site, bucket.to_owned(), policies.of(bucket).clone(), protection).await)
}

async fn look(site: &Site, bucket: String, policy: Policy, protection: Protection) -> Status {
    let drift = match drift(site, &bucket, &policy, &protection).await {
        Ok(drift) => drift,
        Err(StoreError::NoSuchBucket(_)) => vec![Drift::NoBucket],
        Err(error) => vec![Drift::Unknown { why: error.to_string() }],
    };
    Status { bucket, policy, protection, drift }
}

async fn drift(site: &Site, bucket: &str, policy: &Policy, protection: &Protection) -> Result<Vec<Drift>, StoreError> {
    let mut drift = Vec::new();
    let current = site.buckets.notifications(bucket).await?;
    if !is_on(protection, &current, site) {
        drift.push(Drift::EventsOff);
    } else if protection.via == lazaret_model::policy::Via::Sns {
        let there: Vec<_> =
            ours(&current, site.topic.as_str()).into_iter().map(crate::filter::KeyFilter::of_rule).collect();
        let others = current.rules().count() - there.len();
        let room = lazaret_aws::buckets::NOTIFICATION_RULES_MAX.saturating_sub(others);
        let wanted = crate::filter::filters(&policy.include, room);
        if !wanted.iter().all(|wanted| there.iter().any(|there| there.covers(wanted))) {
            drift.push(Drift::KeysMissing);
        }
    }
    if let Some(to) = &protection.promote_to {
        if site.buckets.versioning(bucket).await? != Versioning::Enabled {
            drift.push(Drift::NotVersioned);
        }
        if let Err(StoreError::NoSuchBucket(bucket)) = site.buckets.region(&to.bucket).await {
            drift.push(Drift::NoDestination { bucket });
        }
    }
    Ok(drift)
}
