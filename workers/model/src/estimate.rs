//! What a job would take: agents, minutes and dollars, line by line.

use serde::Serialize;

use crate::fleet::{
    CRAWLERS_AT_ONCE, FleetPlan, FleetSettings, FleetWork, READS_PER_OBJECT, WRITES_PER_OBJECT, size_fleet,
};
use crate::prices::{self, Fargate};
use crate::units;
use crate::{CrawlResult, JobLimits};

/// Size of an agent's task, as `cdk/lib/config.ts` deploys it.
const AGENT: Task = Task { vcpu: 2.0, memory_gb: 8.0, disk_gb: 40.0 };
/// Size of a crawler's task, as above.
const CRAWLER: Task = Task { vcpu: 0.5, memory_gb: 1.0, disk_gb: 20.0 };
/// An agent whose queue is empty waits this long before it ends (`idleSeconds`, as above).
pub const IDLE_SECONDS: f64 = 60.0;
/// A crawler's start: image pull and the first request.
pub const CRAWLER_STARTUP_SECONDS: f64 = 30.0;
/// One page of [`PAGE_KEYS`], one after the other.
pub const PAGE_SECONDS: f64 = 0.2;
pub const PAGE_KEYS: u64 = 1_000;
/// *Check input* and the two queues.
const OPENING_SECONDS: f64 = 5.0;
/// Workers write their counters this often (`progressSeconds`, as above).
const PROGRESS_SECONDS: f64 = 10.0;
/// A row of a packet as JSON: measured with keys of 60 characters.
const ROW_BYTES: f64 = 300.0;
/// A part is looked for, written with its pending actions, and written with their outcomes.
const PUTS_PER_PACKET: f64 = 2.0;
const GETS_PER_PACKET: f64 = 2.0;
/// `scan-result` and `date-scanned`.
const TAGS_PER_OBJECT: f64 = 2.0;
/// States of `retro-job` outside of its Maps and its loop; with two look-ups of the drain loop in the shortest job.
const TRANSITIONS: f64 = 14.0;
/// States of one round of the drain loop: wait, check, choose.
const TRANSITIONS_PER_LOOK: f64 = 3.0;
/// The drain loop's first wait is 20 s and grows: this is about its mean over an hour.
const LOOK_SECONDS: f64 = 60.0;
/// The five functions with a few seconds each, at half a GB to two.
const LAMBDA_GB_SECONDS: f64 = 60.0;

#[derive(Debug, Clone, Copy)]
struct Task {
    vcpu: f64,
    memory_gb: f64,
    disk_gb: f64,
}

impl Task {
    /// Dollars an hour, with its public address: the deployment's own network has no NAT.
    fn per_hour(self, prices: Fargate) -> f64 {
        self.vcpu * prices.vcpu_hour
            + self.memory_gb * prices.gb_hour
            + (self.disk_gb - prices::FARGATE_DISK_FREE_GB).max(0.0) * prices::FARGATE_DISK_GB_HOUR
            + prices::PUBLIC_IPV4_HOUR
    }
}

/// What a crawl of the buckets found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Objects that the listings returned.
    pub crawled: u64,
    pub outside_window: u64,
    /// Objects in the window.
    pub objects: u64,
    pub bytes: u64,
    /// Of `objects`: in a storage class that must be restored first.
    pub archived: u64,
    pub packets: u64,
    /// What is to be scanned, and by when the listing would have told of it.
    #[serde(skip)]
    pub work: FleetWork,
    #[serde(skip)]
    pub list_requests: u64,
}

impl Measured {
    pub fn of(crawls: &[CrawlResult]) -> Self {
        let pages = |crawl: &CrawlResult| crawl.listed / PAGE_KEYS + 1;
        let list_requests = crawls.iter().map(pages).sum();
        let longest = crawls.iter().map(pages).max().unwrap_or_default();
        let sum = |number: fn(&CrawlResult) -> u64| crawls.iter().map(number).sum::<u64>();
        Self {
            crawled: sum(|crawl| crawl.listed),
            outside_window: sum(|crawl| crawl.outside_window),
            objects: sum(|crawl| crawl.matched),
            bytes: sum(|crawl| crawl.matched_bytes),
            archived: sum(|crawl| crawl.archived),
            packets: sum(|crawl| crawl.packets),
            work: FleetWork::of_crawls(crawls, crawl_seconds(crawls.len() as u64, list_requests, longest)),
            list_requests,
        }
    }
}

