//! Protecting a bucket: its other rules stay, what is there already is scanned, and nothing falls between.

use std::time::Duration;

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration,
    S3KeyFilter, Tag, Tagging, TopicConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use futures::StreamExt;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::flow::{self, Queues};
use lazaret_e2e::{cli, raw, wait};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(120);

fn below(prefix: &str, suffix: &str) -> NotificationConfigurationFilter {
    let rule = |name, value: &str| FilterRule::builder().name(name).value(value).build();
    let rules = [rule(FilterRuleName::Prefix, prefix), rule(FilterRuleName::Suffix, suffix)];
    NotificationConfigurationFilter::builder()
        .key(S3KeyFilter::builder().set_filter_rules(Some(rules.to_vec())).build())
        .build()
}

#[tokio::test]
async fn a_buckets_other_rules_stay_through_protect_and_unprotect_byte_for_byte() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-rules-kept";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let sqs = cloud.sdk.sqs_client();
    let url = sqs.create_queue().queue_name("e2e-others").send().await.expect("a queue");
    let url = url.queue_url().expect("a URL").to_owned();
    let asked = sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn).send().await;
    let queue = asked.expect("its ARN").attributes().expect("some")[&QueueAttributeName::QueueArn].clone();
    let topic = cloud.sdk.sns_client().create_topic().name("e2e-others").send().await.expect("a topic");
    let others = NotificationConfiguration::builder()
        .queue_configurations(
            QueueConfiguration::builder()
                .id("removals")
                .queue_arn(&queue)
                .events(Event::from("s3:ObjectRemoved:*"))
                .filter(below("in/ü+", ".log"))
                .build()
                .expect("complete"),
        )
        .queue_configurations(
            QueueConfiguration::builder()
                .queue_arn(&queue)
                .events(Event::from("s3:ObjectRestore:Completed"))
                .build()
                .expect("complete"),
        )
        .topic_configurations(
            TopicConfiguration::builder()
                .id("theirs")
                .topic_arn(topic.topic_arn().expect("an ARN"))
                .events(Event::from("s3:ObjectCreated:Put"))
                .filter(below("elsewhere/", ""))
                .build()
                .expect("complete"),
        )
        .build();
    let put = cloud.s3.put_bucket_notification_configuration().bucket(bucket).notification_configuration(others);
    put.send().await.expect("configured");
    let path = format!("/{bucket}?notification");
    let before = raw::get(&path).await.expect("the configuration");
    assert!(String::from_utf8_lossy(&before).contains("removals"));

    // the whole bucket would overlap with their rule for `elsewhere/`
    let refused = cli::lazaret(&["bucket", "protect", bucket, "--scan-existing", "none"]).await.expect("runs");
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("theirs") && refused.stderr.contains("elsewhere/"), "{}", refused.stderr);
    assert_eq!(raw::get(&path).await.expect("the configuration"), before, "a refusal changes nothing");

    flow::protect(bucket, &["--include", "in/*"]).await.expect("protected");
    let during = raw::get(&path).await.expect("the configuration");
    assert_ne!(during, before);
    assert!(String::from_utf8_lossy(&during).contains("removals"), "theirs stay");
    cloud.put(bucket, &Specimen::new("in/a", "x", Expected::Clean)).await.expect("stored");
    cloud.put(bucket, &Specimen::new("elsewhere/a", "x", Expected::Clean)).await.expect("stored");
    assert_eq!(flow::tagged(&cloud, bucket, "in/a", flow::START).await.expect("a verdict"), "Clean");
    assert!(cloud.tags(bucket, "elsewhere/a").await.expect("tags").is_empty(), "not below the prefix");

    let done = cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(raw::get(&path).await.expect("the configuration"), before, "byte for byte");
    sqs.delete_queue().queue_url(&url).send().await.expect("deleted");
}

#[tokio::test]
async fn what_is_there_and_what_comes_while_a_bucket_is_being_protected_all_has_its_verdict() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-activation";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let specimen = |n: usize| match n % 20 {
        0 => Specimen::new(format!("{n:04}"), corpus::eicar(), Expected::Infected),
        _ => Specimen::new(format!("{n:04}"), format!("object {n}"), Expected::Clean),
    };
    let old: Vec<_> = (0..200).map(specimen).collect();
    cloud.fill(bucket, &old).await.expect("filled");
    let coming = async {
        // some before the notifications are switched on, some while, some after
        futures::stream::iter((200..600).map(specimen))
            .then(async |specimen| cloud.put(bucket, &specimen).await.expect("stored"))
            .collect::<Vec<()>>()
            .await;
    };
    let protecting = async {
        let run = cli::lazaret(&["bucket", "protect", bucket, "--scan-existing", "all"]).await.expect("runs");
        assert_eq!(run.code, 0, "{}", run.stderr);
    };
    tokio::join!(coming, protecting);
    let infected = (0..600).filter(|n| n % 20 == 0).count();
    let without = wait::until("a verdict for each", PATIENCE, async || {
        let mut without = Vec::new();
        for key in cloud.keys(bucket, "").await?.into_keys() {
            if cloud.tags(bucket, &key).await.is_ok_and(|tags| !tags.contains_key("scan-result")) {
                without.push(key);
            }
        }
        let moved = cloud.quarantined(bucket).await?.len();
        Ok((without.is_empty() && moved == infected).then_some(without))
    });
    assert!(without.await.expect("all of them").is_empty());
    Queues::of(&cloud).expect("queues").drained(PATIENCE).await.expect("an empty queue and no dead letters");
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

#[tokio::test]
async fn a_tag_on_a_bucket_protects_it_and_its_removal_ends_that() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-tagged";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let tag = Tag::builder().key("lazaret:protect").value("standard").build().expect("complete");
    let tagging = Tagging::builder().tag_set(tag).build().expect("complete");
    cloud.s3.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await.expect("tagged");
    let event = json!({"detail": {"eventName": "PutBucketTagging", "requestParameters": {"bucketName": bucket}}});
    raw::invoke("lazaret-protect-tagged", &event).await.expect("it answers");
    let shown = cli::lazaret(&["bucket", "show", bucket, "--json"]).await.expect("runs");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    cloud.put(bucket, &Specimen::new("a", corpus::eicar(), Expected::Infected)).await.expect("stored");
    wait::until("its move to quarantine", flow::START, async || {
        Ok((cloud.quarantined(bucket).await?.len() == 1).then_some(()))
    })
    .await
    .expect("moved");
    cloud.s3.delete_bucket_tagging().bucket(bucket).send().await.expect("untagged");
    raw::invoke("lazaret-protect-tagged", &json!({})).await.expect("it answers");
    let configuration = raw::get(&format!("/{bucket}?notification")).await.expect("the configuration");
    assert!(!String::from_utf8_lossy(&configuration).contains("lazaret"), "its notifications are off");
}
