//! Buckets' own settings: what is read is what S3 has, and writing it back changes nothing.

use lazaret_aws::StoreError;
use lazaret_aws::buckets::{KeyRule, NotificationFilter, NotificationRule, Notifications, Versioning};

use crate::world::worlds;

fn rule(id: &str, destination: &str, events: &[&str], filter: Option<&[(&str, &str)]>) -> NotificationRule {
    let key_rule = |(name, value): &(&str, &str)| KeyRule { name: (*name).into(), value: (*value).into() };
    NotificationRule {
        id: Some(id.to_owned()),
        destination: destination.to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        filter: filter.map(|rules| NotificationFilter { key_rules: Some(rules.iter().map(key_rule).collect()) }),
    }
}

#[tokio::test]
async fn a_bucket_tells_its_region_its_versions_and_its_tags() {
    for world in worlds().await {
        let buckets = world.buckets();
        let bucket = world.bucket(false).await;
        let region = buckets.region(&bucket).await.expect("a region");
        assert!(buckets.names(&region).await.expect("names").contains(&bucket));
        assert_eq!(buckets.versioning(&bucket).await, Ok(Versioning::Never));
        world.enable_versions(&bucket).await;
        assert_eq!(buckets.versioning(&bucket).await, Ok(Versioning::Enabled));
        world.suspend_versions(&bucket).await;
        assert_eq!(buckets.versioning(&bucket).await, Ok(Versioning::Suspended));
        assert_eq!(buckets.tags(&bucket).await, Ok(Vec::new()));
        world.tag_bucket(&bucket, &[("lazaret:protect", "two-bucket=other/in"), ("team", "a")]).await;
        let mut tags = buckets.tags(&bucket).await.expect("tags");
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        let tags: Vec<_> = tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
        assert_eq!(tags, [("lazaret:protect", "two-bucket=other/in"), ("team", "a")]);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_said_to_be_so() {
    for world in worlds().await {
        let buckets = world.buckets();
        let missing = || Err(StoreError::NoSuchBucket("lazaret-none-such".into()));
        assert_eq!(buckets.region("lazaret-none-such").await, missing());
        assert_eq!(buckets.tags("lazaret-none-such").await.map(drop), missing().map(|_: String| ()));
        assert_eq!(buckets.notifications("lazaret-none-such").await.map(drop), missing().map(|_| ()));
        let put = buckets.put_notifications("lazaret-none-such", &Notifications::default()).await;
        assert_eq!(put, missing().map(|_| ()));
    }
}

#[tokio::test]
async fn a_notification_configuration_is_read_and_written_whole() {
    for world in worlds().await {
        let buckets = world.buckets();
        let bucket = world.bucket(false).await;
        assert_eq!(buckets.notifications(&bucket).await, Ok(Notifications::default()));
        let (topic, queue) = (world.topic().await, world.queue_arn().await);
        let function = queue.replace(":sqs:", ":lambda:").replace(":ports-", ":function:ports-");
        let whole = Notifications {
            topics: vec![
                rule("z last", &topic, &["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"], Some(&[("Prefix", "a/")])),
                rule("a first", &topic, &["s3:ObjectRemoved:*"], None),
            ],
            queues: vec![rule(
                "q",
                &queue,
                &["s3:ObjectCreated:*"],
                Some(&[("Prefix", "b/ü & <x>"), ("Suffix", ".jpg")]),
            )],
            functions: vec![rule("f", &function, &["s3:ObjectTagging:Put"], None)],
            event_bridge: true,
        };
        buckets.put_notifications(&bucket, &whole).await.expect("written");
        assert_eq!(buckets.notifications(&bucket).await, Ok(whole.clone()));
        let raw = world.raw_notifications(&bucket).await;
        buckets.put_notifications(&bucket, &whole).await.expect("written");
        assert_eq!(world.raw_notifications(&bucket).await, raw);
        let lower = rule("lower", &topic, &["s3:ObjectCreated:*"], Some(&[("prefix", "a"), ("suffix", "b")]));
        let lower = Notifications { topics: vec![lower], ..Notifications::default() };
        buckets.put_notifications(&bucket, &lower).await.expect("written");
        let read = buckets.notifications(&bucket).await.expect("read");
        assert_eq!((read.topics[0].prefix(), read.topics[0].suffix()), ("a", "b"), "in whatever case");
        buckets.put_notifications(&bucket, &Notifications::default()).await.expect("written");
        assert_eq!(buckets.notifications(&bucket).await, Ok(Notifications::default()));
    }
}

#[tokio::test]
async fn a_destination_that_s3_cannot_reach_is_refused_and_nothing_changes() {
    for world in worlds().await {
        let buckets = world.buckets();
        let bucket = world.bucket(false).await;
        let nowhere = world.missing_topic().await;
        let rules = vec![rule("x", &nowhere, &["s3:ObjectCreated:*"], None)];
        let whole = Notifications { topics: rules, ..Notifications::default() };
        let refused = buckets.put_notifications(&bucket, &whole).await.expect_err("no such topic");
        assert!(matches!(&refused, StoreError::Permanent(why) if why.contains(&nowhere)), "{refused}");
        assert_eq!(buckets.notifications(&bucket).await, Ok(Notifications::default()));
    }
}

#[tokio::test]
async fn rules_that_want_the_same_event_of_the_same_key_are_refused() {
    for world in worlds().await {
        let buckets = world.buckets();
        let (bucket, topic) = (world.bucket(false).await, world.topic().await);
        let one = rule("one", &topic, &["s3:ObjectCreated:*"], Some(&[("Prefix", "a/")]));
        for (filter, refused) in [("a/b/", true), ("", true), ("b/", false)] {
            let other = rule("other", &topic, &["s3:ObjectCreated:Put"], Some(&[("Prefix", filter)]));
            let whole = Notifications { topics: vec![one.clone(), other], ..Notifications::default() };
            let put = buckets.put_notifications(&bucket, &whole).await;
            assert_eq!(put.is_err(), refused, "{filter}: {put:?}");
        }
    }
}

#[tokio::test]
async fn topics_are_there_or_not() {
    for world in worlds().await {
        let (topic, nowhere) = (world.topic().await, world.missing_topic().await);
        assert!(world.topics().exists(&topic).await.expect("an answer"));
        assert!(!world.topics().exists(&nowhere).await.expect("an answer"));
    }
}

#[tokio::test]
async fn a_locked_version_says_until_when() {
    for world in worlds().await {
        let bucket = world.locked_bucket().await;
        world.put(&bucket, "key", "x").await;
        let head = world.store().head(&bucket, "key", None).await.expect("an answer").expect("there");
        let until = world.buckets().retained_until(&bucket, "key", head.object.version_id.as_deref()).await;
        let until = until.expect("an answer").expect("a lock");
        assert!(until > jiff::Timestamp::now(), "{until}");
    }
}

#[tokio::test]
async fn an_object_without_a_lock_is_retained_by_nothing() {
    for world in worlds().await {
        let bucket = world.bucket(false).await;
        world.put(&bucket, "key", "x").await;
        assert_eq!(world.buckets().retained_until(&bucket, "key", None).await, Ok(None));
        assert!(world.store().head(&bucket, "key", None).await.expect("an answer").is_some());
    }
}
