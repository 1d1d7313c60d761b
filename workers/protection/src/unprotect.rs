//! Unprotect: switch off the events, then take the protection out of the policies.
//!
//! In this order nothing is left that publishes to us for a bucket that nobody knows. What is on its way is ignored by the agents.

use lazaret_model::Policies;
use lazaret_model::policy::{ProtectedBy, Protection};
use tracing::info;

use crate::error::ProtectError;
use crate::merge::{ours, without_ours};
use crate::policies;
use crate::protect::{notifications, protection, put_notifications};
use crate::site::Site;
use crate::waiting::{Waiting, waiting};

/// A bucket that is no longer protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprotected {
    pub bucket: String,
    /// What it had; `None` where only rules of ours were left of one.
    pub protection: Option<Protection>,
    /// Rules of ours that were taken out.
    pub rules: usize,
    /// Of a staging bucket: what was not promoted, and now will not be.
    pub waiting: Option<Waiting>,
}

/// Takes a bucket's protection back. Its other settings stay, and so do all rules of others.
///
/// # Errors
/// If it is not protected, or what failed on the way: whatever is left then, the next attempt takes back.
pub async fn unprotect(site: &Site, bucket: &str, by: ProtectedBy) -> Result<Unprotected, ProtectError> {
    let known = policies::read(site).await?;
    let there = protection(&known, bucket).cloned();
    if by == ProtectedBy::Tag && there.as_ref().is_some_and(|there| there.by == ProtectedBy::Command) {
        return Err(ProtectError::ByCommand { bucket: bucket.to_owned() });
    }
    let rules = match switch_off(site, bucket, there.as_ref()).await {
        Ok(rules) => rules,
        // a bucket that is gone sends no events; its policy is all that is left
        Err(ProtectError::NoBucket(_)) if there.is_some() => 0,
        Err(error) => return Err(error),
    };
    if there.is_none() && rules == 0 {
        return Err(ProtectError::NotProtected(bucket.to_owned()));
    }
    policies::change(site, bucket, |policies| Ok(without_protection(policies, bucket))).await?;
    let staging = there.as_ref().is_some_and(|there| there.promote_to.is_some());
    let waiting = if staging { waiting(site.store.as_ref(), bucket).await.ok() } else { None };
    info!(bucket, "Bucket `{bucket}` is no longer protected");
    Ok(Unprotected { bucket: bucket.to_owned(), protection: there, rules, waiting })
}

async fn switch_off(site: &Site, bucket: &str, there: Option<&Protection>) -> Result<usize, ProtectError> {
    let current = match notifications(site, bucket).await {
        Err(ProtectError::Store { source: lazaret_aws::StoreError::NoSuchBucket(_), .. }) => {
            return Err(ProtectError::NoBucket(bucket.to_owned()));
        }
        read => read?,
    };
    let topic = site.topic.as_str();
    let switched_on = there.is_some_and(|there| there.event_bridge_switched_on);
    let rest = without_ours(&current, topic, switched_on);
    if rest != current {
        put_notifications(site, bucket, &rest).await?;
    }
    Ok(ours(&current, topic).len())
}

/// The bucket's policy without its protection; none at all if nothing in it is its own.
fn without_protection(policies: &Policies, bucket: &str) -> Option<lazaret_model::Policy> {
    let mut policy = policies.buckets.get(bucket)?.clone();
    policy.protection = None;
    (policy != policies.default).then_some(policy)
}
