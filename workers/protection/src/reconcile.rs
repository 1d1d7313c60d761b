//! Protection by tag: what the tags of buckets ask for, held against what is protected.
//!
//! It runs every few minutes and begins anew each time, so nothing that it started and did not end is lost: a bucket whose events
//! could not be switched on is tried again, and so is a job that could not be started. What a command protected it leaves alone, and
//! a bucket whose tags can't be read stays as it is.

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use lazaret_aws::StoreError;
use lazaret_model::Policies;
use lazaret_model::policy::{ProtectedBy, Protection};
use serde::Serialize;
use tracing::{info, warn};

use crate::activation::Activation;
use crate::error::ProtectError;
use crate::policies;
use crate::protect::{Flow, Wish, is_on, notifications, protect, protection};
use crate::site::Site;
use crate::tag::{ACCEPT_TAG, Asked, accepts, asked};
use crate::unprotect::unprotect;

/// Buckets that are looked at together; one after another, 10,000 would take longer than a function may.
const LOOKS_AT_ONCE: usize = 16;
/// For how long after an activation its job is started again if it is not there. Starting it once more does nothing; by then a
/// person has heard of it.
const JOB_RETRY: SignedDuration = SignedDuration::from_hours(24);

/// What became of the buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Buckets that were looked at.
    pub buckets: u64,
    /// Those whose tag asks for protection.
    pub tagged: u64,
    pub protected: u64,
    pub unprotected: u64,
    /// Activation jobs that were started, or found started.
    pub jobs: u64,
    /// Buckets whose tags the role may not read, and that no tag protected: those that Lazaret is not for.
    pub unreadable: u64,
    /// Buckets left as they are, for a reason that the log has.
    pub failed: u64,
}

/// What was done with one bucket.
enum Done {
    /// Whether its tag asks for protection.
    Kept {
        tagged: bool,
    },
    Unreadable,
    Protected,
    Unprotected,
}

/// Brings all buckets of the region, or the one that is named, to what their tags ask for.
///
/// # Errors
/// If the buckets can't be listed or the policies can't be read: then nothing is changed.
pub async fn reconcile(
    site: &Site,
    only: Option<&str>,
    settle_seconds: u64,
    now: Timestamp,
) -> Result<Counts, ProtectError> {
    let policies = policies::read(site).await?;
    let mut names = match only {
        Some(bucket) => vec![bucket.to_owned()],
        None => {
            let names = site.buckets.names(&site.topic.region).await;
            names.map_err(ProtectError::store("listing the buckets"))?
        }
    };
    names.retain(|bucket| !site.is_ours(bucket));
    let mut counts = Counts { buckets: names.len() as u64, ..Counts::default() };
    let known = &policies;
    let mut done = stream::iter(&names)
        .map(|bucket| async move { (bucket, look_at(site, bucket, known, now).await) })
        .buffer_unordered(LOOKS_AT_ONCE);
    while let Some((bucket, outcome)) = done.next().await {
        match outcome {
            Ok(Done::Kept { tagged }) => counts.tagged += u64::from(tagged),
            Ok(Done::Protected) => {
                counts.tagged += 1;
                counts.protected += 1;
            }
            Ok(Done::Unprotected) => counts.unprotected += 1,
            Ok(Done::Unreadable) => counts.unreadable += 1,
            Err(why) => {
                warn!(bucket, %why, "Bucket `{bucket}` was left as it is");
                counts.failed += 1;
            }
        }
    }
    drop(done);
    start_jobs(site, &names, settle_seconds, now, &mut counts).await?;
    info!(
        buckets = counts.buckets,
        tagged = counts.tagged,
        protected = counts.protected,
        unprotected = counts.unprotected,
        jobs = counts.jobs,
        unreadable = counts.unreadable,
        failed = counts.failed,
        "Looked at the tags of {} buckets",
        counts.buckets
    );
    Ok(counts)
}