/// From the begin of a job to the end of its last crawl: `list_requests` of all scopes, `longest` of the largest one.
pub fn crawl_seconds(scopes: u64, list_requests: u64, longest: u64) -> f64 {
    let rounds = scopes.div_ceil(CRAWLERS_AT_ONCE).max(1) as f64;
    let listings = (list_requests as f64 / CRAWLERS_AT_ONCE as f64).max(longest as f64) * PAGE_SECONDS;
    OPENING_SECONDS + rounds * CRAWLER_STARTUP_SECONDS + listings
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostLine {
    pub item: &'static str,
    /// In words: of what and how many.
    pub quantity: String,
    pub dollars: f64,
}

/// The whole estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    pub fleet: FleetPlan,
    /// From the start of the execution to its end.
    pub minutes: f64,
    pub lines: Vec<CostLine>,
    pub dollars: f64,
    /// The same on x86-64: the deployment's default is ARM.
    pub dollars_x86: f64,
    /// What the tags cost every month for as long as they stay.
    pub tags_dollars_per_month: f64,
}

impl Estimate {
    /// Why a job with these limits is refused, if it is.
    pub fn above(&self, limits: &JobLimits) -> Option<String> {
        let most = limits.dollars?.amount();
        (self.dollars > most).then(|| {
            format!(
                "the estimate of this job is {} for {} and {:.0} minutes, above its limit of {}",
                units::dollars(self.dollars),
                units::counted(self.fleet.agents.into(), "agent"),
                self.minutes.ceil(),
                units::dollars(most)
            )
        })
    }
}

/// Estimates a job over what was measured, with the deployment's policy as it is by default (every object is tagged).
pub fn estimate(measured: &Measured, target_minutes: u32, settings: &FleetSettings) -> Estimate {
    let fleet = size_fleet(measured.work, target_minutes, settings);
    let agent_seconds = agent_seconds(&fleet, settings);
    bill(measured, fleet, settings, agent_seconds)
}

/// What the tasks of a fleet are billed for: scanning, starting up, and idling at the end.
fn agent_seconds(fleet: &FleetPlan, settings: &FleetSettings) -> f64 {
    let agents = f64::from(fleet.agents);
    let seconds = fleet.work_seconds + agents * (settings.startup_seconds + IDLE_SECONDS);
    seconds.max(agents * prices::FARGATE_MINIMUM_SECONDS)
}

/// The bill of a fleet whose tasks took `agent_seconds` in all.
pub fn bill(measured: &Measured, fleet: FleetPlan, settings: &FleetSettings, agent_seconds: f64) -> Estimate {
    let on = |prices: Fargate| lines(measured, &fleet, settings, agent_seconds, prices);
    let sum = |lines: &[CostLine]| lines.iter().map(|line| line.dollars).sum::<f64>();
    let lines = on(prices::FARGATE_ARM);
    Estimate {
        minutes: fleet.total_seconds / 60.0,
        dollars: sum(&lines),
        dollars_x86: sum(&on(prices::FARGATE_X86)),
        tags_dollars_per_month: measured.work.objects as f64 * TAGS_PER_OBJECT * prices::S3_TAG_MONTH,
        lines,
        fleet,
    }
}

