//! How many agents a job needs to end about when it should.
//!
//! A job's time is what went by before the fleet (the crawl above all), its launches and start-ups, the scanning, the last packets
//! and objects in hand, and what closes the job. The simulator (`workers/simulator`) holds this against a model of AWS.

use serde::{Deserialize, Serialize};

use crate::crawl::CrawlResult;

/// Tasks that one `RunTask` call starts (ECS API reference).
pub const TASKS_PER_CALL: u32 = 10;
/// Fargate tasks launched at once, and a second after that (docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html,
/// read on 2026-11-23: burst 100, sustained 20).
pub const LAUNCH_BURST: u32 = 100;
pub const LAUNCHES_PER_SECOND: f64 = 20.0;
/// What an agent has hands for, in slots of a packet: [`slots`] of each.
pub const SLOTS: u32 = 6;
/// A packet of more bytes is one object that keeps a scan worker busy for minutes (at 4 MB/s).
const LARGE_PACKET_BYTES: u64 = 512 * 1024 * 1024;
/// How much longer than the usual one the slowest agents take for what they hold when the queue is empty.
const SLOWEST: f64 = 1.5;

/// Requests a second that S3 answers for each of its partitions (docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html).
pub const S3_READS_PER_SECOND: f64 = 5_500.0;
pub const S3_WRITES_PER_SECOND: f64 = 3_500.0;
/// An object is fetched (GET), its tags are read (GET), and its ETag is looked at before and after they are replaced
/// (HEAD), since S3 has no condition there.
pub const READS_PER_OBJECT: f64 = 4.0;
/// Its tags are replaced.
pub const WRITES_PER_OBJECT: f64 = 1.0;
/// More agents than S3 feeds, since they are never all at S3 at once.
const S3_HEADROOM: f64 = 1.1;

/// Crawlers at once: the `MaxConcurrency` of *Crawl buckets*.
pub const CRAWLERS_AT_ONCE: u64 = 40;

/// Of a crawl that takes most of the target, the fleet does not take the rest at any price: it gets this part of the target at least.
const LEAST_SHARE: f64 = 0.25;
/// … and never less than a minute of scanning each.
const LEAST_SECONDS: f64 = 60.0;
/// Below this part of the target a job ends early because agents are whole ones, and that is worth a word.
const EARLY_SHARE: f64 = 0.75;

/// The drain loop's longest wait, and the report's and the tear-down's starts and calls, less what is luck.
const CLOSING_SECONDS: f64 = 90.0;
/// Parts that the report reads a second: see `workers/functions/src/report.rs`.
pub const REPORT_PARTS_PER_SECOND: f64 = 1_000.0;
/// What one report can read: 13 of a Lambda's 15 minutes of parts, and 16 bytes for each object of one crawl in 10 GiB.
pub const REPORT_PARTS: u64 = 800_000;
pub const REPORT_OBJECTS_PER_CRAWL: u64 = 500_000_000;

/// Slots of an agent that a packet of `bytes` takes: an agent holds three usual ones (one whose rows are acted on, one in the engine and
/// one that is fetched ahead), and of large ones as many as it has workers by default: a third would wait there, and not for an agent
/// that is free.
pub const fn slots(bytes: u64) -> u32 {
    if bytes > LARGE_PACKET_BYTES { SLOTS / 2 } else { SLOTS / 3 }
}

/// What an agent was measured to need, and what the account allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetSettings {
    /// Agent-seconds for an object of no size: fetch, hop, tag, row.
    pub seconds_per_object: f64,
    /// Agent-seconds for a byte.
    pub seconds_per_byte: f64,
    /// From the launch to the first scan: image pull and loading the definitions.
    pub startup_seconds: f64,
    /// The account's quota, less what others may need.
    pub max_agents: u32,
    /// Scan workers of an agent; one object is never scanned by two.
    pub scan_workers: u32,
}

impl Default for FleetSettings {
    /// Measured with 6.6 million signatures on 2 vCPUs: 726 files of 4 KiB a second, 8 MB/s over mixed content, 15 s to
    /// load; the rest of the start-up is Fargate's.
    fn default() -> Self {
        Self {
            seconds_per_object: 0.004,
            seconds_per_byte: 1.0 / 8_000_000.0,
            startup_seconds: 75.0,
            max_agents: 500,
            scan_workers: 2,
        }
    }
}

/// What a crawl says of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FleetWork {
    /// Objects and bytes to be scanned.
    pub objects: u64,
    pub bytes: u64,
    /// Packets in the queue: more agents than packets would find nothing to do.
    pub packets: u64,
    pub largest_bytes: u64,
    /// The largest number of objects that one crawl found.
    pub largest_crawl: u64,
    /// Buckets and prefixes that were crawled.
    pub scopes: u64,
    /// Directories (keys up to their last `/`), which S3 can spread its load over.
    pub directories: u64,
    /// Seconds of the target that are gone: the crawl, and what came before it.
    pub elapsed_seconds: f64,
}