async fn look_at(site: &Site, bucket: &str, policies: &Policies, now: Timestamp) -> Result<Done, String> {
    let there = protection(policies, bucket).filter(|there| there.by == ProtectedBy::Tag);
    let tags = match site.buckets.tags(bucket).await {
        Ok(tags) => tags,
        // deleted since it was listed, or since CloudTrail told of it
        Err(StoreError::NoSuchBucket(_)) if there.is_none() => return Ok(Done::Kept { tagged: false }),
        // the role is for the buckets that the owner named, and the list has all of the account
        Err(StoreError::AccessDenied(_)) if there.is_none() => return Ok(Done::Unreadable),
        Err(error) => return Err(format!("its tags can't be read: {error}")),
    };
    let text = |error: ProtectError| error.to_string();
    match asked(&tags).map_err(|bad| bad.to_string())? {
        Asked::Nothing if there.is_none() => Ok(Done::Kept { tagged: false }),
        Asked::Nothing => {
            unprotect(site, bucket, ProtectedBy::Tag).await.map_err(text)?;
            Ok(Done::Unprotected)
        }
        Asked::Protect(flow) => {
            if protection(policies, bucket).is_some_and(|there| there.by == ProtectedBy::Command) {
                return Ok(Done::Kept { tagged: true });
            }
            if let Flow::TwoBucket(to) = &flow
                && let Err(why) = consent(site, bucket, &to.bucket).await
            {
                // a consent that was taken back ends what rested on it; the objects stay in staging
                if there.is_some_and(|there| there.promote_to.is_some()) {
                    unprotect(site, bucket, ProtectedBy::Tag).await.map_err(text)?;
                }
                return Err(why);
            }
            if let Some(there) = there {
                let events_on = is_on(there, &notifications(site, bucket).await.map_err(text)?, site);
                if events_on && flow_of(there) == flow {
                    return Ok(Done::Kept { tagged: true });
                }
            }
            let wish = Wish { flow: Some(flow), ..Wish::new(bucket, ProtectedBy::Tag) };
            protect(site, &wish, now).await.map_err(text)?;
            Ok(Done::Protected)
        }
    }
}

/// Whether the production bucket takes what comes from `staging`: its owner says so by a tag of its own.
async fn consent(site: &Site, staging: &str, production: &str) -> Result<(), String> {
    match site.buckets.tags(production).await {
        Ok(tags) if accepts(&tags, staging) => Ok(()),
        Ok(_) => Err(format!(
            "its tag asks for promotion to `{production}`, which does not have the tag `{ACCEPT_TAG}` with `{staging}` in it"
        )),
        Err(error) => Err(format!("whether `{production}` takes what it promotes can't be read: {error}")),
    }
}

fn flow_of(protection: &Protection) -> Flow {
    protection.promote_to.clone().map_or(Flow::Standard, Flow::TwoBucket)
}

/// The job of each bucket that was protected lately, by this run or an earlier one. Its name follows from the bucket and the moment:
/// one that was started is not started again.
async fn start_jobs(
    site: &Site,
    names: &[String],
    settle_seconds: u64,
    now: Timestamp,
    counts: &mut Counts,
) -> Result<(), ProtectError> {
    let policies = policies::read(site).await?;
    for bucket in names {
        let Some(there) = protection(&policies, bucket).filter(|there| there.by == ProtectedBy::Tag) else { continue };
        if now.duration_since(there.since) > JOB_RETRY {
            continue;
        }
        let started = match Activation::new(bucket, None, there.since, settle_seconds) {
            Ok(activation) => activation.start(site).await.map(drop),
            Err(error) => Err(error),
        };
        match started {
            Ok(()) => counts.jobs += 1,
            Err(why) => {
                warn!(bucket, %why, "What bucket `{bucket}` holds already is not being scanned");
                counts.failed += 1;
            }
        }
    }
    Ok(())
}