fn lines(
    measured: &Measured,
    fleet: &FleetPlan,
    settings: &FleetSettings,
    agent_seconds: f64,
    prices: Fargate,
) -> Vec<CostLine> {
    let work = &measured.work;
    let (agents, objects) = (f64::from(fleet.agents), work.objects as f64);
    let (packets, sent, scopes) = (measured.packets as f64, work.packets as f64, work.scopes as f64);
    let listing_seconds = measured.list_requests as f64 * PAGE_SECONDS;
    let crawler_seconds =
        (scopes * CRAWLER_STARTUP_SECONDS + listing_seconds).max(scopes * prices::FARGATE_MINIMUM_SECONDS);

    let parts_and_counters = packets * PUTS_PER_PACKET + (agent_seconds + crawler_seconds) / PROGRESS_SECONDS;
    let listings = measured.list_requests as f64 + packets / 1_000.0;
    let gets = objects * READS_PER_OBJECT + packets * GETS_PER_PACKET;

    let tags = objects * WRITES_PER_OBJECT;
    let packet_bytes = if sent > 0.0 { objects * ROW_BYTES / sent } else { 0.0 };
    let billed = (packet_bytes / prices::SQS_REQUEST_BYTES).ceil().max(1.0);
    // sent and received by their size; extended and deleted once
    let sqs = sent * (2.0 * billed + 2.0) + agents * (settings.startup_seconds + IDLE_SECONDS) / 20.0;

    let looks = (fleet.expected_seconds / LOOK_SECONDS).ceil();
    let transitions = TRANSITIONS + 2.0 * scopes + 3.0 * fleet.batches.len() as f64 + TRANSITIONS_PER_LOOK * looks;
    let lambda = LAMBDA_GB_SECONDS * prices::LAMBDA_GB_SECOND + (5.0 + looks) * prices::LAMBDA_INVOCATION;

    let hours = |seconds: f64| format!("{:.2} task-hours", seconds / 3_600.0);
    let whole = |number: f64, noun: &str| units::counted(number.ceil() as u64, noun);
    let line = |item, quantity, dollars| CostLine { item, quantity, dollars };
    vec![
        line(
            "Fargate, agents",
            format!("{}, {} vCPU and {} GB", hours(agent_seconds), AGENT.vcpu, AGENT.memory_gb),
            agent_seconds / 3_600.0 * AGENT.per_hour(prices),
        ),
        line(
            "Fargate, crawlers",
            format!("{}, {} vCPU and {} GB", hours(crawler_seconds), CRAWLER.vcpu, CRAWLER.memory_gb),
            crawler_seconds / 3_600.0 * CRAWLER.per_hour(prices),
        ),
        line("S3 LIST", whole(listings, "request"), listings * prices::S3_PUT_OR_LIST),
        line("S3 GET", whole(gets, "request"), gets * prices::S3_GET),
        line("S3 PUT, tags", whole(tags, "request"), tags * prices::S3_PUT_OR_LIST),
        line("S3 PUT, results", whole(parts_and_counters, "request"), parts_and_counters * prices::S3_PUT_OR_LIST),
        line("SQS", whole(sqs, "request"), sqs * prices::SQS_REQUEST),
        line("Step Functions", whole(transitions, "transition"), transitions * prices::STATE_TRANSITION),
        line("Lambda", whole(5.0 + looks, "invocation"), lambda),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million objects of 100 KB in a thousand directories.
    fn million() -> Measured {
        let work = FleetWork {
            objects: 1_000_000,
            bytes: 100_000_000_000,
            packets: 500,
            largest_bytes: 100_000,
            largest_crawl: 1_000_000,
            scopes: 1,
            directories: 1_000,
            elapsed_seconds: crawl_seconds(1, 1_001, 1_001),
        };
        Measured {
            crawled: 1_000_000,
            objects: 1_000_000,
            bytes: 100_000_000_000,
            packets: 500,
            work,
            list_requests: 1_001,
            ..Measured::default()
        }
    }

    fn dollars(estimate: &Estimate, item: &str) -> f64 {
        estimate.lines.iter().find(|line| line.item == item).expect(item).dollars
    }

    #[test]
    fn a_million_objects_cost_what_the_pages_say() {
        let estimate = estimate(&million(), 60, &FleetSettings::default());
        // 1,000,000 x 0.004 s + 100 GB at 8 MB/s = 16,500 s; of the hour, 3,180 s are left: 235 for the crawl, 75 to start, 50 for the
        // last packets, 60 to close
        assert_eq!((estimate.fleet.agents, estimate.fleet.work_seconds), (6, 16_500.0));
        assert!(estimate.minutes > 50.0 && estimate.minutes < 60.0, "{}", estimate.minutes);
        // the design's figure: $5 a million objects for tags
        assert!((dollars(&estimate, "S3 PUT, tags") - 5.0).abs() < 1e-9);
        assert!((dollars(&estimate, "S3 GET") - 1.6004).abs() < 1e-9);
        // (16,500 + 6 x 135) s = 4.81 h at 2 x 0.03238 + 8 x 0.00356 + 20 x 0.000111 + 0.005 = $0.10046 an hour
        let agents = 17_310.0 / 3_600.0 * 0.10046;
        assert!(
            (dollars(&estimate, "Fargate, agents") - agents).abs() < 1e-6,
            "{}",
            dollars(&estimate, "Fargate, agents")
        );
        assert!((estimate.tags_dollars_per_month - 1.3).abs() < 1e-9);
    }

    #[test]
    fn the_lines_add_up_and_x86_costs_more() {
        let estimate = estimate(&million(), 60, &FleetSettings::default());
        let sum: f64 = estimate.lines.iter().map(|line| line.dollars).sum();
        assert!((estimate.dollars - sum).abs() < 1e-12);
        assert!(estimate.dollars_x86 > estimate.dollars);
        assert!(estimate.lines.iter().all(|line| line.dollars.is_finite() && line.dollars >= 0.0));
    }

    #[test]
    fn a_limit_in_dollars_names_the_estimate_that_is_above_it() {
        let estimate = estimate(&million(), 60, &FleetSettings::default());
        let above = |text: &str| estimate.above(&JobLimits { agents: None, dollars: text.parse().ok() });
        assert_eq!(above("8"), None);
        let refusal = above("7").expect("it costs more");
        assert!(refusal.contains("$7.1") && refusal.ends_with("above its limit of $7.00"), "{refusal}");
        assert_eq!(estimate.above(&JobLimits::default()), None);
    }

    #[test]
    fn archived_objects_need_no_agents() {
        let work = FleetWork { objects: 0, bytes: 0, packets: 0, ..million().work };
        let archived = Measured { objects: 10, archived: 10, packets: 1, work, ..million() };
        let estimate = estimate(&archived, 60, &FleetSettings::default());
        assert_eq!((estimate.fleet.agents, dollars(&estimate, "Fargate, agents")), (0, 0.0));
        assert!(estimate.dollars > 0.0);
    }

    #[test]
    fn a_shorter_target_takes_more_agents() {
        let agents = |minutes| estimate(&million(), minutes, &FleetSettings::default()).fleet.agents;
        assert!(agents(10) > agents(60) && agents(60) > agents(600));
    }
}