impl FleetWork {
    /// The work of crawls, `elapsed_seconds` after the job began.
    pub fn of_crawls(crawls: &[CrawlResult], elapsed_seconds: f64) -> Self {
        let sum = |number: fn(&CrawlResult) -> u64| crawls.iter().map(number).sum::<u64>();
        let most = |number: fn(&CrawlResult) -> u64| crawls.iter().map(number).max().unwrap_or_default();
        Self {
            objects: sum(|crawl| crawl.sizes.objects()),
            bytes: sum(|crawl| crawl.sizes.bytes()),
            packets: sum(|crawl| crawl.packets_sent),
            largest_bytes: most(|crawl| crawl.largest_bytes),
            largest_crawl: most(|crawl| crawl.matched),
            scopes: crawls.len() as u64,
            directories: sum(|crawl| crawl.directories),
            elapsed_seconds,
        }
    }

    /// Objects a second that S3 can be asked for by `agents`. Packets come in the order of the listing, so that the fleet is in as many
    /// directories as what it has in hand reaches over; a directory is taken for a partition of S3's, which splits them under load.
    fn s3_objects_per_second(&self, agents: f64) -> f64 {
        let partition = (S3_READS_PER_SECOND / READS_PER_OBJECT).min(S3_WRITES_PER_SECOND / WRITES_PER_OBJECT);
        let directories = self.directories.max(1) as f64;
        let packets_of_a_directory = self.packets as f64 / directories;
        let reached = packets_in_hand(self.bytes / self.packets.max(1)) * agents / packets_of_a_directory;
        let side_by_side = self.scopes.clamp(1, CRAWLERS_AT_ONCE) as f64;
        partition * reached.max(side_by_side).min(directories).max(1.0)
    }
}

/// What keeps a fleet from ending on target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The account's quota, or the deployment's `maxAgents`.
    Quota,
    /// One object takes so long that it decides when the job ends; no fleet can split it.
    LargestObject,
    /// As many agents as packets already.
    Packets,
    /// The listing took most of the target.
    Crawl,
    /// S3 answers no more requests a second for so few prefixes.
    S3Requests,
    /// More objects than one report can read: the job would not end well, whenever it ends.
    Report,
    /// So little work that whole agents end well before the target.
    WholeAgents,
}

/// How many agents to launch, and when they will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetPlan {
    pub agents: u32,
    /// `RunTask` counts, each at most [`TASKS_PER_CALL`], that sum to `agents`.
    pub batches: Vec<u32>,
    /// From the first launch to the last verdict.
    pub expected_seconds: f64,
    /// From the job's begin to its end, the crawl and the report included.
    #[serde(default)]
    pub total_seconds: f64,
    /// Agent-seconds of scanning, start-ups not counted.
    pub work_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// `agents = work / (target - all that is not scanning)`, within the quota, the number of packets and what S3 answers.
pub fn size_fleet(work: FleetWork, target_minutes: u32, settings: &FleetSettings) -> FleetPlan {
    let times = Times::of(&work, settings);
    if work.packets == 0 {
        return FleetPlan {
            agents: 0,
            batches: Vec::new(),
            expected_seconds: 0.0,
            total_seconds: work.elapsed_seconds + times.closing,
            work_seconds: 0.0,
            limit: None,
        };
    }
    let target = f64::from(target_minutes) * 60.0;
    let least = (target * LEAST_SHARE).max(LEAST_SECONDS);
    let left = |agents| target - work.elapsed_seconds - times.around(agents);
    let mut wanted = 1;
    // each round counts the launches of the agents of the round before: it settles in two or three
    for _ in 0..8 {
        let agents = (times.work / left(wanted).max(least)).ceil();
        wanted = agents.clamp(1.0, f64::from(u32::MAX)) as u32;
    }
    let quota = settings.max_agents.max(1);
    let packets = u32::try_from(work.packets).unwrap_or(u32::MAX);
    let fed = work.s3_objects_per_second(f64::from(wanted)) * times.work / work.objects.max(1) as f64;
    let fed = (fed * S3_HEADROOM).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let agents = wanted.min(quota).min(packets).min(fed);

    let scanning = times.scanning(&work, agents);
    let expected_seconds = launch_seconds(agents) / 2.0 + times.startup + times.tail + scanning;
    let total_seconds = work.elapsed_seconds + expected_seconds + times.closing;
    let limit = if work.packets > REPORT_PARTS || work.largest_crawl > REPORT_OBJECTS_PER_CRAWL {
        Some(Limit::Report)
    } else if agents < wanted && agents == quota && scanning > work.elapsed_seconds {
        Some(Limit::Quota)
    } else if total_seconds > target && times.least() + work.elapsed_seconds > target {
        Some(if times.largest > work.elapsed_seconds { Limit::LargestObject } else { Limit::Crawl })
    } else if times.largest * SLOWEST > target * LEAST_SHARE {
        Some(Limit::LargestObject)
    } else if agents < wanted && agents == fed {
        Some(Limit::S3Requests)
    } else if agents < wanted && agents == quota {
        Some(Limit::Quota)
    } else if agents < wanted {
        Some(Limit::Packets)
    } else if total_seconds > target && left(agents) < least {
        Some(Limit::Crawl)
    } else if total_seconds < target * EARLY_SHARE {
        Some(Limit::WholeAgents)
    } else {
        None
    };
    FleetPlan { agents, batches: batches(agents), expected_seconds, total_seconds, work_seconds: times.work, limit }
}

