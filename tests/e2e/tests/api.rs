//! The verdict API from end to end: through the load balancer, with users of the pool, beside buckets of the local cloud.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lazaret_e2e::api::{Caller, Reply};
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{raw, wait};
use serde_json::{Value, json};

/// The bucket of `cdk/lib/config-local.ts` that callers may store in.
const UPLOADS: &str = "local-uploads";
const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

fn verdict(reply: &Reply) -> Value {
    let answer = reply.json().expect("JSON");
    assert_eq!(reply.status, 200, "{answer}");
    answer
}

/// Bytes that nothing is found in, the same in each run.
fn plain(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

async fn stored(cloud: &Cloud, bucket: &str, key: &str) -> Vec<u8> {
    let object = cloud.s3.get_object().bucket(bucket).key(key).send().await.expect("stored");
    object.body.collect().await.expect("read").to_vec()
}

#[tokio::test]
async fn who_has_no_token_gets_no_verdict_and_the_server_is_ready() {
    let nobody = Caller::nobody().expect("a local cloud");
    let health = nobody.get("/api/health").await.expect("an answer");
    let said = verdict(&health);
    assert_eq!(said["status"], "ready");
    assert!(said["definitions"].is_string());
    let refused = nobody.scan(&[("a", b"plain")], &[]).await.expect("an answer");
    assert_eq!((refused.status, &refused.json().expect("JSON")["result"]), (401, &json!("Error")));
    let wrong = json!({"username": "nobody", "password": "nothing"}).to_string();
    let headers = [("Content-Type", "application/json")];
    assert_eq!(nobody.post("/api/Token", &headers, wrong.as_bytes()).await.expect("an answer").status, 401);
}

#[tokio::test]
async fn a_file_gets_its_verdict_and_an_archive_the_list_of_its_members() {
    let caller = Caller::new().await.expect("a user who can log in at once");
    let clean = verdict(&caller.scan(&[("my_file", b"plain")], &[]).await.expect("an answer"));
    assert_eq!((&clean["result"], &clean["detectedInfections"]), (&json!("Clean"), &json!([])));
    let archive = corpus::zip_of("folder/eicar.com", &corpus::eicar(), None).expect("a zip");
    let infected = verdict(&caller.scan(&[("my_file", &archive)], &[]).await.expect("an answer"));
    assert_eq!(infected["result"], "Infected");
    assert_eq!(infected["detectedInfections"][0]["file"], "folder/eicar.com");
    let two = [("good", &b"plain"[..]), ("bad", &corpus::eicar())];
    let both = verdict(&caller.scan(&two, &[]).await.expect("an answer"));
    assert_eq!((&both["result"], &both["files"][0]["result"]), (&json!("Infected"), &json!("Clean")), "{both}");
}

#[tokio::test]
async fn an_object_is_scanned_where_it_lies_in_the_version_that_was_meant_and_stays_as_it_is() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (bucket, caller) = ("e2e-api-existing", Caller::new().await.expect("a user"));
    cloud.fresh_bucket(bucket, true).await.expect("a bucket");
    let key = "a folder/ü+%2F.bin";
    for (bytes, expected) in [(b"plain".to_vec(), Expected::Clean), (corpus::eicar(), Expected::Clean)] {
        cloud.put(bucket, &Specimen::new(key, bytes, expected)).await.expect("stored");
    }
    let before = cloud.versions(bucket).await.expect("a listing");
    let scan = async |more: Value| {
        let mut asked = json!({"container": bucket, "objectPath": key});
        asked.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        caller.existing(&asked).await.expect("an answer")
    };
    let current = verdict(&scan(json!({})).await);
    assert_eq!(current["result"], "Infected");
    let head = cloud.s3.head_object().bucket(bucket).key(key).send().await.expect("it is there");
    assert_eq!(current["object"]["versionId"].as_str(), head.version_id());
    let older = before.iter().map(|(_, version)| version.as_str()).find(|one| Some(*one) != head.version_id());
    let older = verdict(&scan(json!({"versionId": older.expect("an older version")})).await);
    assert_eq!(older["result"], "Clean");
    let missing = caller.existing(&json!({"container": bucket, "objectPath": "nothing"})).await.expect("an answer");
    assert_eq!(missing.status, 400);
    assert_eq!(cloud.versions(bucket).await.expect("a listing"), before);
    assert_eq!(cloud.tags(bucket, key).await.expect("tags"), BTreeMap::new());
}

