//! The event flow: an object that is stored in a protected bucket has its verdict soon after, whatever happens on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use lazaret_aws::ObjectStore;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::flow::{self, Queues, Spy};
use lazaret_e2e::{cli, wait, workers};
use lazaret_model::Verdict;
use lazaret_model::event::{EventBody, EventRecord, read_event};
use lazaret_model::tags::{TagKeys, merge_tags, verdict_tags};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// 10 KB that no other object has, so that no cache answers.
fn ten_kb(n: usize) -> Bytes {
    let line = format!("object {n} of the latency test\n");
    Bytes::from(line.repeat(10_240 / line.len() + 1)[..10_240].to_owned())
}

/// Objects of the latency test.
const PUTS: usize = 500;
/// Of the same calls without us.
const BARE: usize = 100;

#[tokio::test]
async fn an_object_has_its_verdict_soon_after_it_was_stored() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (bucket, bare) = ("e2e-latency", "e2e-latency-bare");
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    cloud.fresh_bucket(bare, false).await.expect("a bucket");
    flow::protect(bucket, &[]).await.expect("protected");
    let warm = Specimen::new("warm", "up", Expected::Clean);
    cloud.put(bucket, &warm).await.expect("stored");
    flow::tagged(&cloud, bucket, "warm", flow::START).await.expect("a first verdict");

    let mut times = Vec::with_capacity(PUTS);
    for n in 0..PUTS {
        let key = format!("{n:04}");
        let begun = Instant::now();
        cloud.put(bucket, &Specimen::new(&key, ten_kb(n), Expected::Clean)).await.expect("stored");
        let result = flow::tagged(&cloud, bucket, &key, PATIENCE).await.expect("a verdict");
        times.push(begun.elapsed());
        assert_eq!(result, "Clean");
    }
    let mut bare_times = bare_pipeline(&cloud, bare).await;
    times.sort();
    bare_times.sort();
    let [median, p99] = [0.5, 0.99].map(|share| quantile(&times, share));
    let [bare_median, bare_p99] = [0.5, 0.99].map(|share| quantile(&bare_times, share));
    println!(
        "put to tag over {PUTS} objects of 10 KB: median {:.1} ms, p99 {:.1} ms; the same calls to the emulator without a scan: median \
         {:.1} ms, p99 {:.1} ms; ours is {:.1} ms of the median",
        median.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
        bare_median.as_secs_f64() * 1e3,
        bare_p99.as_secs_f64() * 1e3,
        median.saturating_sub(bare_median).as_secs_f64() * 1e3,
    );
    // an agent that polled, or loaded its definitions for each object, would take seconds
    assert!(median < Duration::from_secs(1), "the median is {median:?}");
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

/// The calls that an object costs, without an engine: event, GET, tags, HEAD, PUT of the tags, HEAD.
async fn bare_pipeline(cloud: &Cloud, bucket: &str) -> Vec<Duration> {
    let topic = cloud.sdk.sns_client().create_topic().name("e2e-bare").send().await.expect("a topic");
    let topic = topic.topic_arn().expect("an ARN").to_owned();
    let spy = Spy::on_topic(cloud, &topic).await.expect("a spy");
    let configuration = aws_sdk_s3::types::NotificationConfiguration::builder()
        .topic_configurations(
            aws_sdk_s3::types::TopicConfiguration::builder()
                .topic_arn(&topic)
                .events(aws_sdk_s3::types::Event::from("s3:ObjectCreated:*"))
                .build()
                .expect("complete"),
        )
        .build();
    let put = cloud.s3.put_bucket_notification_configuration().bucket(bucket);
    put.notification_configuration(configuration).send().await.expect("configured");
    let store = Arc::new(cloud.sdk.store());
    let mut times = Vec::new();
    for n in 0..BARE {
        let key = format!("{n:04}");
        let begun = Instant::now();
        let work = async {
            let object = spy
                .hear("the event", PATIENCE, |body| {
                    let EventBody::Records(records) = read_event(&body.to_string()).expect("an event") else {
                        return None;
                    };
                    records.into_iter().find_map(|record| match record {
                        EventRecord::Created(created) => Some(created.object),
                        EventRecord::Other(_) | EventRecord::Unreadable(_) => None,
                    })
                })
                .await
                .expect("an event");
            let mut fetched = store.fetch(&object).await.expect("fetched");
            while fetched.body.chunk().await.expect("a chunk").is_some() {}
            let tags = store.tags(&object).await.expect("tags");
            let ours = verdict_tags(&TagKeys::default(), &Verdict::Clean, jiff::Timestamp::now());
            let tags = merge_tags(&TagKeys::default(), &tags, &ours).expect("room");
            store.put_tags(&object, &tags).await.expect("tagged");
        };
        let put = async {
            cloud.put(bucket, &Specimen::new(&key, ten_kb(n), Expected::Clean)).await.expect("stored");
            flow::tagged(cloud, bucket, &key, PATIENCE).await.expect("a tag");
            begun.elapsed()
        };
        times.push(tokio::join!(work, put).1);
    }
    spy.close().await.expect("closed");
    times
}