/// What a job's time is made of, in seconds; `work` in agent-seconds.
struct Times {
    work: f64,
    startup: f64,
    /// The largest object, on the one worker that scans it.
    largest: f64,
    /// From the moment that the queue is empty to the last verdict: the packets that agents hold then, or a large object that was begun last.
    tail: f64,
    closing: f64,
}

impl Times {
    fn of(work: &FleetWork, settings: &FleetSettings) -> Self {
        let seconds = |objects: u64, bytes: u64| {
            objects as f64 * settings.seconds_per_object + bytes as f64 * settings.seconds_per_byte
        };
        let total = seconds(work.objects, work.bytes);
        let workers = f64::from(settings.scan_workers.max(1));
        let largest = settings.seconds_per_object + work.largest_bytes as f64 * settings.seconds_per_byte * workers;
        let packet = total / work.packets.max(1) as f64;
        Self {
            work: total,
            startup: settings.startup_seconds,
            largest,
            tail: (packet * packets_in_hand(work.bytes / work.packets.max(1))).max(largest) * SLOWEST,
            closing: CLOSING_SECONDS + work.packets as f64 / REPORT_PARTS_PER_SECOND,
        }
    }

    /// All but the scanning: agents that are launched first scan while the others are launched.
    fn around(&self, agents: u32) -> f64 {
        launch_seconds(agents) / 2.0 + self.startup + self.tail + self.closing
    }

    /// What no number of agents makes shorter.
    fn least(&self) -> f64 {
        self.startup + self.largest + self.closing
    }

    fn scanning(&self, work: &FleetWork, agents: u32) -> f64 {
        let agents = f64::from(agents);
        let by_s3 = work.objects as f64 / work.s3_objects_per_second(agents);
        // the tail is counted already
        (self.work / agents).max(by_s3).max(self.largest - self.tail).max(0.0)
    }
}

fn packets_in_hand(bytes: u64) -> f64 {
    f64::from(SLOTS / slots(bytes))
}

/// Splits `agents` into `RunTask` calls.
pub fn batches(agents: u32) -> Vec<u32> {
    let mut counts = vec![TASKS_PER_CALL; (agents / TASKS_PER_CALL) as usize];
    if !agents.is_multiple_of(TASKS_PER_CALL) {
        counts.push(agents % TASKS_PER_CALL);
    }
    counts
}

