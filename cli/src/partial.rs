//! The report of a job that left no summary: it still runs, was stopped, or failed before its report.

use std::collections::HashSet;

use jiff::Timestamp;
use lazaret_aws::StoreError;
use lazaret_model::crawl::SizeHistogram;
use lazaret_model::job::s3_opened;
use lazaret_model::summary::DefinitionsUse;
use lazaret_model::{Completeness, Job, JobInput, JobPlan, PacketId, Source, Summary, Totals, Window, layout};

use crate::cloud::Cloud;
use crate::record::JobRecord;
use crate::report_rows::{Rows, SpoolWriter, find_parts};

/// What there is, as a summary of its own that never calls itself complete.
pub struct Partial {
    pub summary: Summary,
    pub rows: Rows,
    /// For the person: what these numbers are.
    pub note: String,
}

/// Reads the parts once; with `all`, Clean rows are kept too.
///
/// # Errors
/// If a part can't be read.
pub async fn read(cloud: &Cloud, record: &JobRecord, all: bool) -> anyhow::Result<Partial> {
    let job_id = &record.job_id;
    let plan = plan(cloud, record).await?;
    let packets = find_parts(cloud, job_id, plan.as_ref()).await?;
    let mut spool = SpoolWriter::begin()?;
    let (mut totals, mut sizes, mut definitions) = (Totals::default(), SizeHistogram::default(), Vec::new());
    let parts = Rows::Parts(packets.clone());
    parts
        .visit(cloud, job_id, &mut |row| {
            totals.count(row);
            DefinitionsUse::count(&mut definitions, row);
            if row.verdict.was_scanned() {
                sizes.add(row.object.size);
            }
            if all || row.is_remarkable() { spool.row(row) } else { Ok(()) }
        })
        .await?;

    let rows = totals.rows();
    let proof = completeness(plan.as_ref(), &packets, rows);
    totals.crawled = proof.crawled;
    totals.in_window = proof.in_window;
    let known = if plan.is_some() {
        format!("{} of {} packets have reported", proof.parts, proof.packets)
    } else {
        "what was crawled is no longer known, so the totals count only what was reported".to_owned()
    };
    let job = job(record);
    let summary = Summary {
        job_id: job_id.clone(),
        status: record.status(),
        totals,
        completeness: proof,
        window: job
            .as_ref()
            .map_or_else(|| Window { from: s3_opened(), to: record.execution.started_at }, |job| job.window),
        source: job.map_or(Source::OnDemand, |job| job.source),
        scopes: Vec::new(),
        sizes,
        definitions,
        agents: 0,
        started_at: record.execution.started_at,
        ended_at: record.execution.stopped_at.unwrap_or_else(Timestamp::now),
        report: String::new(),
    };
    let note = format!(
        "Partial: job {job_id} is {}, it left no summary ({known}). An object without a row was not scanned.",
        crate::summary_text::status_word(record.status())
    );
    Ok(Partial { summary, rows: Rows::Spooled(spool.finish()?), note })
}

async fn plan(cloud: &Cloud, record: &JobRecord) -> Result<Option<JobPlan>, StoreError> {
    let stored = cloud.store.get(&cloud.results_bucket, &layout::plan_key(&record.job_id)).await?;
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored.bytes).ok()))
}

/// The job as its execution's input says, if it says anything that can be a job.
fn job(record: &JobRecord) -> Option<Job> {
    let input: JobInput = serde_json::from_value(record.execution.input.clone()?).ok()?;
    input.into_job(record.job_id.clone(), record.execution.started_at).ok()
}

fn completeness(plan: Option<&JobPlan>, packets: &[PacketId], rows: u64) -> Completeness {
    let parts = packets.len() as u64;
    let proof = match plan {
        Some(plan) => {
            let there: HashSet<&PacketId> = packets.iter().collect();
            let missing = plan.packet_ids().filter(|packet| !there.contains(packet)).take(Completeness::NAMED);
            let missing = missing.map(|packet| packet.to_string()).collect();
            Completeness::new(plan, rows, parts, 0, missing)
        }
        None => Completeness {
            crawled: rows,
            in_window: rows,
            outside_window: 0,
            rows,
            packets: parts,
            parts,
            duplicates: 0,
            missing_packets: Vec::new(),
            complete: false,
        },
    };
    // only the report function looks for duplicates: nothing is proven here
    Completeness { complete: false, ..proof }
}
