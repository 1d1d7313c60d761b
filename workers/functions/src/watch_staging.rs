//! Watch staging: tells CloudWatch how long clean or unscanned objects have been waiting in staging buckets.
//!
//! A fleet that is down, a queue that is full, definitions that are stale or a production bucket that may not be written all come to
//! the same: objects stay. What waits for a person (Infected, Unscannable) says so in its tags and does not count; those tags are
//! the object's owner's to change, so they silence a number here and open nothing. An Error waits for whatever went wrong to end.
//!
//! A run has its limits, in memory and in time, whatever the number of objects: what it did not look at it says, and the next runs
//! look at.

mod turn;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use lazaret_actions::retry;
use lazaret_aws::objects::Versioning;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::metrics::Metric;
use lazaret_model::metrics::names::watch::{
    POLICIES_MISSING, STAGING_NOT_LOOKED_AT, STAGING_UNREADABLE, STAGING_UNVERSIONED, STAGING_WAIT, STAGING_WAITING,
};
use lazaret_model::policy::{Policies, Policy};
use lazaret_model::tags::Tag;
use lazaret_model::verdict::SkippedReason;
use lazaret_model::{ObjectRef, Verdict, layout};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use self::turn::Turn;
use crate::error::FunctionError;
use crate::told::tell;

/// Objects whose tags one run reads. Of more, each run reads others.
const LOOKS: usize = 1_000;
/// Pages of listings that one run reads: a million objects, in what Lambda gives it.
const PAGES: usize = 1_000;
/// Tags that are read at once.
const CONCURRENT: usize = 16;
/// Keys that one run writes to its log.
const KEYS_LOGGED: usize = 10;
/// Between two runs, by which they take turns.
const EVERY_SECONDS: i64 = 300;
/// A run lists for so long, and ends after so long: Lambda ends it after five minutes, and then nothing is told.
const LISTING: Duration = Duration::from_secs(150);
const RUN: Duration = Duration::from_secs(240);

const LEFT_OUT: Verdict = Verdict::Skipped { reason: SkippedReason::SkipList };

/// The function and what it needs.
pub struct WatchStaging {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
    /// What has been there for less is on its way.
    pub limit_seconds: u64,
}

/// What one run saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Staging buckets.
    pub buckets: u64,
    /// Of these, such as keep no versions: nothing is promoted from them.
    pub unversioned: u64,
    /// Such as could not be looked at.
    pub unreadable: u64,
    /// Objects beyond the limit that wait for no person.
    pub waiting: u64,
    /// How long the first of them has been there; 0 if there is none.
    pub longest_seconds: u64,
    /// Objects beyond the limit that the next runs look at.
    pub not_looked_at: u64,
    /// Whether every object was listed.
    pub complete: bool,
    /// There are no policies, as before any bucket was protected: whether there should be some, nobody can tell from here.
    pub policies_missing: bool,
}

impl WatchStaging {
    /// Looks, and prints a line of CloudWatch's embedded metric format.
    ///
    /// # Errors
    /// If the policies can't be read: a bucket that can't be is counted.
    pub async fn handle(&self, now: Timestamp) -> Result<Watched, FunctionError> {
        let watched = self.look(now).await?;
        tell(now, watched.numbers());
        Ok(watched)
    }

