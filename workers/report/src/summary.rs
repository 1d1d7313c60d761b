//! The summary of a finished job: the output of its execution.

use jiff::Timestamp;
use lazaret_model::summary::{ScopeTotals, Status};
use lazaret_model::{JobPlan, Summary};

use crate::aggregate::Audit;

/// Scopes that a summary names.
const SCOPES_NAMED: usize = 100;
/// What those may take of the 256 KiB that Step Functions passes on, in bytes of JSON: a prefix of control characters
/// takes six times its length.
const SCOPES_BYTES: usize = 96 * 1024;

/// Puts together what is known at the end. `agents` were launched in all, `report` is the page's `s3://` address.
pub fn summarise(plan: &JobPlan, audit: Audit, agents: u64, ended_at: Timestamp, report: String) -> Summary {
    let job = &plan.job;
    Summary {
        job_id: job.job_id.clone(),
        status: if audit.completeness.complete { Status::Complete } else { Status::Incomplete },
        totals: audit.totals,
        completeness: audit.completeness,
        window: job.window,
        source: job.source.clone(),
        scopes: scopes(plan),
        sizes: plan.sizes(),
        definitions: audit.definitions,
        agents,
        started_at: job.started_at,
        ended_at,
        report,
    }
}

fn scopes(plan: &JobPlan) -> Vec<ScopeTotals> {
    let mut room = SCOPES_BYTES;
    let totals = plan.crawls.iter().map(|crawl| ScopeTotals {
        scope: crawl.scope.clone(),
        crawled: crawl.listed,
        in_window: crawl.matched,
    });
    totals
        .take(SCOPES_NAMED)
        .take_while(|scope| {
            let bytes = serde_json::to_string(scope).map_or(usize::MAX, |json| json.len());
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        })
        .collect()
}
