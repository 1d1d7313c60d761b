//! How many agents, and the plan that says which crawls count. No agent runs before it is written.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_model::calibration::{Deployed, FleetRecord};
use lazaret_model::estimate::{Measured, estimate};
use lazaret_model::fleet::{FleetPlan, FleetSettings};
use lazaret_model::{CrawlBrief, CrawlResult, Failure, Job, JobPlan, layout};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::error::FunctionError;
use crate::{calibrate, work};

/// Crawl results that are read at once.
const CONCURRENT: usize = 32;

/// The function and what it needs.
pub struct SizeFleet {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
    pub settings: FleetSettings,
    pub share: QuotaShare,
    /// Whether finished jobs refine the settings' constants.
    pub refine: bool,
}

/// How much of the account's vCPUs a job may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuotaShare {
    /// Of one agent.
    pub agent_vcpus: f64,
    /// The rest is left to others: event agents, the API, whatever else the account runs.
    pub share: f64,
}

impl QuotaShare {
    /// Agents that fit into a share of so many vCPUs; one always does, or no job would ever end.
    fn agents(self, quota_vcpus: f64) -> u32 {
        (quota_vcpus * self.share / self.agent_vcpus).clamp(1.0, f64::from(u32::MAX)) as u32
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub job: Job,
    /// The answer of each crawler.
    pub crawls: Vec<CrawlBrief>,
    /// What Service Quotas says of Fargate's vCPUs; null where it could not be asked.
    #[serde(default)]
    pub quota_vcpus: Option<f64>,
}

impl SizeFleet {
    /// # Errors
    /// `NothingToScan`; `OverBudget` if the estimate is above the job's limit; `Permanent` if the crawls are not those of the job or don't add up.
    pub async fn handle(&self, input: Input, now: Timestamp) -> Result<FleetPlan, FunctionError> {
        let Input { job, crawls, quota_vcpus } = input;
        let read = |brief: CrawlBrief| self.crawl(&job, brief);
        let mut crawls: Vec<CrawlResult> = stream::iter(crawls).map(read).buffered(CONCURRENT).try_collect().await?;
        crawls.sort_by_key(|crawl| crawl.crawl_id.scope_index());
        every_scope_once(&job, &crawls)?;
        let plan = JobPlan { job, crawls };
        if plan.matched() == 0 && plan.job.source.nothing_to_scan_is_an_error() {
            return Err(nothing_to_scan(&plan));
        }
        let deployed = self.deployed(quota_vcpus);
        let settings = self.refined(&deployed).await;
        let fleet = fleet(&plan, settings, now)?;
        let record = FleetRecord { sized_at: now, deployed, refine: self.refine, plan: fleet.clone() };
        work::write_json(&*self.store, &self.results_bucket, &layout::fleet_key(&plan.job.job_id), &record).await?;
        work::write_json(&*self.store, &self.results_bucket, &layout::plan_key(&plan.job.job_id), &plan).await?;
        info!(
            job.id = %plan.job.job_id,
            objects = plan.matched(),
            bytes = plan.matched_bytes(),
            packets = plan.packets(),
            agents = fleet.agents,
            minutes = fleet.total_seconds / 60.0,
            limit = ?fleet.limit,
            quota.vcpus = quota_vcpus,
            seconds_per_object = settings.seconds_per_object,
            seconds_per_byte = settings.seconds_per_byte,
            startup_seconds = settings.startup_seconds,
            "Sized the fleet of job `{}`",
            plan.job.job_id
        );
        Ok(fleet)
    }

    fn deployed(&self, quota_vcpus: Option<f64>) -> Deployed {
        let quota = quota_vcpus.map_or(u32::MAX, |vcpus| self.share.agents(vcpus));
        let settings = FleetSettings { max_agents: self.settings.max_agents.min(quota), ..self.settings };
        Deployed { settings, agent_vcpus: self.share.agent_vcpus }
    }

    /// The constants as finished jobs have refined them.
    async fn refined(&self, deployed: &Deployed) -> FleetSettings {
        if !self.refine {
            return deployed.settings;
        }
        let known = calibrate::known(&*self.store, &self.results_bucket).await;
        known.map_or(deployed.settings, |calibration| calibration.settings(deployed))
    }

