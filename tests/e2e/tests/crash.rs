//! Workers that are killed with SIGKILL in the middle: the job still ends complete, and nothing is counted twice.

use std::time::{Duration, Instant};

use lazaret_aws::queue::Queues;
use lazaret_e2e::cloud::Cloud;
use lazaret_e2e::corpus::{self, Expected, Specimen};
use lazaret_e2e::{check, cli, leftovers, workers};
use lazaret_model::{JobId, layout};

/// What a whole job over a few thousand objects takes here, crashes included, with room for a busy machine.
const JOB_SECONDS: u64 = 300;

fn numbered(count: usize) -> Vec<Specimen> {
    let mut specimens: Vec<_> =
        (0..count).map(|n| Specimen::new(format!("{n:05}"), format!("object {n}"), Expected::Clean)).collect();
    // every 500th is infected, so that a crash falls between verdicts and actions
    for n in (0..count).step_by(500) {
        specimens[n] = Specimen::new(format!("{n:05}"), corpus::eicar(), Expected::Infected);
    }
    specimens
}

/// Waits until `condition` gives a value, looking every few milliseconds.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(JOB_SECONDS);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn assert_complete(cloud: &Cloud, job_id: &str, bucket: &str, specimens: &[Specimen]) {
    let run = until("the end of the job", || async {
        let run = cli::lazaret(&["job", "show", job_id, "--json"]).await.expect("runs");
        let json = run.json().expect("JSON");
        (json["status"] != "RUNNING").then_some(json)
    })
    .await;
    assert_eq!(run["status"], "COMPLETE", "{run}");
    let report = cli::whole_report(job_id).await.expect("a report");
    check::totals_add_up(&report).expect("totals");
    let differences = check::differences(&report, &[(bucket, specimens)]);
    assert!(
        differences.is_empty(),
        "{} differences: {:#?}",
        differences.len(),
        &differences[..differences.len().min(10)]
    );
    assert_eq!(report["totals"]["actionsFailed"], 0, "what an agent left undone was taken up");
    let infected = specimens.iter().filter(|s| s.expected == Expected::Infected).count();
    let quarantined = cloud.quarantined(bucket).await.expect("a listing");
    assert_eq!(quarantined.len(), infected, "each infected object stands in quarantine once");
    leftovers::none_of_job(cloud, job_id).await.expect("nothing left");
}

#[tokio::test]
async fn a_crawler_killed_after_it_sent_packets_is_retried_and_nothing_counts_twice() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-crash-crawler";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let specimens = numbered(4_000);
    cloud.fill(bucket, &specimens).await.expect("filled");

    let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
    let job: JobId = job_id.parse().expect("an id");
    let queue =
        until("the queue", || async { cloud.sdk.queues().url(&job.queue_name()).await.expect("an answer") }).await;
    let queue = cloud.sdk.queues().at(&queue);
    until("the first packet", || async { (queue.depth().await.expect("a depth").visible > 0).then_some(()) }).await;
    let crawler = workers::of_job(&job_id, "lazaret-crawler");
    workers::freeze(crawler[0]).expect("the crawler runs");
    let crawls =
        cloud.keys(&cloud.results_bucket, &format!("{}crawls/", layout::work_prefix(&job))).await.expect("a listing");
    assert!(crawls.is_empty(), "the crawler was too fast for this test: it had finished before it was stopped");
    workers::kill(crawler[0]).expect("killed");

    assert_complete(&cloud, &job_id, bucket, &specimens).await;
}

#[tokio::test]
async fn an_agent_killed_between_packets_loses_nothing_and_others_take_over() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-crash-agent";
    cloud.fresh_bucket(bucket, true).await.expect("a bucket");
    let specimens = numbered(2_000);
    cloud.fill(bucket, &specimens).await.expect("filled");

    let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
    let job: JobId = job_id.parse().expect("an id");
    until("the first part", || async {
        let parts = cloud.keys(&cloud.results_bucket, &layout::parts_prefix(&job)).await.expect("a listing");
        (!parts.is_empty()).then_some(())
    })
    .await;
    let agents = workers::of_job(&job_id, "lazaret-agent");
    assert!(!agents.is_empty(), "the agents were too fast for this test");
    for agent in agents {
        workers::kill(agent).expect("killed");
    }

    assert_complete(&cloud, &job_id, bucket, &specimens).await;
}

#[tokio::test]
async fn an_agent_killed_after_its_last_verdict_leaves_no_infected_object_where_it_was() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-crash-last";
    cloud.fresh_bucket(bucket, true).await.expect("a bucket");
    let specimens: Vec<_> =
        (0..200).map(|n| Specimen::new(format!("{n:03}.com"), corpus::eicar(), Expected::Infected)).collect();
    cloud.fill(bucket, &specimens).await.expect("filled");

    let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
    let job: JobId = job_id.parse().expect("an id");
    let moved = || async { cloud.quarantined(bucket).await.expect("a listing").len() };
    // it stands still while it is looked at, and runs for the milliseconds between two looks: a move is four calls to S3, so
    // that all of them are no matter of milliseconds
    let agents = until("the first moves", || async {
        let mut agents = workers::of_job(&job_id, "lazaret-agent");
        agents.retain(|agent| workers::freeze(*agent).is_ok());
        if moved().await > 0 {
            return Some(agents);
        }
        agents.into_iter().for_each(|agent| workers::thaw(agent).expect("it stood still"));
        None
    })
    .await;
    let parts = cloud.keys(&cloud.results_bucket, &layout::parts_prefix(&job)).await.expect("a listing");
    assert_eq!((parts.len(), agents.len()), (1, 1), "one packet, recorded by an agent that is there");
    workers::kill(agents[0]).expect("killed");
    let moved = moved().await;
    assert!(moved < specimens.len(), "the agent was too fast for this test: it had moved everything");
    println!("killed after {moved} of {} moves", specimens.len());

    assert_complete(&cloud, &job_id, bucket, &specimens).await;
}

#[tokio::test]
async fn an_engine_killed_in_the_middle_costs_no_more_than_error_rows() {
    let cloud = Cloud::from_env().await.expect("a local cloud");
    let bucket = "e2e-crash-engine";
    cloud.fresh_bucket(bucket, false).await.expect("a bucket");
    let specimens = numbered(1_000);
    cloud.fill(bucket, &specimens).await.expect("filled");

    let job_id = cli::start_job(&[bucket], &[]).await.expect("started");
    let agent = until("the agent", || async { workers::of_job(&job_id, "lazaret-agent").first().copied() }).await;
    let engine = until("its engine", || async { workers::children(agent, "lazaret-engine").first().copied() }).await;
    workers::kill(engine).expect("killed");

    let run = cli::lazaret(&["job", "wait", &job_id, "--json"]).await.expect("runs");
    let report = cli::whole_report(&job_id).await.expect("a report");
    check::totals_add_up(&report).unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    for row in report["rows"].as_array().expect("rows") {
        let infected = row["key"].as_str().is_some_and(|key| key.parse::<usize>().is_ok_and(|n| n.is_multiple_of(500)));
        let honest = match row["result"].as_str() {
            Some("Error") => row["reason"] == "engine crashed",
            Some("Clean") => !infected,
            Some("Infected") => infected,
            _ => false,
        };
        assert!(honest, "{row}");
    }
    leftovers::none_of_job(&cloud, &job_id).await.expect("nothing left");
}