/// Objects of the test with crashes, and every which of them is infected.
const STORM: usize = 5_000;
const INFECTED_EVERY: usize = 50;
const CONNECTIONS: usize = 8;
const KILLS: usize = 5;

#[tokio::test]
async fn a_storm_of_objects_duplicates_and_killed_agents_leaves_every_object_with_its_verdict_once() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-storm";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    flow::protect(bucket, &[]).await.expect("protected");
    let queues = Queues::of(&cloud).expect("queues");
    flow::an_agent().await.expect("an agent");
    let spy =
        Spy::on_topic(&cloud, &flow::variable("LAZARET_EVENTS_TOPIC_ARN").expect("sourced")).await.expect("a spy");

    let is_infected = |n: usize| n.is_multiple_of(INFECTED_EVERY);
    let specimen = |n: usize| {
        let key = format!("{}/{n:05} +%ü.bin", n % 7);
        let content = if is_infected(n) { corpus::eicar() } else { format!("object {n}").into_bytes() };
        Specimen::new(key, content, if is_infected(n) { Expected::Infected } else { Expected::Clean })
    };
    let begun = Instant::now();
    let stored = AtomicUsize::new(0);
    let filling = async {
        futures::stream::iter((0..STORM).map(specimen))
            .map(|specimen| async {
                cloud.put(bucket, &specimen).await.expect("stored");
                stored.fetch_add(1, Ordering::Relaxed);
                specimen
            })
            .buffer_unordered(CONNECTIONS)
            .collect::<Vec<_>>()
            .await
    };
    // a tenth of the events come twice, out of their order
    let repeating = async {
        let mut repeated = 0;
        let mut seen = 0;
        while repeated < STORM / 10 {
            for body in spy.receive().await.expect("messages") {
                seen += 1;
                let event = body["Message"].as_str().expect("an envelope").to_owned();
                if seen % 10 == 0 && event.contains("ObjectCreated") {
                    queues.events.send(&[event]).await.expect("sent");
                    repeated += 1;
                }
            }
        }
        repeated
    };
    let killing = async {
        let mut killed = BTreeSet::new();
        for round in 1..=KILLS {
            // spread over the whole of it
            wait::until("more objects", Duration::from_secs(600), async || {
                Ok((stored.load(Ordering::Relaxed) >= STORM * round / (KILLS + 1)).then_some(()))
            })
            .await
            .expect("they come");
            let pid = wait::until("another agent", flow::START, async || {
                Ok(flow::agents().into_iter().find(|pid| !killed.contains(&pid.as_raw_nonzero())))
            })
            .await
            .expect("the service starts agents anew");
            workers::kill(pid).expect("it was running");
            killed.insert(pid.as_raw_nonzero());
        }
        killed.len()
    };
    let (specimens, repeated, killed) = tokio::join!(filling, repeating, killing);
    let filled = begun.elapsed();
    queues.drained(Duration::from_secs(300)).await.expect("an empty queue and no dead letters");
    println!(
        "{STORM} objects stored in {:.1} s, all judged after {:.1} s; {repeated} events repeated, {killed} agents killed",
        filled.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    spy.close().await.expect("closed");

    let kept = cloud.keys(bucket, "").await.expect("a listing");
    let quarantined = cloud.quarantined(bucket).await.expect("a listing");
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for copy in &quarantined {
        let key = copy.strip_prefix("e2e-storm/").and_then(|rest| rest.rsplit_once('/')).expect("bucket/key/digits").0;
        *copies.entry(key).or_default() += 1;
    }
    let wrong: Vec<String> = futures::stream::iter(&specimens)
        .map(|specimen| async {
            let copies = copies.get(specimen.key.as_str()).copied().unwrap_or(0);
            let there = kept.contains_key(&specimen.key);
            if specimen.expected == Expected::Infected {
                return (there || copies != 1).then(|| format!("{}: there {there}, {copies} copies", specimen.key));
            }
            let tags = cloud.tags(bucket, &specimen.key).await.expect("tags");
            let result = tags.get("scan-result").map(String::as_str);
            (result != Some("Clean") || copies != 0).then(|| format!("{}: {result:?}, {copies} copies", specimen.key))
        })
        .buffer_unordered(CONNECTIONS)
        .filter_map(|wrong| async { wrong })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {STORM}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

#[tokio::test]
async fn every_verdict_is_announced_with_what_subscribers_filter_by() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-announced";
    cloud.fresh_bucket(bucket, true).await.expect("a bucket");
    flow::protect(bucket, &[]).await.expect("protected");
    let topic = flow::variable("LAZARET_NOTIFICATIONS_TOPIC_ARN").expect("sourced");
    let on_topic = Spy::on_topic(&cloud, &topic).await.expect("a spy");
    let on_bus = Spy::on_bus(&cloud).await.expect("a spy");
    let locked = corpus::zip_of("a.txt", b"secret", Some(b"pass")).expect("a zip");
    for (key, content, result) in [
        ("clean.txt", b"clean".to_vec(), "Clean"),
        ("folder/", Vec::new(), "Clean"),
        ("in a+b%20c/eicar.com", corpus::eicar(), "Infected"),
        ("locked.zip", locked, "Unscannable"),
    ] {
        cloud.put(bucket, &Specimen::new(key, content, Expected::Clean)).await.expect("stored");
        let of_key = |detail: &Value| (detail["bucket"] == bucket && detail["key"] == key).then(|| detail.clone());
        let heard = on_topic.hear("SNS's message", flow::START, |body| {
            let message: Value = serde_json::from_str(body["Message"].as_str()?).ok()?;
            of_key(&message).map(|message| (message, body["MessageAttributes"].clone()))
        });
        let (message, attributes) = heard.await.expect("heard");
        assert_eq!(message["result"], result, "{message}");
        for (name, value) in [("notificationType", "scanResult"), ("scanResult", result), ("bucket", bucket)] {
            assert_eq!(attributes[name]["Value"], value, "{attributes}");
        }
        assert_eq!(attributes["account"]["Value"], "000000000000");
        let event = on_bus.hear("EventBridge's event", PATIENCE, |body| {
            (body["detail-type"] == "Object Scan Result").then(|| of_key(&body["detail"])).flatten()
        });
        let event = event.await.expect("heard");
        assert_eq!(event["id"], message["id"]);
        assert!(event["versionId"].is_string() && event["scannedAt"].is_string(), "{event}");
        if result == "Infected" {
            assert_eq!(event["actionOutcome"]["outcome"], "Done", "{event}");
            assert_eq!(event["movedTo"]["bucket"], cloud.quarantine_bucket, "{event}");
            assert!(event["findings"][0]["threat"].is_string());
        }
    }
    on_topic.close().await.expect("closed");
    on_bus.close().await.expect("closed");
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

#[tokio::test]
async fn an_archived_object_keeps_no_false_result_and_is_scanned_once_it_can_be_read() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (bucket, key) = ("e2e-archived", "old/ü +%.com");
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    flow::protect(bucket, &[]).await.expect("protected");
    let put = cloud.s3.put_object().bucket(bucket).key(key).storage_class(aws_sdk_s3::types::StorageClass::Glacier);
    put.tagging("scan-result=Clean&team=a").body(corpus::eicar().into()).send().await.expect("stored");
    wait::until("the false result to be replaced", flow::START, async || {
        let tags = cloud.tags(bucket, key).await?;
        assert_eq!(tags.get("team").map(String::as_str), Some("a"), "{tags:?}");
        Ok((tags.get("scan-result").map(String::as_str) == Some("Unscannable")).then_some(()))
    })
    .await
    .expect("it is not clean");
    assert!(cloud.quarantined(bucket).await.expect("a listing").is_empty(), "nobody has read it");

    let request = aws_sdk_s3::types::RestoreRequest::builder().days(1).build();
    let restore = cloud.s3.restore_object().bucket(bucket).key(key).restore_request(request);
    restore.send().await.expect("asked for");
    wait::until("what was restored to be scanned and moved", PATIENCE, async || {
        Ok((cloud.quarantined(bucket).await?.len() == 1 && cloud.keys(bucket, "").await?.is_empty()).then_some(()))
    })
    .await
    .expect("moved");
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

#[tokio::test]
async fn a_restored_object_is_scanned_again_and_stays() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-restored";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    flow::protect(bucket, &[]).await.expect("protected");
    let key = "reports/ü +%.com";
    let put = cloud.s3.put_object().bucket(bucket).key(key).content_type("text/x-test").metadata("mine", "kept");
    put.tagging("team=a").body(corpus::eicar().into()).send().await.expect("stored");
    let copy = wait::until("the copy in quarantine", flow::START, async || {
        Ok(cloud.quarantined(bucket).await?.first().cloned())
    });
    let copy = copy.await.expect("moved");
    wait::until("the object to be gone", PATIENCE, async || {
        Ok((!cloud.keys(bucket, "").await?.contains_key(key)).then_some(()))
    })
    .await
    .expect("gone");
    let id = copy.rsplit_once('/').expect("digits").1;
    let listed = cli::lazaret(&["quarantine", "list", "--bucket", bucket, "--json"]).await.expect("runs");
    assert!(listed.stdout.contains(id), "{}", listed.stdout);
    let restored = cli::lazaret(&["quarantine", "restore", id, "--yes"]).await.expect("runs");
    assert_eq!(restored.code, 0, "{}{}", restored.stdout, restored.stderr);

    // the restored object is an event like any other: it must come out allowed, and stay
    Queues::of(&cloud).expect("queues").drained(PATIENCE).await.expect("judged");
    let head = cloud.s3.head_object().bucket(bucket).key(key).send().await.expect("it is back");
    assert_eq!(head.content_type(), Some("text/x-test"));
    assert_eq!(head.metadata().and_then(|all| all.get("mine")).map(String::as_str), Some("kept"));
    let tags = cloud.tags(bucket, key).await.expect("tags");
    assert_eq!(tags.get("scan-result").map(String::as_str), Some("InfectedAllowed"), "{tags:?}");
    assert_eq!(tags.get("team").map(String::as_str), Some("a"));
    assert!(cloud.quarantined(bucket).await.expect("a listing").is_empty());
    // the same content elsewhere is allowed as well, another content with the same signature is not
    cloud.put(bucket, &Specimen::new("again.com", corpus::eicar(), Expected::Clean)).await.expect("stored");
    assert_eq!(flow::tagged(&cloud, bucket, "again.com", PATIENCE).await.expect("a verdict"), "InfectedAllowed");
    let other = corpus::zip_of("e.com", &corpus::eicar(), None).expect("a zip");
    cloud.put(bucket, &Specimen::new("other.zip", other, Expected::Infected)).await.expect("stored");
    wait::until("the other to be moved", PATIENCE, async || {
        Ok((cloud.quarantined(bucket).await?.len() == 1).then_some(()))
    })
    .await
    .expect("moved");
    let key = format!("settings/allowed/{}.json", sha256(&corpus::eicar()));
    cloud.s3.delete_object().bucket(&cloud.results_bucket).key(key).send().await.expect("taken back for other tests");
    cli::lazaret(&["bucket", "unprotect", bucket]).await.expect("runs");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
