//! Protect: check, enter it into the policies, then switch on the events.
//!
//! In this order an event always finds the policy that it is of: agents ignore those of buckets that are not protected. If the
//! events can't be switched on the policy goes back to what it was.

use jiff::Timestamp;
use lazaret_aws::StoreError;
use lazaret_aws::buckets::Notifications;
use lazaret_model::policy::{Announce, InfectedAction, ProtectedBy, Protection, Via};
use lazaret_model::promotion::Destination;
use lazaret_model::{Policies, Policy};
use tracing::info;

use crate::check::{check_bucket, check_staging};
use crate::error::{ProtectError, RolledBack};
use crate::filter::KeyFilter;
use crate::merge::{Merged, NoPlace, merge, ours};
use crate::policies::{self, PATIENCE};
use crate::site::Site;

/// What becomes of objects that are clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// They stay where they are.
    Standard,
    /// They are promoted to another bucket.
    TwoBucket(Destination),
}

/// What a bucket's protection is to be. `None` keeps what there is, or the default.
#[derive(Debug, Clone)]
pub struct Wish {
    pub bucket: String,
    pub by: ProtectedBy,
    pub flow: Option<Flow>,
    pub infected: Option<InfectedAction>,
    /// Patterns; none at all, or `*` among them, is every key.
    pub include: Option<Vec<String>>,
    pub skip: Option<Vec<String>>,
    pub announce: Option<Announce>,
    pub via: Option<Via>,
}

impl Wish {
    /// Protects a bucket, and changes nothing of it that is set already.
    pub fn new(bucket: impl Into<String>, by: ProtectedBy) -> Self {
        let (flow, infected, include, skip, announce, via) = (None, None, None, None, None, None);
        Self { bucket: bucket.into(), by, flow, infected, include, skip, announce, via }
    }

    /// The bucket's policy as this wants it. `since`: of a protection that is not in force yet.
    fn policy(&self, policies: &Policies, since: Timestamp) -> Result<Policy, ProtectError> {
        let mut policy = policies.of(&self.bucket).clone();
        let there = protection(policies, &self.bucket).cloned();
        if self.by == ProtectedBy::Tag && there.as_ref().is_some_and(|there| there.by == ProtectedBy::Command) {
            return Err(ProtectError::ByCommand { bucket: self.bucket.clone() });
        }
        let there = there.unwrap_or_else(|| Protection::new(since, self.by));
        policy.protection = Some(Protection {
            by: self.by,
            promote_to: match &self.flow {
                None => there.promote_to,
                Some(Flow::Standard) => None,
                Some(Flow::TwoBucket(to)) => Some(to.clone()),
            },
            via: self.via.unwrap_or(there.via),
            ..there
        });
        policy.infected = self.infected.unwrap_or(policy.infected);
        policy.announce = self.announce.unwrap_or(policy.announce);
        if let Some(include) = &self.include {
            policy.include = if include.iter().any(|pattern| pattern == "*") { Vec::new() } else { patterns(include) };
        }
        if let Some(skip) = &self.skip {
            policy.skip = patterns(skip);
        }
        Ok(policy)
    }
}

/// `''` takes back what was given before.
fn patterns(given: &[String]) -> Vec<String> {
    given.iter().filter(|pattern| !pattern.is_empty()).cloned().collect()
}

/// The protection of a bucket's own policy: one among the defaults is of no bucket.
pub(crate) fn protection<'a>(policies: &'a Policies, bucket: &str) -> Option<&'a Protection> {
    policies.buckets.get(bucket)?.protection.as_ref()
}

/// A bucket that is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    pub bucket: String,
    pub policy: Policy,
    pub protection: Protection,
    /// It begins now: its events were not on before, or not for all keys that they are on for now, or clean objects were not promoted
    /// to where they are now. What is there already may never have been scanned, or wait for ever.
    pub activated: bool,
    /// The keys of our rules in its notification configuration; empty where EventBridge has all.
    pub keys: Vec<String>,
}

