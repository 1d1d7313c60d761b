//! Buckets' own settings: where they lie, whether they keep versions, their tags, and whom they notify.

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::tags::Tag;

use crate::StoreError;

/// Rules that one bucket's notification configuration may have (S3 user guide).
pub const NOTIFICATION_RULES_MAX: usize = 100;

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    Never,
    Enabled,
    /// New objects have the version id `null` and replace each other.
    Suspended,
}

/// A bucket's notification configuration: all that S3 has in it, in S3's order and spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    pub topics: Vec<NotificationRule>,
    pub queues: Vec<NotificationRule>,
    pub functions: Vec<NotificationRule>,
    /// Every event goes to EventBridge as well, whatever the rules say.
    pub event_bridge: bool,
}

impl Notifications {
    /// The rules of all kinds.
    pub fn rules(&self) -> impl Iterator<Item = &NotificationRule> {
        self.topics.iter().chain(&self.queues).chain(&self.functions)
    }
}

/// Which events of which keys go where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRule {
    pub id: Option<String>,
    /// An ARN.
    pub destination: String,
    /// `s3:ObjectCreated:*`, …
    pub events: Vec<String>,
    /// `None` is every key.
    pub filter: Option<NotificationFilter>,
}

impl NotificationRule {
    /// What keys must begin with; empty if the rule does not say.
    pub fn prefix(&self) -> &str {
        self.key_rule("prefix")
    }

    /// What keys must end with; empty if the rule does not say.
    pub fn suffix(&self) -> &str {
        self.key_rule("suffix")
    }

    fn key_rule(&self, name: &str) -> &str {
        let rules = self.filter.as_ref().and_then(|filter| filter.key_rules.as_deref()).unwrap_or_default();
        // S3 takes `prefix` and gives `Prefix`
        rules.iter().find(|rule| rule.name.eq_ignore_ascii_case(name)).map_or("", |rule| rule.value.as_str())
    }
}

/// S3's `Filter`. `key_rules` is its `S3Key`, which may be missing, and may be there and empty: both mean every key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    pub key_rules: Option<Vec<KeyRule>>,
}

/// S3's `FilterRule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// `prefix` or `suffix`, in any case.
    pub name: String,
    pub value: String,
}

/// S3's buckets, apart from their objects.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// The names of the caller's buckets in `region`, all pages.
    async fn names(&self, region: &str) -> Result<Vec<String>, StoreError>;

    /// `eu-central-1`. Fails with `NoSuchBucket` or `AccessDenied`.
    async fn region(&self, bucket: &str) -> Result<String, StoreError>;

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError>;

    /// The bucket's own tags.
    async fn tags(&self, bucket: &str) -> Result<Vec<Tag>, StoreError>;

    async fn notifications(&self, bucket: &str) -> Result<Notifications, StoreError>;

    /// Replaces the whole configuration: S3 knows no condition here. S3 sends a test event to every topic and queue in it, and
    /// refuses (`Permanent`) one that it may not send to.
    async fn put_notifications(&self, bucket: &str, notifications: &Notifications) -> Result<(), StoreError>;

    /// Until when Object Lock keeps this version of an object; `None` if it does not.
    async fn retained_until(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Timestamp>, StoreError>;
}
