//! `lazaret plan`: crawls and enqueues nothing; shows what a job would take and cost.

use jiff::Timestamp;
use lazaret_aws::StoreError;
use lazaret_model::calibration::Calibration;
use lazaret_model::fleet::{FleetSettings, Limit};
use lazaret_model::{CrawlResult, Job, layout};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::console::Console;
use crate::estimate::{Estimate, Measured, estimate};
use crate::measure::measure;
use crate::outcome::Outcome;
use crate::prices;
use crate::scope_args::{ScopeArgs, check_buckets};
use crate::units;

/// Show what a job would take and cost, without starting it
#[derive(Debug, Clone, clap::Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the input is wrong, or a bucket can't be listed.
pub async fn run(cloud: &Cloud, args: &PlanArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let job_id = "plan".parse().expect("four letters are an id");
    let job = args.scope.job(&job_id, Timestamp::now())?;
    check_buckets(cloud.store.as_ref(), &job, console).await?;
    let crawls = measure(cloud.store.clone(), &job, console).await?;
    let measured = Measured::of(&crawls);
    let constants = Constants::read(cloud).await;
    let most = job.limits.agents.unwrap_or(u32::MAX).min(constants.settings.max_agents);
    let settings = FleetSettings { max_agents: most, ..constants.settings };
    let estimate = estimate(&measured, job.target_minutes, &settings);
    if args.json {
        console.json(&document(&job, &crawls, &measured, &estimate, &constants))?;
    } else {
        console.text(&text(&job, &measured, &estimate, &constants))?;
    }
    Ok(Outcome::NothingFound)
}

/// What the sizing goes by.
struct Constants {
    settings: FleetSettings,
    /// Finished jobs that refined them.
    jobs: usize,
    /// In words.
    source: String,
}

impl Constants {
    /// As the last job of the deployment left them; the defaults where there is none.
    async fn read(cloud: &Cloud) -> Self {
        let default = |source| Self { settings: FleetSettings::default(), jobs: 0, source };
        let bucket = &cloud.results_bucket;
        if bucket.is_empty() {
            return default("the defaults: no deployment was found".into());
        }
        let stored = match cloud.store.get(bucket, layout::CALIBRATION_KEY).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return default("the defaults: no job of this deployment has ended complete yet".into()),
            Err(StoreError::NoSuchBucket(_)) => return default(format!("the defaults: there is no bucket `{bucket}`")),
            Err(error) => return default(format!("the defaults: `{bucket}` can't be read: {error}")),
        };
        match Calibration::from_json(&stored.bytes) {
            Ok(known) => {
                let (settings, jobs) = (known.settings(&known.deployed), known.samples.len());
                let source = match jobs {
                    0 => "the deployment's own: no finished job refines them".into(),
                    jobs => format!("refined by {}", units::counted(jobs as u64, "finished job")),
                };
                Self { settings, jobs, source }
            }
            Err(error) => default(format!("the defaults: `{}` is damaged: {error}", layout::CALIBRATION_KEY)),
        }
    }
}