/// Protects a bucket, or changes how it is protected.
///
/// # Errors
/// What stands against it, with nothing changed; or what failed on the way.
pub async fn protect(site: &Site, wish: &Wish, now: Timestamp) -> Result<Protected, ProtectError> {
    let bucket = wish.bucket.as_str();
    check_bucket(site, bucket).await?;
    let known = policies::read(site).await?;
    let planned = wish.policy(&known, now)?;
    if let Some(to) = planned.promote_to() {
        check_staging(site, bucket, to, &known).await?;
    }
    let current = notifications(site, bucket).await?;
    let there = protection(&known, bucket);
    let was_on = there.is_some_and(|there| is_on(there, &current, site));
    let switched_on = there.is_some_and(|there| there.event_bridge_switched_on);
    let plan = placed(site, bucket, &planned, &current, switched_on)?;
    let promotes_anew = planned.promote_to().is_some_and(|to| known.of(bucket).promote_to() != Some(to));
    let activated = !was_on || promotes_anew || grows(&current, &plan.notifications, site);

    let entry = |policies: &Policies| {
        let mut policy = wish.policy(policies, now)?;
        if let Some(protection) = &mut policy.protection {
            protection.since = if activated { now } else { protection.since };
            protection.event_bridge_switched_on = plan.switched_on;
        }
        Ok(Some(policy))
    };
    let (before, after) = policies::change(site, bucket, entry).await?;
    let policy = after.expect("a policy was entered");
    let protection = policy.protection.clone().expect("with its protection");
    let switched = switch(site, bucket, &policy, &current, plan, switched_on).await;
    let notifications = match switched {
        Ok(notifications) => notifications,
        Err(error) => {
            let rolled_back = roll_back(site, bucket, before, &policy).await;
            return Err(match error {
                ProtectError::Store { source, .. } => {
                    ProtectError::Switch { bucket: bucket.to_owned(), source, rolled_back }
                }
                refused => refused,
            });
        }
    };
    let keys = ours(&notifications, site.topic.as_str()).into_iter().map(KeyFilter::of_rule);
    let keys = keys.map(|filter| filter.to_string()).collect();
    info!(bucket, via = ?protection.via, activated, "Bucket `{bucket}` is protected");
    Ok(Protected { bucket: bucket.to_owned(), policy, protection, activated, keys })
}

/// Whether the events of a protection are on.
pub(crate) fn is_on(protection: &Protection, current: &Notifications, site: &Site) -> bool {
    match protection.via {
        Via::Sns => !ours(current, site.topic.as_str()).is_empty(),
        Via::EventBridge => current.event_bridge,
    }
}

/// Whether there are keys of which we would hear from now on and did not before.
fn grows(current: &Notifications, planned: &Notifications, site: &Site) -> bool {
    let topic = site.topic.as_str();
    let filters = |of: &Notifications| ours(of, topic).into_iter().map(KeyFilter::of_rule).collect::<Vec<_>>();
    let (old, new) = (filters(current), filters(planned));
    match new.is_empty() {
        true => !current.event_bridge,
        // S3 takes a while to switch, whatever was on before
        false => new.iter().any(|new| !old.iter().any(|old| old.covers(new))),
    }
}

pub(crate) async fn notifications(site: &Site, bucket: &str) -> Result<Notifications, ProtectError> {
    let read = PATIENCE.run(StoreError::retryable, || site.buckets.notifications(bucket)).await;
    read.map_err(ProtectError::store(format!("reading the notification configuration of bucket `{bucket}`")))
}

/// Writes a bucket's notification configuration.
pub(crate) async fn put_notifications(site: &Site, bucket: &str, whole: &Notifications) -> Result<(), ProtectError> {
    let put = PATIENCE.run(StoreError::retryable, || site.buckets.put_notifications(bucket, whole)).await;
    put.map_err(ProtectError::store(format!("writing the notification configuration of bucket `{bucket}`")))
}

fn placed(
    site: &Site,
    bucket: &str,
    policy: &Policy,
    current: &Notifications,
    switched_on: bool,
) -> Result<Merged, ProtectError> {
    let via = policy.protection.as_ref().map_or(Via::default(), |protection| protection.via);
    let merged = merge(current, site.topic.as_str(), via, &policy.include, switched_on);
    merged.map_err(|source: NoPlace| ProtectError::NoPlace { bucket: bucket.to_owned(), source })
}

/// Switches the events on. S3 has no condition for this, so what was read is read again right before it is written.
async fn switch(
    site: &Site,
    bucket: &str,
    policy: &Policy,
    seen: &Notifications,
    plan: Merged,
    switched_on: bool,
) -> Result<Notifications, ProtectError> {
    let current = notifications(site, bucket).await?;
    let plan = if current == *seen { plan } else { placed(site, bucket, policy, &current, switched_on)? };
    // each write sends a test event to every destination there is: none for nothing
    if plan.notifications != current {
        put_notifications(site, bucket, &plan.notifications).await?;
    }
    Ok(plan.notifications)
}

/// Puts a policy back, unless somebody changed it since.
async fn roll_back(site: &Site, bucket: &str, before: Option<Policy>, entered: &Policy) -> RolledBack {
    let back = policies::change(site, bucket, |policies| {
        let now = policies.buckets.get(bucket);
        Ok(if now == Some(entered) { before.clone() } else { now.cloned() })
    });
    match back.await {
        Ok(_) => RolledBack::Yes,
        Err(error) => RolledBack::No(error.to_string()),
    }
}
