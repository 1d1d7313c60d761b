//! All of a job, from the begin of its execution to the end of its tear-down.

use lazaret_model::estimate::{Measured, bill, crawl_seconds};
use lazaret_model::fleet::{FleetPlan, FleetWork, REPORT_OBJECTS_PER_CRAWL, REPORT_PARTS_PER_SECOND, size_fleet};

use crate::crawl;
use crate::fleet::{Drained, Fleet};
use crate::pack::{Packet, packets};
use crate::random::Random;
use crate::scenario::Scenario;

/// A Lambda's time, which the report has for all parts.
const REPORT_SECONDS: f64 = 900.0;

/// How a job went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What `lazaret plan` says beforehand: the crawl is estimated there.
    pub plan: FleetPlan,
    /// What the job's own sizing said, once it was crawled.
    pub fleet: FleetPlan,
    pub crawl_minutes: f64,
    /// When the fleet was sized, in seconds from the job's begin.
    pub sized_seconds: f64,
    pub minutes: f64,
    pub dollars: f64,
    pub bytes: u64,
    pub drained: Drained,
    /// Whether the report could read all parts in the time that it has.
    pub reported: bool,
}

/// Runs the job; the same seed gives the same.
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let bucket = &scenario.bucket;
    let packets = packets(bucket, &mut random);
    let planned = measured(scenario, &packets);
    let plan = size_fleet(planned.work, scenario.target_minutes, &scenario.settings);

    let crawled = crawl::seconds(bucket, &scenario.cloud, &mut random);
    let sizing = crawled + random.between(1.0, 5.0);
    let work = FleetWork { elapsed_seconds: sizing, ..planned.work };
    let fleet = size_fleet(work, scenario.target_minutes, &scenario.settings);
    let drained =
        Fleet::new(&packets, bucket.objects_in_a_directory, &scenario.cloud, random.clone()).drain(&fleet, sizing);

    let report = random.between(4.0, 12.0) + packets.len() as f64 / REPORT_PARTS_PER_SECOND * random.between(0.8, 1.2);
    // one by one: stopping tasks is ten calls a second, emptying the work folder a thousand objects a call
    let tear_down = random.between(5.0, 15.0) + drained.launched as f64 / 100.0;
    let seconds = drained.at + report + tear_down;
    Outcome {
        crawl_minutes: crawled / 60.0,
        sized_seconds: sizing,
        minutes: seconds / 60.0,
        bytes: planned.bytes,
        dollars: bill(&planned, fleet.clone(), &scenario.settings, drained.agent_seconds).dollars,
        reported: report < REPORT_SECONDS && bucket.objects / bucket.scopes <= REPORT_OBJECTS_PER_CRAWL,
        plan,
        fleet,
        drained,
    }
}

/// What `lazaret plan` would have counted.
pub fn measured(scenario: &Scenario, packets: &[Packet]) -> Measured {
    let bucket = &scenario.bucket;
    let bytes = packets.iter().map(|packet| packet.bytes).sum();
    let objects = packets.iter().map(|packet| u64::from(packet.objects)).sum();
    let pages = crawl::pages(bucket);
    let list_requests = pages * bucket.scopes;
    let a_scope = bucket.objects / bucket.scopes;
    let work = FleetWork {
        objects,
        bytes,
        packets: packets.len() as u64,
        largest_bytes: packets.iter().map(|packet| packet.largest).max().unwrap_or_default(),
        largest_crawl: a_scope,
        scopes: bucket.scopes,
        directories: a_scope.div_ceil(bucket.objects_in_a_directory) * bucket.scopes,
        elapsed_seconds: crawl_seconds(bucket.scopes, list_requests, pages),
    };
    Measured {
        crawled: objects,
        objects,
        bytes,
        packets: packets.len() as u64,
        work,
        list_requests,
        ..Measured::default()
    }
}
