//! Where everything lies in the results bucket. `jobs/` and `definitions/` stay; `work/` is temporary and emptied by the tear-down.
//!
//! ```text
//! settings/policies.json               the policies; absent means defaults
//! settings/allowed/<sha256>.json       contents that their owner allowed in spite of what was found
//! settings/rules/<file>.yar            the owner's own YARA rules; none means no second engine
//! definitions/current.json             the version of the definitions that is in force
//! definitions/versions/<version>/      its files, which never change, and manifest.json with their digests
//! jobs/<job>/parts/<packet>.jsonl      a row for each object of a packet
//! jobs/<job>/summary.json              totals and the proof of completeness, the execution's output
//! jobs/<job>/findings.jsonl            every row that is not Clean
//! jobs/<job>/report.html               the same for a person
//! api/jobs/<reference>.json            a scan that the API answers later, and what came of it
//! verdicts/<name>.json                 a verdict that an execution of promote-object acts on; gone after a week
//! schedules/<name>/state.json          how far a schedule's complete runs have come, and the run that is under way
//! schedules/<name>/clock               an object that is written to learn S3's time
//! calibration.json                     how fast the agents of the last jobs were
//! work/<job>/selection/<scope>.json    which objects a run of a schedule matches
//! work/<job>/plan.json                 which crawls count
//! work/<job>/fleet.json                how the fleet was sized
//! work/<job>/crawls/<crawl>.json       what a crawl counted
//! work/<job>/progress/<worker>.json    counters for whoever watches
//! ```

use crate::job::JobId;
use crate::manifest::{DefinitionsFileName, DefinitionsVersion};
use crate::packet::{CrawlId, PacketId};

pub const POLICIES_KEY: &str = "settings/policies.json";
pub const CALIBRATION_KEY: &str = "calibration.json";
pub const DEFINITIONS_POINTER_KEY: &str = "definitions/current.json";
/// Where all versions of the definitions lie.
pub const DEFINITIONS_VERSIONS_PREFIX: &str = "definitions/versions/";
/// Where the owner's rules lie.
pub const RULES_PREFIX: &str = "settings/rules/";
/// Where the summaries of all jobs begin.
pub const JOBS_PREFIX: &str = "jobs/";

/// A content that its owner allowed. `sha256` in hex.
pub fn allowed_key(sha256: &str) -> String {
    format!("settings/allowed/{sha256}.json")
}

/// The record of a verdict in a staging bucket; `name` is [`crate::promotion::record_name`]'s. Only agents may write here.
pub fn verdict_key(name: &str) -> String {
    format!("verdicts/{name}.json")
}

/// Everything of one version of the definitions.
pub fn definitions_prefix(version: &DefinitionsVersion) -> String {
    format!("{DEFINITIONS_VERSIONS_PREFIX}{version}/")
}

pub fn definitions_manifest_key(version: &DefinitionsVersion) -> String {
    format!("{DEFINITIONS_VERSIONS_PREFIX}{version}/manifest.json")
}

pub fn definitions_file_key(version: &DefinitionsVersion, file: &DefinitionsFileName) -> String {
    format!("{DEFINITIONS_VERSIONS_PREFIX}{version}/{file}")
}

/// The version whose manifest lies at `key`, if it is one.
pub fn version_of_manifest(key: &str) -> Option<DefinitionsVersion> {
    key.strip_prefix(DEFINITIONS_VERSIONS_PREFIX)?.strip_suffix("/manifest.json")?.parse().ok()
}

/// Everything of a job that is gone after its tear-down.
pub fn work_prefix(job: &JobId) -> String {
    format!("work/{job}/")
}

pub fn parts_prefix(job: &JobId) -> String {
    format!("jobs/{job}/parts/")
}

pub fn part_key(job: &JobId, packet: &PacketId) -> String {
    format!("jobs/{job}/parts/{packet}.jsonl")
}

/// The packet whose part lies at `key`, if it is one.
pub fn packet_of_part(job: &JobId, key: &str) -> Option<PacketId> {
    key.strip_prefix(&parts_prefix(job))?.strip_suffix(".jsonl")?.parse().ok()
}

pub fn summary_key(job: &JobId) -> String {
    format!("jobs/{job}/summary.json")
}

pub fn findings_key(job: &JobId) -> String {
    format!("jobs/{job}/findings.jsonl")
}

pub fn html_key(job: &JobId) -> String {
    format!("jobs/{job}/report.html")
}

pub fn plan_key(job: &JobId) -> String {
    format!("work/{job}/plan.json")
}

pub fn fleet_key(job: &JobId) -> String {
    format!("work/{job}/fleet.json")
}

pub fn crawl_key(job: &JobId, crawl: &CrawlId) -> String {
    format!("work/{job}/crawls/{crawl}.json")
}

pub fn progress_prefix(job: &JobId) -> String {
    format!("work/{job}/progress/")
}

/// The progress of all agents of a job, each of which is an [`crate::calibration::AgentAccount`].
pub fn agents_progress_prefix(job: &JobId) -> String {
    format!("work/{job}/progress/agent-")
}

/// `worker` is `crawl-<crawl id>` or `agent-<any id>`.
pub fn progress_key(job: &JobId, worker: &str) -> String {
    format!("work/{job}/progress/{worker}.json")
}

/// What the crawler of that scope matches in a run of a schedule.
pub fn selection_key(job: &JobId, scope_index: u32) -> String {
    format!("work/{job}/selection/{scope_index}.json")
}

/// Everything of a schedule; `name` is a schedule's.
pub fn schedule_prefix(name: &str) -> String {
    format!("schedules/{name}/")
}

pub fn schedule_state_key(name: &str) -> String {
    format!("schedules/{name}/state.json")
}

pub fn schedule_clock_key(name: &str) -> String {
    format!("schedules/{name}/clock")
}