    async fn crawl(&self, job: &Job, brief: CrawlBrief) -> Result<CrawlResult, FunctionError> {
        let key = layout::crawl_key(&job.job_id, &brief.crawl_id);
        let crawl: CrawlResult = work::read_json(&*self.store, &self.results_bucket, &key).await?;
        let scope = job.buckets.get(brief.crawl_id.scope_index() as usize);
        let wrong = if crawl.brief() != brief {
            Some("is not what its crawler answered")
        } else if scope != Some(&crawl.scope) {
            Some("is of a bucket or prefix that is not the job's")
        } else {
            contradiction(&crawl)
        };
        match wrong {
            Some(what) => Err(FunctionError::permanent(format!("crawl `{}` {what}", brief.crawl_id))),
            None => Ok(crawl),
        }
    }
}

fn fleet(plan: &JobPlan, settings: FleetSettings, now: Timestamp) -> Result<FleetPlan, FunctionError> {
    let job = &plan.job;
    let max_agents = job.limits.agents.unwrap_or(u32::MAX).min(settings.max_agents);
    let mut measured = Measured::of(&plan.crawls);
    // not what a crawl should take: what it took
    measured.work.elapsed_seconds = elapsed_seconds(job, now);
    let estimate = estimate(&measured, job.target_minutes, &FleetSettings { max_agents, ..settings });
    match estimate.above(&job.limits) {
        Some(message) => Err(FunctionError { failure: Failure::OverBudget, message }),
        None => Ok(estimate.fleet),
    }
}

/// Which of a crawl's numbers can't be, if any.
fn contradiction(crawl: &CrawlResult) -> Option<&'static str> {
    let to_scan = crawl.sizes.objects();
    if crawl.listed != crawl.outside_window + crawl.matched {
        return Some("does not add up: listed is not in window + outside");
    }
    if crawl.matched != to_scan + crawl.archived {
        return Some("does not add up: in window is not to be scanned + archived");
    }
    if crawl.matched_bytes < crawl.sizes.bytes() || crawl.archived == 0 && crawl.matched_bytes != crawl.sizes.bytes() {
        return Some("does not add up: its bytes are not the sum of its sizes");
    }
    if crawl.packets < crawl.packets_sent || crawl.packets > crawl.matched {
        return Some("has packets that hold nothing, or sent more than it has");
    }
    let own_packets = crawl.packets - crawl.packets_sent;
    if (crawl.packets_sent == 0) != (to_scan == 0) || (own_packets == 0) != (crawl.archived == 0) {
        return Some("has objects without packets, or packets without objects");
    }
    None
}

fn every_scope_once(job: &Job, crawls: &[CrawlResult]) -> Result<(), FunctionError> {
    let crawled = crawls.iter().map(|crawl| crawl.crawl_id.scope_index() as usize);
    if crawled.eq(0..job.buckets.len()) {
        return Ok(());
    }
    Err(FunctionError::permanent(format!(
        "{} crawls for {} buckets and prefixes: each must be crawled exactly once",
        crawls.len(),
        job.buckets.len()
    )))
}

fn nothing_to_scan(plan: &JobPlan) -> FunctionError {
    let first = plan.job.buckets.first().map(ToString::to_string).unwrap_or_default();
    let place = match plan.job.buckets.len() {
        1 => format!("`{first}`"),
        scopes => format!("`{first}` and {} more", scopes - 1),
    };
    let window = plan.job.window;
    let message = match plan.listed() {
        0 => format!("nothing to scan: {place} holds no object"),
        1 => format!("nothing to scan: the 1 object in {place} is outside the window {} to {}", window.from, window.to),
        n => format!(
            "nothing to scan: none of the {n} objects in {place} is in the window {} to {}",
            window.from, window.to
        ),
    };
    FunctionError { failure: Failure::NothingToScan, message }
}

/// Seconds of the target that are gone. An activation first waits for the end of its window: that time is not the crawl's.
fn elapsed_seconds(job: &Job, now: Timestamp) -> f64 {
    now.duration_since(job.started_at.max(job.window.to)).as_secs_f64().max(0.0)
}