fn document(
    job: &Job,
    crawls: &[CrawlResult],
    measured: &Measured,
    estimate: &Estimate,
    constants: &Constants,
) -> Value {
    let mut document = json!(measured);
    let scopes = crawls.iter().map(|crawl| {
        json!({"bucket": crawl.scope.name, "prefix": crawl.scope.prefix, "crawled": crawl.listed, "objects": crawl.matched,
            "bytes": crawl.matched_bytes})
    });
    let more = json!({
        "window": job.window,
        "targetMinutes": job.target_minutes,
        "agents": estimate.fleet.agents,
        "limit": estimate.fleet.limit,
        "minutes": rounded(estimate.minutes, 1),
        "dollars": rounded(estimate.dollars, 4),
        "constants": {
            "finishedJobs": constants.jobs,
            "secondsPerObject": constants.settings.seconds_per_object,
            "secondsPerByte": constants.settings.seconds_per_byte,
            "startupSeconds": constants.settings.startup_seconds,
            "maxAgents": constants.settings.max_agents,
        },
        "refused": estimate.above(&job.limits).is_some(),
        "dollarsX86": rounded(estimate.dollars_x86, 4),
        "tagsDollarsPerMonth": rounded(estimate.tags_dollars_per_month, 4),
        "lines": estimate.lines,
        "pricesAsOf": prices::AS_OF,
        "pricesRegion": prices::REGION,
        "scopes": scopes.collect::<Vec<_>>(),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    document
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    // what costs something never costs nothing
    (number * scale).ceil() / scale
}

fn text(job: &Job, measured: &Measured, estimate: &Estimate, constants: &Constants) -> String {
    let mut lines = vec![
        format!("Window         {} to {}", job.window.from, job.window.to),
        format!(
            "Crawled        {}, {} outside the window",
            units::counted(measured.crawled, "object"),
            units::count(measured.outside_window)
        ),
        format!("In the window  {}, {}", units::counted(measured.objects, "object"), units::bytes(measured.bytes)),
    ];
    if measured.archived > 0 {
        lines.push(format!(
            "Archived       {}: not scanned until they are restored",
            units::counted(measured.archived, "object")
        ));
    }
    if measured.objects == 0 {
        lines.push("Nothing to scan: a job over this window would end with Lazaret.NothingToScan.".into());
        return lines.join("\n");
    }
    lines.push(format!(
        "Agents         {}{}",
        units::count(estimate.fleet.agents.into()),
        limit_text(estimate.fleet.limit)
    ));
    lines.push(format!("Minutes        about {:.0}, the target is {}", estimate.minutes.ceil(), job.target_minutes));
    lines.push(format!("Dollars        about {}", units::dollars(estimate.dollars)));
    lines.push(format!("Sized by       {}", constants.source));
    if let Some(refusal) = estimate.above(&job.limits) {
        lines.push(format!("Refused        {refusal}"));
    }
    lines.push(String::new());
    for line in &estimate.lines {
        lines.push(format!("  {:<20}{:<42}{:>10}", line.item, line.quantity, units::dollars(line.dollars)));
    }
    lines.push(String::new());
    lines.push(format!(
        "List prices of {} as of {}, without free tiers; other regions ask up to a third more.",
        prices::REGION,
        prices::AS_OF
    ));
    lines.push(format!(
        "Tasks on ARM; on x86-64 it would be {}. Every object tagged; the tags cost {} a month while they stay.",
        units::dollars(estimate.dollars_x86),
        units::dollars(estimate.tags_dollars_per_month)
    ));
    lines.push("Not in it: logs, KMS, retrieval fees of infrequent access classes, traffic between regions.".into());
    lines.join("\n")
}

fn limit_text(limit: Option<Limit>) -> &'static str {
    match limit {
        None => "",
        Some(Limit::Quota) => {
            " (the most that the quota, the deployment or --max-agents lets it launch: it takes longer than the target)"
        }
        Some(Limit::LargestObject) => " (one object alone takes so long that it decides when the job ends)",
        Some(Limit::Packets) => " (one a packet: more would find nothing to do)",
        Some(Limit::Crawl) => " (the listing takes most of the target: give prefixes as buckets of their own)",
        Some(Limit::S3Requests) => " (S3 answers no more requests for so few directories)",
        Some(Limit::Report) => " (more objects than one report can read: split the job by prefix)",
        Some(Limit::WholeAgents) => " (so little work that it ends before the target)",
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::FakeObject;
    use lazaret_model::calibration::{Deployed, Sample};

    use super::*;
    use crate::scope_args::LimitArgs;
    use crate::testing::{Lab, RESULTS, time};

    fn args(json: bool, bucket: &str) -> PlanArgs {
        let scope = ScopeArgs {
            buckets: vec![bucket.into()],
            from: Some("2025-06-01".into()),
            to: None,
            target_minutes: 60,
            limits: LimitArgs::default(),
        };
        PlanArgs { scope, json }
    }

    fn filled() -> Lab {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        for number in 0..25 {
            lab.store.insert("bucket", &format!("in/{number}"), "0123456789");
        }
        lab.store.insert_object("bucket", "in/old", FakeObject::new("x").modified(time("2020-01-01T00:00:00Z")));
        lab.store.insert_object("bucket", "in/ice", FakeObject::new("12345").class("GLACIER"));
        lab.store.insert("bucket", "out/1", "x");
        lab
    }

    #[tokio::test]
    async fn it_counts_what_a_job_would_match_and_creates_nothing() {
        let lab = filled();
        run(&lab.cloud(), &args(true, "bucket/in/"), &mut lab.console()).await.expect("a plan");
        let plan: Value = serde_json::from_str(&lab.out.text()).expect("JSON");
        let number = |name: &str| plan[name].as_u64().expect(name);
        assert_eq!((number("crawled"), number("outsideWindow"), number("objects")), (27, 1, 26));
        assert_eq!((number("bytes"), number("archived"), number("agents")), (255, 1, 1));
        assert!(plan["dollars"].as_f64().expect("dollars") > 0.0 && plan["minutes"].as_f64().expect("minutes") > 0.0);
        assert_eq!((&plan["pricesAsOf"], &plan["pricesRegion"]), (&json!(prices::AS_OF), &json!("us-east-1")));
        assert!(lab.cloud().executions.list(10).await.expect("a list").is_empty() && lab.queues.names().is_empty());
        assert_eq!(lab.store.calls("put"), 0);
    }

    #[tokio::test]
    async fn the_text_names_prices_their_date_and_every_line() {
        let lab = filled();
        run(&lab.cloud(), &args(false, "bucket"), &mut lab.console()).await.expect("a plan");
        let text = lab.out.text();
        for expected in [
            "27 objects",
            "Archived       1 object",
            "Fargate, agents",
            "S3 PUT, tags",
            "as of 20",
            "us-east-1",
            "x86-64",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }

    #[tokio::test]
    async fn it_is_sized_by_what_the_deployments_last_jobs_measured() {
        let planned = async |lab: &Lab| {
            run(&lab.cloud(), &args(true, "bucket"), &mut lab.console()).await.expect("a plan");
            lab.json()["constants"].clone()
        };
        let lab = filled();
        let own = FleetSettings::default();
        assert_eq!(planned(&lab).await["finishedJobs"], 0);
        let settings = FleetSettings { max_agents: 7, ..own };
        let sample = Sample {
            job_id: "job-1".parse().expect("an id"),
            ended_at: time("2026-11-01T00:00:00Z"),
            objects: 10_000_000,
            bytes: 0,
            agent_seconds: 10_000_000.0 * own.seconds_per_object * 2.0,
            startup_seconds: None,
        };
        let known = Calibration { deployed: Deployed { settings, agent_vcpus: 2.0 }, samples: vec![sample] };
        lab.store.insert(RESULTS, layout::CALIBRATION_KEY, serde_json::to_vec(&known).expect("JSON"));
        let refined = planned(&lab).await;
        assert_eq!((&refined["finishedJobs"], &refined["maxAgents"]), (&json!(1), &json!(7)));
        assert!(refined["secondsPerObject"].as_f64().expect("seconds") > 1.5 * own.seconds_per_object, "{refined}");
        lab.store.insert(RESULTS, layout::CALIBRATION_KEY, "{");
        run(&lab.cloud(), &args(false, "bucket"), &mut lab.console()).await.expect("a plan");
        assert!(lab.out.text().contains("`calibration.json` is damaged"), "{}", lab.out.text());
    }

    #[tokio::test]
    async fn a_job_that_would_be_refused_is_said_to_be() {
        let lab = filled();
        for number in 0..3_000 {
            lab.store.insert("bucket", &format!("in/more/{number}"), "x"); // a cent and more, tags and all
        }
        let mut args = args(false, "bucket");
        args.scope.limits.max_dollars = Some("0.01".parse().expect("a cent"));
        run(&lab.cloud(), &args, &mut lab.console()).await.expect("a plan");
        assert!(lab.out.text().contains("Refused        the estimate of this job is"), "{}", lab.out.text());
    }

    #[tokio::test]
    async fn nothing_in_the_window_is_said_and_a_missing_bucket_is_an_error() {
        let lab = Lab::new();
        lab.store.create_bucket("bucket", false);
        run(&lab.cloud(), &args(false, "bucket"), &mut lab.console()).await.expect("a plan");
        assert!(lab.out.text().contains("Nothing to scan"), "{}", lab.out.text());
        let error = run(&lab.cloud(), &args(false, "no-such"), &mut lab.console()).await.expect_err("missing");
        assert!(error.to_string().contains("bucket `no-such` does not exist"), "{error}");
    }
}