#[tokio::test]
async fn what_is_clean_is_stored_as_it_was_sent_and_what_is_infected_never() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    cloud.fresh_bucket(UPLOADS, true).await.expect("a bucket");
    let caller = Caller::new().await.expect("a user");
    let into = |prefix: &'static str| [("uploadTo", prefix)];
    let large = plain(20 * MIB);
    let to = into("local-uploads/in");
    let answer =
        verdict(&caller.scan(&[("large.bin", &large), ("small.txt", b"plain")], &to).await.expect("an answer"));
    assert_eq!((&answer["result"], answer["uploads"].as_array().map(Vec::len)), (&json!("Clean"), Some(2)), "{answer}");
    assert!(stored(&cloud, UPLOADS, "in/large.bin").await == large, "other bytes were stored than were sent");
    assert_eq!(stored(&cloud, UPLOADS, "in/small.txt").await, b"plain");
    let tags = cloud.tags(UPLOADS, "in/small.txt").await.expect("tags");
    assert_eq!(tags["scan-result"], "Clean");

    let before = cloud.versions(UPLOADS).await.expect("a listing");
    let archive = corpus::zip_of("eicar.com", &corpus::eicar(), None).expect("a zip");
    for files in [vec![("bad.zip", &archive[..])], vec![("good.txt", &b"plain"[..]), ("bad.zip", &archive[..])]] {
        let answer = verdict(&caller.scan(&files, &into("local-uploads")).await.expect("an answer"));
        assert_eq!((&answer["result"], &answer["uploads"]), (&json!("Infected"), &Value::Null), "{answer}");
    }
    for (files, to) in [
        ([("other.txt", &b"plain"[..])], into("e2e-somebody-elses")),
        ([("small.txt", &b"another"[..])], into("local-uploads/in")),
    ] {
        assert_eq!(caller.scan(&files, &to).await.expect("an answer").status, 400);
    }
    assert_eq!(cloud.versions(UPLOADS).await.expect("a listing"), before, "nothing else was stored or overwritten");
}

#[tokio::test]
async fn who_prefers_it_is_answered_later_and_nobody_else_hears_of_it() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let (caller, other) = (Caller::new().await.expect("a user"), Caller::new().await.expect("another"));
    let archive = {
        let mut content = plain(5 * MIB);
        content.extend_from_slice(b"\n");
        let large = corpus::zip_of("large.bin", &content, None).expect("a zip");
        [large, corpus::zip_of("eicar.com", &corpus::eicar(), None).expect("a zip")]
    };
    let headers = [("Content-Type", "application/octet-stream"), ("Prefer", "respond-async"), ("File-Name", "a.zip")];
    // small ones are answered at once, whatever is preferred
    let at_once = caller.post("/api/Scan", &headers, &archive[1]).await.expect("an answer");
    assert_eq!(verdict(&at_once)["result"], "Infected");

    let accepted = caller.post("/api/Scan", &headers, &archive[0]).await.expect("an answer");
    let reference = accepted.json().expect("JSON")["referenceId"].as_str().expect("a reference").to_owned();
    assert_eq!(accepted.status, 202);
    let path = format!("/api/Scan/JobStatus?referenceId={reference}");
    let answer = wait::until("the verdict", PATIENCE, async || {
        let reply = caller.get(&path).await?;
        anyhow::ensure!(matches!(reply.status, 200 | 202), "{}", reply.status);
        Ok((reply.status == 200).then_some(reply))
    });
    let answer = verdict(&answer.await.expect("a verdict"));
    assert_eq!((&answer["result"], &answer["referenceId"]), (&json!("Clean"), &json!(reference)));
    assert_eq!(other.get(&path).await.expect("an answer").status, 404);
    let nothing = format!("/api/Scan/JobStatus?referenceId={}", uuid::Uuid::new_v4());
    assert_eq!(caller.get(&nothing).await.expect("an answer").status, 404);
    let records = cloud.keys(&cloud.results_bucket, "api/jobs/").await.expect("a listing");
    assert!(records.contains_key(&format!("api/jobs/{reference}.json")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_no_request() {
    let caller = Caller::new().await.expect("a user");
    let (stop, file) = (Arc::new(AtomicBool::new(false)), Arc::new(plain(200_000)));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (caller, stop, file) = (caller.clone(), Arc::clone(&stop), Arc::clone(&file));
            tokio::spawn(async move {
                let mut answers: BTreeMap<String, usize> = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let reply = caller.scan(&[("file", &file)], &[]).await;
                    let told = match reply {
                        Ok(reply) => {
                            format!("{} {}", reply.status, reply.json().unwrap_or_default()["result"])
                        }
                        Err(error) => format!("{error:#}"),
                    };
                    *answers.entry(told).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    let before = tasks().await;
    let service = json!({"cluster": "lazaret", "service": "lazaret-api", "forceNewDeployment": true});
    raw::call("ecs", "AmazonEC2ContainerServiceV20141113.UpdateService", &service).await.expect("another deployment");
    let replaced = wait::until("other tasks", PATIENCE, async || {
        let now = tasks().await;
        Ok((now.len() == before.len() && now.iter().all(|task| !before.contains(task))).then_some(now))
    });
    let replaced = replaced.await;
    // some more by the new ones alone
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for client in clients {
        for (told, count) in client.await.expect("a client") {
            *all.entry(told).or_default() += count;
        }
    }
    replaced.expect("a rolling restart");
    println!("answers: {all:?}");
    assert_eq!(all.keys().collect::<Vec<_>>(), ["200 \"Clean\""]);
    assert!(all.values().sum::<usize>() > 10, "hardly a load");
}

/// The tasks of the service that run, or end.
async fn tasks() -> Vec<String> {
    let asked = json!({"cluster": "lazaret", "serviceName": "lazaret-api"});
    let answer = raw::call("ecs", "AmazonEC2ContainerServiceV20141113.ListTasks", &asked).await.expect("a list");
    let arns = answer["taskArns"].as_array().cloned().unwrap_or_default();
    arns.iter().filter_map(|arn| arn.as_str().map(str::to_owned)).collect()
}