    async fn look(&self, now: Timestamp) -> Result<Watched, FunctionError> {
        let begin = Instant::now();
        let policies = self.policies().await?;
        let mut watched = Watched { complete: true, policies_missing: policies.is_none(), ..Watched::default() };
        if watched.policies_missing {
            warn!("There are no policies: nothing is protected, and no staging bucket is watched");
        }
        let policies = policies.unwrap_or_default();
        let number = now.as_second() / EVERY_SECONDS;
        let (mut pages, mut old) = (PAGES, Turn::new(number, LOOKS));
        let mut staging: Vec<_> = policies.buckets.iter().filter(|(_, policy)| policy.promote_to().is_some()).collect();
        // a bucket that takes all there is to list with takes it from others, not always from the same
        let first = usize::try_from(number).unwrap_or_default().checked_rem(staging.len()).unwrap_or_default();
        staging.rotate_left(first);
        for (bucket, policy) in staging {
            watched.buckets += 1;
            let look = self.look_at(bucket, policy, now, &mut pages, &mut old, &mut watched);
            match timeout_at(begin + LISTING, look).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    watched.unreadable += 1;
                    warn!(object.bucket = bucket, error = %error.to_string().escape_debug(), "A staging bucket could not be looked at");
                }
                Err(_) => {
                    watched.complete = false;
                    warn!(object.bucket = bucket, "There was no time to list all of a staging bucket");
                }
            }
        }
        self.judge(old, now, begin + RUN, &mut watched).await;
        Ok(watched)
    }

    async fn look_at<'a>(
        &self,
        bucket: &str,
        policy: &'a Policy,
        now: Timestamp,
        pages: &mut usize,
        old: &mut Turn<(ObjectRef, &'a Policy)>,
        watched: &mut Watched,
    ) -> Result<(), StoreError> {
        if retry::store(|| self.store.versioning(bucket)).await? != Versioning::Enabled {
            watched.unversioned += 1;
            warn!(object.bucket = bucket, "A staging bucket keeps no versions: nothing is promoted from it");
        }
        let mut next: Option<String> = None;
        while *pages > 0 {
            *pages -= 1;
            let page = retry::store(|| self.store.list_page(bucket, "", next.as_deref())).await?;
            let beyond = |object: &ObjectRef| age_seconds(object, now) > self.limit_seconds;
            // what its policy leaves out is not scanned, and waits for nothing
            let meant = |object: &ObjectRef| policy.verdict_before_fetch(object) != Some(LEFT_OUT);
            for object in page.objects.into_iter().filter(|object| beyond(object) && meant(object)) {
                let name = (object.bucket.clone(), object.key.clone());
                old.offer(name, (object, policy));
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
        watched.complete = false;
        Ok(())
    }

    /// Which of those beyond the limit wait for the fleet or the promotion.
    async fn judge(&self, old: Turn<(ObjectRef, &Policy)>, now: Timestamp, end: Instant, watched: &mut Watched) {
        let offered = old.offered();
        let judged = stream::iter(old.chosen()).map(|(object, policy)| async move {
            let tags = retry::store(|| self.store.tags_at(&object.bucket, &object.key)).await;
            // tags that can't be read are no verdict
            let waits = tags.map_or(true, |tags| tags.is_some_and(|tags| !waits_for_a_person(&tags, policy)));
            waits.then_some(object)
        });
        let judged = judged.buffer_unordered(CONCURRENT).take_until(sleep_until(end));
        let judged: Vec<Option<ObjectRef>> = judged.collect().await;
        watched.not_looked_at = offered - judged.len() as u64;
        let mut waiting: Vec<ObjectRef> = judged.into_iter().flatten().collect();
        waiting.sort_by_key(|object| (Reverse(age_seconds(object, now)), object.key.clone()));
        watched.waiting = waiting.len() as u64;
        watched.longest_seconds = waiting.first().map_or(0, |object| age_seconds(object, now));
        for object in waiting.iter().take(KEYS_LOGGED) {
            let seconds = age_seconds(object, now);
            warn!(
                object.bucket = %object.bucket, object.key = %object.key.escape_debug(), seconds,
                "An object has been waiting in staging for {seconds} s"
            );
        }
    }

    /// None if there are none.
    async fn policies(&self) -> Result<Option<Policies>, FunctionError> {
        let key = layout::POLICIES_KEY;
        let stored = retry::store(|| self.store.get(&self.results_bucket, key)).await;
        let stored = stored.map_err(FunctionError::store(format_args!("reading `{key}`")))?;
        let Some(stored) = stored else { return Ok(None) };
        serde_json::from_slice(&stored.bytes)
            .map(Some)
            .map_err(|error| FunctionError::permanent(format!("`{key}` is not a set of policies: {error}")))
    }
}

impl Watched {
    fn numbers(&self) -> Vec<(Metric, u64)> {
        vec![
            (STAGING_WAIT, self.longest_seconds),
            (STAGING_WAITING, self.waiting),
            (STAGING_UNVERSIONED, self.unversioned),
            (STAGING_UNREADABLE, self.unreadable),
            // what was not even listed can't be counted, and is not nothing
            (STAGING_NOT_LOOKED_AT, self.not_looked_at.max(u64::from(!self.complete))),
            (POLICIES_MISSING, u64::from(self.policies_missing)),
        ]
    }
}

/// Infected and Unscannable stay until somebody decides.
fn waits_for_a_person(tags: &[Tag], policy: &Policy) -> bool {
    let result = tags.iter().find(|tag| tag.key == policy.tag_keys.result);
    result.is_some_and(|tag| matches!(tag.value.as_str(), "Infected" | "Unscannable"))
}

fn age_seconds(object: &ObjectRef, now: Timestamp) -> u64 {
    u64::try_from(now.as_second() - object.last_modified.as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_listed_is_told_as_not_looked_at() {
        let watched = Watched { waiting: 2, longest_seconds: 901, complete: true, ..Watched::default() };
        let told =
            |watched: &Watched, metric| watched.numbers().iter().find(|(name, _)| *name == metric).map(|(_, n)| *n);
        assert_eq!((told(&watched, STAGING_WAIT), told(&watched, STAGING_WAITING)), (Some(901), Some(2)));
        assert_eq!((told(&watched, STAGING_NOT_LOOKED_AT), told(&watched, POLICIES_MISSING)), (Some(0), Some(0)));
        let broken_off = Watched { complete: false, policies_missing: true, ..watched };
        assert_eq!((told(&broken_off, STAGING_NOT_LOOKED_AT), told(&broken_off, POLICIES_MISSING)), (Some(1), Some(1)));
    }
}
