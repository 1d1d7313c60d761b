//! The two-bucket flow: production gets exactly what is clean, whatever anybody does in the meantime.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Tag, Tagging};
use bytes::Bytes;
use futures::StreamExt;
use lazaret_aws::Executions;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::flow::{self, Queues, Spy};
use lazaret_e2e::{cli, raw, wait};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(300);
const CONNECTIONS: usize = 8;
/// Objects of the mixed test.
const MIXED: usize = 1_000;
/// Keys of the race, one adversary each.
const RACES: usize = 200;
const SEED: u64 = 20_261_122;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}

async fn two_buckets(cloud: &Cloud, name: &str) -> (String, String) {
    let (staging, production) = (format!("e2e-{name}-staging"), format!("e2e-{name}-production"));
    cloud.fresh_bucket(&staging, true).await.expect("a bucket");
    cloud.fresh_bucket(&production, true).await.expect("a bucket");
    flow::protect(&staging, &["--two-bucket", &format!("{production}/in/")]).await.expect("protected");
    (staging, production)
}

fn mixed() -> Vec<Specimen> {
    let locked = corpus::zip_of("a.txt", b"secret", Some(b"pass")).expect("a zip");
    let unique = |n: usize| Bytes::from(format!("object {n}, {}", "x".repeat(n % 3000)));
    let mut dice = Dice(SEED);
    (0..MIXED)
        .map(|n| {
            let key = format!("{}/ü {n:04}+%.bin", n % 5);
            match dice.below(20) {
                0 => Specimen::new(key, corpus::eicar(), Expected::Infected),
                1 => Specimen::new(key, locked.clone(), Expected::Unscannable("encrypted")),
                2 => Specimen::new(key, Bytes::new(), Expected::Clean),
                _ => Specimen::new(key, unique(n), Expected::Clean),
            }
        })
        .collect()
}

#[tokio::test]
async fn production_holds_exactly_the_clean_objects_and_staging_those_that_nobody_could_read() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (staging, production) = two_buckets(&cloud, "mixed").await;
    let specimens = mixed();
    let begun = Instant::now();
    futures::stream::iter(&specimens)
        .for_each_concurrent(CONNECTIONS, async |specimen| {
            let put = cloud.s3.put_object().bucket(&staging).key(&specimen.key).body(specimen.bytes.clone().into());
            let put = put.content_type("text/x-mixed").metadata("mine", "kept").tagging("team=a");
            put.send().await.expect("stored");
        })
        .await;
    let expected = |wanted: fn(&Expected) -> bool| -> BTreeSet<String> {
        let chosen = specimens.iter().filter(|specimen| wanted(&specimen.expected));
        chosen.map(|specimen| specimen.key.clone()).collect()
    };
    let unreadable = expected(|expected| matches!(expected, Expected::Unscannable(_)));
    let clean = expected(|expected| *expected == Expected::Clean);
    let infected = expected(|expected| *expected == Expected::Infected);
    wait::until("staging to hold what can't be read, and no more", PATIENCE, async || {
        Ok((cloud.keys(&staging, "").await?.len() == unreadable.len()).then_some(()))
    })
    .await
    .expect("all else has left staging");
    println!("{MIXED} objects through two buckets in {:.1} s", begun.elapsed().as_secs_f64());
    let queues = Queues::of(&cloud).expect("queues");
    queues.drained(PATIENCE).await.expect("an empty queue and no dead letters");

    let kept: BTreeSet<String> = cloud.keys(&staging, "").await.expect("a listing").into_keys().collect();
    assert_eq!(kept, unreadable);
    for key in &unreadable {
        let result = flow::tagged(&cloud, &staging, key, PATIENCE).await.expect("a tag");
        assert_eq!(result, "Unscannable", "{key}");
    }
    let promoted: BTreeSet<String> = cloud.keys(&production, "").await.expect("a listing").into_keys().collect();
    assert_eq!(promoted, clean.iter().map(|key| format!("in/{key}")).collect());
    futures::stream::iter(specimens.iter().filter(|specimen| specimen.expected == Expected::Clean))
        .for_each_concurrent(CONNECTIONS, async |specimen| {
            let key = format!("in/{}", specimen.key);
            let found = cloud.s3.get_object().bucket(&production).key(&key).send().await.expect("there");
            assert_eq!(found.content_type(), Some("text/x-mixed"), "{key}");
            assert_eq!(found.metadata().and_then(|all| all.get("mine")).map(String::as_str), Some("kept"), "{key}");
            let bytes = found.body.collect().await.expect("its bytes").into_bytes();
            assert_eq!(bytes, specimen.bytes, "{key}");
            let tags = cloud.tags(&production, &key).await.expect("tags");
            assert_eq!(tags.get("team").map(String::as_str), Some("a"), "{key}");
            assert_eq!(tags.get("scan-result").map(String::as_str), Some("Clean"), "{key}");
        })
        .await;
    assert_eq!(cloud.quarantined(&staging).await.expect("a listing").len(), infected.len());
    cli::lazaret(&["bucket", "unprotect", &staging]).await.expect("runs");
}