fn launch_seconds(agents: u32) -> f64 {
    f64::from(agents.saturating_sub(LAUNCH_BURST)) / LAUNCHES_PER_SECOND
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u32 = 60;

    /// Small objects in many directories, in more packets than any fleet has agents.
    fn small(objects: u64) -> FleetWork {
        FleetWork { objects, packets: 100_000, directories: u64::MAX, scopes: 1, ..FleetWork::default() }
    }

    fn plan(work: FleetWork) -> FleetPlan {
        size_fleet(work, HOUR, &FleetSettings::default())
    }

    #[test]
    fn an_hour_of_one_agent_is_one_agent_and_ten_hours_are_about_ten() {
        assert_eq!(plan(small(800_000)).agents, 1);
        assert_eq!(plan(small(8_000_000)).agents, 10);
    }

    #[test]
    fn a_quota_makes_the_job_longer_and_never_fails_it() {
        let settings = FleetSettings { max_agents: 5, ..FleetSettings::default() };
        let plan = size_fleet(small(8_000_000), HOUR, &settings);
        assert_eq!((plan.agents, plan.limit), (5, Some(Limit::Quota)));
        assert!(plan.expected_seconds > 3600.0);
    }

    #[test]
    fn one_huge_object_is_named_as_the_limit() {
        let bytes = 100_000_000_000;
        let plan = plan(FleetWork { bytes, packets: 1, largest_bytes: bytes, ..small(1) });
        assert_eq!((plan.agents, plan.limit), (1, Some(Limit::LargestObject)));
        // one worker of two: half of an agent's 8 MB/s
        assert!(plan.expected_seconds > 25_000.0, "{}", plan.expected_seconds);
    }

    #[test]
    fn a_long_crawl_takes_more_agents_and_is_named_once_it_takes_too_long() {
        let after = |minutes: f64| plan(FleetWork { elapsed_seconds: minutes * 60.0, ..small(50_000_000) });
        assert!(after(20.0).agents > after(1.0).agents);
        assert_eq!((after(1.0).limit, after(20.0).limit), (None, None));
        let late = after(55.0);
        assert_eq!((late.limit, late.agents), (Some(Limit::Crawl), after(600.0).agents));
        assert!(late.agents < 4 * after(1.0).agents, "{}", late.agents);
    }

    #[test]
    fn one_flat_directory_is_no_faster_than_s3_and_gets_no_agents_that_would_wait() {
        let flat = plan(FleetWork { directories: 1, packets: 10_000, ..small(20_000_000) });
        assert_eq!(flat.limit, Some(Limit::S3Requests));
        assert!(flat.agents < plan(small(20_000_000)).agents);
        assert!(flat.total_seconds > 20_000_000.0 / 1_375.0, "{}", flat.total_seconds);
        let many = plan(FleetWork { directories: 10_000, packets: 10_000, ..small(20_000_000) });
        assert_eq!(many.limit, None);
    }

    #[test]
    fn little_work_and_too_much_for_one_report_are_said() {
        assert_eq!(plan(small(1_000)).limit, Some(Limit::WholeAgents));
        assert_eq!(plan(FleetWork { packets: REPORT_PARTS + 1, ..small(1_000_000) }).limit, Some(Limit::Report));
    }

    #[test]
    fn nothing_to_scan_takes_no_agents_and_ends_with_the_report() {
        let plan = plan(FleetWork { packets: 0, elapsed_seconds: 40.0, ..small(0) });
        assert_eq!((plan.agents, plan.limit), (0, None));
        assert!(plan.total_seconds >= 40.0 && plan.expected_seconds == 0.0);
    }

    proptest! {
        #[test]
        fn fleets_stay_within_every_bound(
            objects in 0u64..2_000_000_000, average in 0u64..10_000_000, packets in 0u64..3_000_000,
            target in 1u32..10_000, max_agents in 0u32..5_000, directories in 0u64..1_000_000, elapsed_seconds in 0.0f64..1e6,
        ) {
            let settings = FleetSettings { max_agents, ..FleetSettings::default() };
            let bytes = objects.saturating_mul(average);
            let work = FleetWork { bytes, packets, largest_bytes: average, directories, elapsed_seconds, ..small(objects) };
            let plan = size_fleet(work, target, &settings);
            prop_assert_eq!(plan.agents == 0, packets == 0);
            prop_assert!(u64::from(plan.agents) <= packets && plan.agents <= max_agents.max(1));
            prop_assert_eq!(plan.batches.iter().sum::<u32>(), plan.agents);
            prop_assert!(plan.batches.iter().all(|count| (1..=TASKS_PER_CALL).contains(count)));
            prop_assert!(plan.expected_seconds.is_finite() && plan.total_seconds >= elapsed_seconds);
            let late = plan.total_seconds > f64::from(target) * 60.0 + 1.0;
            prop_assert!(!late || plan.limit.is_some() || packets == 0, "{} s", plan.total_seconds);
        }

        #[test]
        fn more_work_never_takes_fewer_agents(objects in 1u64..100_000_000, more in 0u64..100_000_000, target in 1u32..1_000) {
            let work = |objects| FleetWork { bytes: objects * 10_000, packets: 1_000_000, largest_bytes: 10_000, ..small(objects) };
            let settings = FleetSettings::default();
            prop_assert!(size_fleet(work(objects), target, &settings).agents <= size_fleet(work(objects + more), target, &settings).agents);
        }

        #[test]
        fn an_unlimited_fleet_ends_within_the_target(objects in 1u64..500_000_000, target in 15u32..600) {
            let settings = FleetSettings { max_agents: u32::MAX, ..FleetSettings::default() };
            let work = FleetWork { bytes: objects * 10_000, largest_bytes: 10_000, ..small(objects) };
            let plan = size_fleet(work, target, &settings);
            let too_long_to_launch = plan.agents > 100 * target;
            prop_assert!(too_long_to_launch || plan.total_seconds <= f64::from(target) * 60.0 + 1.0, "{} s", plan.total_seconds);
        }
    }
}
