//! The settings of the fake S3's buckets. Whether one exists, and keeps versions, its [`FakeStore`] knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lazaret_model::tags::Tag;

use super::{Calls, FakeStore, Faults, locked};
use crate::StoreError;
use crate::buckets::{Buckets, NOTIFICATION_RULES_MAX, Notifications, Versioning};

/// Buckets over a [`FakeStore`], some of whose calls may fail.
#[derive(Clone)]
pub struct FakeBuckets {
    store: FakeStore,
    state: Arc<Mutex<State>>,
    calls: Arc<Calls>,
    pub faults: Faults<StoreError>,
}

#[derive(Default)]
struct State {
    settings: BTreeMap<String, Settings>,
    /// Destinations that S3 can't send to.
    unreachable: BTreeSet<String>,
    retained: BTreeMap<(String, String), Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    region: Option<String>,
    tags: Vec<Tag>,
    notifications: Notifications,
}

impl FakeBuckets {
    /// The region of buckets that are not said to lie elsewhere.
    pub const REGION: &str = "eu-test-1";

    pub fn of(store: &FakeStore) -> Self {
        Self { store: store.clone(), state: Arc::default(), calls: Arc::default(), faults: Faults::default() }
    }

    pub fn set_region(&self, bucket: &str, region: &str) {
        self.change(bucket, |settings| settings.region = Some(region.to_owned()));
    }

    /// In place of those that it has.
    pub fn set_tags(&self, bucket: &str, tags: &[(&str, &str)]) {
        let tag = |(key, value): &(&str, &str)| Tag { key: (*key).to_owned(), value: (*value).to_owned() };
        self.change(bucket, |settings| settings.tags = tags.iter().map(tag).collect());
    }

    /// As its owner does, past all checks.
    pub fn set_notifications(&self, bucket: &str, notifications: Notifications) {
        self.change(bucket, |settings| settings.notifications = notifications);
    }

    pub fn notifications_of(&self, bucket: &str) -> Notifications {
        self.state().settings.get(bucket).map(|settings| settings.notifications.clone()).unwrap_or_default()
    }

    /// From now on S3 can't send there.
    pub fn set_unreachable(&self, arn: &str) {
        self.state().unreachable.insert(arn.to_owned());
    }

    /// What `retained_until` says of an object; else it is a day in a bucket whose versions are locked.
    pub fn retain(&self, bucket: &str, key: &str, until: Timestamp) {
        self.state().retained.insert((bucket.to_owned(), key.to_owned()), until);
    }

    /// How often an operation of the port was called: `"put_notifications"`, …
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.of(operation)
    }

    fn change(&self, bucket: &str, change: impl FnOnce(&mut Settings)) {
        change(self.state().settings.entry(bucket.to_owned()).or_default());
    }

    fn open(&self, operation: &'static str, bucket: &str) -> Result<Settings, StoreError> {
        self.calls.count(operation);
        self.store.open_bucket(bucket)?;
        Ok(self.state().settings.get(bucket).cloned().unwrap_or_default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn put(&self, bucket: &str, notifications: &Notifications) -> Result<(), StoreError> {
        self.open("put_notifications", bucket)?;
        check(notifications)?;
        let state = &mut *self.state();
        if let Some(rule) = notifications.rules().find(|rule| state.unreachable.contains(&rule.destination)) {
            let why = "InvalidArgument: Unable to validate the following destination configurations";
            return Err(StoreError::Permanent(format!("{why}: {}", rule.destination)));
        }
        let mut written = notifications.clone();
        // as S3 gives them back
        let rules = written.topics.iter_mut().chain(&mut written.queues).chain(&mut written.functions);
        for rule in rules.filter_map(|rule| rule.filter.as_mut()?.key_rules.as_mut()).flatten() {
            rule.name = if rule.name.eq_ignore_ascii_case("prefix") { "Prefix".into() } else { "Suffix".into() };
        }
        state.settings.entry(bucket.to_owned()).or_default().notifications = written;
        Ok(())
    }
}

/// As S3: ids are given once, and no two rules may want the same event of the same key.
fn check(notifications: &Notifications) -> Result<(), StoreError> {
    let refused = |why: &str| Err(StoreError::Permanent(format!("InvalidArgument: {why}")));
    let rules: Vec<_> = notifications.rules().collect();
    if rules.len() > NOTIFICATION_RULES_MAX {
        return refused("more than 100 configurations");
    }
    for (index, one) in rules.iter().enumerate() {
        for other in &rules[index + 1..] {
            if one.id.is_some() && one.id == other.id {
                return refused("Same ID used for multiple configurations");
            }
            let family = |event: &str| event.trim_end_matches('*').to_owned();
            let events = one.events.iter().any(|a| {
                other.events.iter().any(|b| family(a).starts_with(&family(b)) || family(b).starts_with(&family(a)))
            });
            let prefixes = one.prefix().starts_with(other.prefix()) || other.prefix().starts_with(one.prefix());
            let suffixes = one.suffix().ends_with(other.suffix()) || other.suffix().ends_with(one.suffix());
            if events && prefixes && suffixes {
                return refused(
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type",
                );
            }
        }
    }
    Ok(())
}

#[async_trait]
impl Buckets for FakeBuckets {
    async fn names(&self, region: &str) -> Result<Vec<String>, StoreError> {
        self.calls.count("names");
        let names = async {
            let lies_there = |bucket: &String| {
                let state = self.state();
                let told = state.settings.get(bucket).and_then(|settings| settings.region.as_deref());
                told.unwrap_or(Self::REGION) == region
            };
            Ok(self.store.bucket_names().into_iter().filter(lies_there).collect())
        };
        self.faults.around("names", names).await
    }

    async fn region(&self, bucket: &str) -> Result<String, StoreError> {
        let region = async {
            let settings = self.open("region", bucket)?;
            Ok(settings.region.unwrap_or_else(|| Self::REGION.to_owned()))
        };
        self.faults.around("region", region).await
    }

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError> {
        let versioning = async { self.open("versioning", bucket).map(|_| self.store.versioning_of(bucket)) };
        self.faults.around("versioning", versioning).await
    }

    async fn tags(&self, bucket: &str) -> Result<Vec<Tag>, StoreError> {
        self.faults.around("tags", async { self.open("tags", bucket).map(|settings| settings.tags) }).await
    }

    async fn notifications(&self, bucket: &str) -> Result<Notifications, StoreError> {
        let notifications = async { self.open("notifications", bucket).map(|settings| settings.notifications) };
        self.faults.around("notifications", notifications).await
    }

    async fn put_notifications(&self, bucket: &str, notifications: &Notifications) -> Result<(), StoreError> {
        self.faults.around("put_notifications", async { self.put(bucket, notifications) }).await
    }

    async fn retained_until(
        &self,
        bucket: &str,
        key: &str,
        _version_id: Option<&str>,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.open("retained_until", bucket)?;
        let named = self.state().retained.get(&(bucket.to_owned(), key.to_owned())).copied();
        let a_day = || Timestamp::now() + SignedDuration::from_hours(24);
        Ok(named.or_else(|| self.store.is_locked(bucket).then(a_day)))
    }
}