/// One thing that somebody else does to a key of the staging bucket.
async fn meddle(cloud: &Cloud, staging: &str, key: &str, dice: &mut Dice, clean: &mut BTreeSet<Bytes>) {
    match dice.below(5) {
        0 => {
            let put = cloud.s3.put_object().bucket(staging).key(key).body(corpus::eicar().into());
            // whoever stores it says that it is clean
            put.tagging("scan-result=Clean&date-scanned=2026-01-01").send().await.expect("stored");
        }
        1 => {
            let bytes = Bytes::from(format!("{key}, clean as well, {}", dice.below(u64::MAX)));
            clean.insert(bytes.clone());
            let put = cloud.s3.put_object().bucket(staging).key(key);
            put.body(ByteStream::from(bytes)).send().await.expect("stored");
        }
        2 => {
            cloud.s3.delete_object().bucket(staging).key(key).send().await.expect("deleted");
        }
        3 => {
            let tag = Tag::builder().key("scan-result").value("Clean").build().expect("complete");
            let tagging = Tagging::builder().tag_set(tag).build().expect("complete");
            // it may be gone by now
            let _ = cloud.s3.put_object_tagging().bucket(staging).key(key).tagging(tagging).send().await;
        }
        _ => {}
    }
}

#[tokio::test]
async fn nothing_that_somebody_does_between_the_steps_brings_an_unscanned_byte_to_production() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (staging, production) = two_buckets(&cloud, "race").await;
    let machine = cloud.sdk.executions(&flow::variable("LAZARET_PROMOTE_STATE_MACHINE_ARN").expect("sourced"));
    println!("seed {SEED}");
    let clean: BTreeSet<Bytes> = futures::stream::iter(0..RACES)
        .map(|n| {
            let (cloud, staging, machine) = (&cloud, staging.as_str(), &machine);
            async move {
                let mut dice = Dice(SEED + 1 + n as u64);
                let key = format!("{n:04}");
                let first = Bytes::from(format!("{key}, clean"));
                let mut clean = BTreeSet::from([first.clone()]);
                cloud.s3.put_object().bucket(staging).key(&key).body(first.into()).send().await.expect("stored");
                for _ in 0..1 + dice.below(3) {
                    // scan, execution, copy and deletion take some 100 ms together: this falls into any gap between them
                    tokio::time::sleep(Duration::from_millis(dice.below(250))).await;
                    meddle(cloud, staging, &key, &mut dice, &mut clean).await;
                    if dice.below(4) == 0 {
                        // a promotion that nobody's verdict stands behind
                        let record = format!("Clean-{:040x}", dice.below(u64::MAX));
                        let forged = json!({"record": record, "bucket": staging, "key": key, "verdict": "Clean"});
                        machine.start(&record, &forged).await.expect("started");
                    }
                }
                clean
            }
        })
        .buffer_unordered(CONNECTIONS)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect();
    Queues::of(&cloud).expect("queues").drained(PATIENCE).await.expect("an empty queue and no dead letters");
    wait::until("every promotion to end", PATIENCE, async || {
        let running = machine.list(1000).await?.into_iter();
        let running = running.filter(|one| one.status == lazaret_aws::executions::ExecutionStatus::Running).count();
        Ok((running == 0).then_some(()))
    })
    .await
    .expect("they end");

    // every version that ever stood in production, not only the last
    let in_production = cloud.versions(&production).await.expect("a listing");
    for (key, version) in &in_production {
        let get = cloud.s3.get_object().bucket(&production).key(key).version_id(version);
        let bytes = get.send().await.expect("there").body.collect().await.expect("its bytes").into_bytes();
        assert!(clean.contains(&bytes), "{key} holds what nobody called clean");
    }
    let promoted = in_production.len();
    println!("{promoted} versions in production, all of {} clean ones", clean.len());
    assert!(promoted >= RACES / 2, "the race let too little through to show anything: {promoted}");
    // nothing waits for ever
    let held = cloud.versions(&staging).await.expect("a listing");
    assert!(held.is_empty(), "these versions are neither promoted nor in quarantine: {held:?}");
    cli::lazaret(&["bucket", "unprotect", &staging]).await.expect("runs");
}

#[tokio::test]
async fn staging_that_lost_its_versions_promotes_nothing_and_says_so() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (staging, production) = two_buckets(&cloud, "suspended").await;
    let bus = Spy::on_bus(&cloud).await.expect("a spy");
    let suspended = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Suspended)
        .build();
    let suspend = cloud.s3.put_bucket_versioning().bucket(&staging).versioning_configuration(suspended);
    suspend.send().await.expect("suspended");
    cloud.put(&staging, &Specimen::new("a.txt", "clean", Expected::Clean)).await.expect("stored");
    let event = bus.hear("the promotion's result", flow::START, |body| {
        let detail = &body["detail"];
        let ours = body["detail-type"] == "Object Promotion Result" && detail["bucket"] == staging.as_str();
        ours.then(|| detail.clone())
    });
    let event = event.await.expect("heard");
    assert_eq!(event["outcome"], "Held", "{event}");
    assert!(cloud.keys(&production, "").await.expect("a listing").is_empty());
    // whoever waits is noticed: the watcher counts it once it waits for longer than the limit (5 s here)
    let limit = Instant::now() + Duration::from_secs(6);
    wait::until("the limit", PATIENCE, async || Ok((Instant::now() >= limit).then_some(()))).await.expect("it comes");
    let watched = raw::invoke("lazaret-watch-staging", &json!({})).await.expect("it answers");
    let at_least_one = |name: &str| watched[name].as_u64().is_some_and(|count| count >= 1);
    assert!(at_least_one("waiting") && at_least_one("unversioned"), "{watched}");
    bus.close().await.expect("closed");
    cli::lazaret(&["bucket", "unprotect", &staging]).await.expect("runs");
}
