//! The tables of `docs/scale.md`.

use std::fmt::Write as _;

use lazaret_model::fleet::Limit;
use lazaret_model::units;

use crate::job::{Outcome, run};
use crate::scenario::{Bucket, Scenario};

/// Of the scale's table, and of each profile. The same seed gives the same job.
pub const SEED: u64 = 20_261_123;
pub const SEEDS: std::ops::Range<u64> = 1..11;

/// Before and behind the tables in the page.
const BEGIN: &str = "<!-- written by lazaret-simulate: begin -->";
const END: &str = "<!-- written by lazaret-simulate: end -->";

/// Profiles that an hour is enough for, and those that it is not for a reason.
pub fn profiles() -> Vec<(Scenario, Option<Limit>)> {
    let eight = |objects| Bucket::mixed(objects).in_scopes(8);
    vec![
        (Scenario::new("many tiny", Bucket::tiny(8_000_000)), None),
        (Scenario::new("many tiny in 20 prefixes", Bucket::tiny(20_000_000).in_scopes(20)), None),
        (Scenario::new("few huge", Bucket::huge(4_000)), None),
        (Scenario::new("very few huge", Bucket::huge(300)), None),
        (Scenario::new("log-normal", Bucket::mixed(5_000_000)), None),
        (Scenario::new("log-normal in 40 prefixes", Bucket::mixed(40_000_000).in_scopes(40)), None),
        (Scenario::new("one flat prefix", Bucket::tiny(2_500_000).flat()), None),
        (Scenario::new("quota of 50", eight(7_000_000)).with_quota(50), None),
        (Scenario::new("throttled launches", eight(20_000_000)).throttled(10.0, 1.0), None),
        (Scenario::new("enormous", Bucket::enormous(300)), Some(Limit::LargestObject)),
        (Scenario::new("one flat prefix, too large", Bucket::tiny(10_000_000).flat()), Some(Limit::S3Requests)),
        (Scenario::new("quota of 50, too little", eight(20_000_000)).with_quota(50), Some(Limit::Quota)),
        (Scenario::new("a thousand objects", Bucket::mixed(1_000)), Some(Limit::WholeAgents)),
        (Scenario::new("one listing, too long", Bucket::tiny(40_000_000)), Some(Limit::Crawl)),
    ]
}

/// From 10,000 to 1,000,000,000 objects of 100 KB on average.
pub fn scale() -> Vec<Scenario> {
    let of =
        |objects, scopes, quota| Scenario::new("scale", Bucket::mixed(objects).in_scopes(scopes)).with_quota(quota);
    vec![
        of(10_000, 1, 500),
        of(100_000, 1, 500),
        of(1_000_000, 1, 500),
        of(10_000_000, 1, 500),
        of(10_000_000, 10, 500),
        of(100_000_000, 1, 500),
        of(100_000_000, 40, 500),
        of(100_000_000, 40, 2_000),
        of(250_000_000, 400, 2_000),
        of(1_000_000_000, 400, 500),
        of(1_000_000_000, 400, 2_000),
        of(1_000_000_000, 400, 8_000),
    ]
}

pub const PROFILE_HEAD: &str = "\
| profile | objects | size | agents | planned | simulated | what binds |
|---|--:|--:|--:|--:|--:|---|
";

pub fn profile_row(scenario: &Scenario, jobs: &[Outcome]) -> String {
    let (least, most) =
        jobs.iter().fold((f64::MAX, 0.0_f64), |(least, most), job| (least.min(job.minutes), most.max(job.minutes)));
    let first = jobs.first().expect("a profile has its seeds");
    format!(
        "| {} | {} | {} | {} | {:.0} min | {least:.0} to {most:.0} min | {} |\n",
        scenario.name,
        units::count(scenario.bucket.objects),
        units::bytes(first.bytes),
        units::count(first.plan.agents.into()),
        first.plan.total_seconds / 60.0,
        limit(first.plan.limit)
    )
}

pub const SCALE_HEAD: &str = "\
| objects | size | prefixes | quota | agents | planned | simulated | of it listing | dollars | what binds |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|
";

pub fn scale_row(scenario: &Scenario, job: &Outcome) -> String {
    let unreported = if job.reported { "" } else { ", and the report runs out of time" };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {}{unreported} |\n",
        units::count(scenario.bucket.objects),
        units::bytes(job.bytes),
        units::count(scenario.bucket.scopes),
        units::count(scenario.settings.max_agents.into()),
        units::count(job.fleet.agents.into()),
        minutes(job.plan.total_seconds / 60.0),
        minutes(job.minutes),
        minutes(job.crawl_minutes),
        dollars(job.dollars),
        limit(job.plan.limit)
    )
}

fn minutes(minutes: f64) -> String {
    if minutes < 180.0 { format!("{minutes:.0} min") } else { format!("{:.1} h", minutes / 60.0) }
}

fn dollars(dollars: f64) -> String {
    if dollars < 100.0 { units::dollars(dollars) } else { format!("${}", units::count(dollars.round() as u64)) }
}

fn limit(limit: Option<Limit>) -> &'static str {
    match limit {
        None => "nothing: it ends on target",
        Some(Limit::Quota) => "the quota",
        Some(Limit::LargestObject) => "the largest object",
        Some(Limit::Packets) => "the number of packets",
        Some(Limit::Crawl) => "the listing",
        Some(Limit::S3Requests) => "S3's requests a second",
        Some(Limit::Report) => "the report",
        Some(Limit::WholeAgents) => "little work for whole agents",
    }
}

/// Both tables.
pub fn tables() -> String {
    let mut text = String::from(PROFILE_HEAD);
    for (scenario, _) in profiles() {
        let jobs: Vec<Outcome> = SEEDS.map(|seed| run(&scenario, seed)).collect();
        text.push_str(&profile_row(&scenario, &jobs));
    }
    let _ = write!(text, "\n{SCALE_HEAD}");
    for scenario in scale() {
        text.push_str(&scale_row(&scenario, &run(&scenario, SEED)));
    }
    text
}

/// `page` with `tables` between its marks; `None` if it has none.
pub fn replaced(page: &str, tables: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{tables}\n{END}{tail}"))
}
