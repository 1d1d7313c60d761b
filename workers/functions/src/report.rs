//! Totals, the proof of completeness, and the page. Never fails because a job is incomplete: it says so.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::result::part_from_json_lines;
use lazaret_model::{JobId, JobPlan, PacketId, ResultRow, Summary, layout};
use lazaret_report::{Aggregator, Audit, Page, summarise};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::error::FunctionError;
use crate::{calibrate, work};

/// Parts that are read at once: about 40 MB of rows, and 1,000 parts of 100 KB a second in a large Lambda.
const CONCURRENT: usize = 64;
/// Times that a part is asked for before the whole function is tried again.
const ATTEMPTS: u32 = 3;
/// For what the job says to the next: the report is complete by then, and must not be made again for it.
const LEARNING: Duration = Duration::from_secs(30);
/// What `findings.jsonl` may have, in bytes; it is held in memory. A job with more (some two million rows) keeps the others in
/// its parts alone, where `lazaret report --all` finds them.
pub const FINDINGS_BYTES: usize = 1 << 30;

/// The function and what it needs.
pub struct Report {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub job_id: JobId,
    /// Launched in all.
    #[serde(default)]
    pub agents: u64,
}

/// What is kept of the rows that a report always shows.
#[derive(Default)]
struct Findings {
    page: Page,
    lines: Vec<u8>,
    left_out: u64,
}

impl Report {
    /// # Errors
    /// `Transient` or `Permanent` of the store; what can't be read of a part is no error, but missing.
    pub async fn handle(&self, input: Input, now: Timestamp) -> Result<Summary, FunctionError> {
        let job = &input.job_id;
        let plan = work::read_plan(&*self.store, &self.results_bucket, job).await?;
        let (audit, findings) = self.audit(&plan).await?;

        let page = format!("s3://{}/{}", self.results_bucket, layout::html_key(job));
        let summary = summarise(&plan, audit, input.agents, now, page);
        if findings.left_out > 0 {
            warn!(job.id = %job, rows = findings.left_out, "findings.jsonl is full: the other rows lie in the parts alone");
        }
        let html = findings.page.render(&summary).map_err(|error| FunctionError::permanent(error.to_string()))?;
        let (store, bucket) = (&*self.store, self.results_bucket.as_str());
        work::write(store, bucket, &layout::findings_key(job), findings.lines, "application/x-ndjson").await?;
        work::write(store, bucket, &layout::html_key(job), html.into_bytes(), "text/html; charset=utf-8").await?;
        // the last one: where there is a summary, there is the rest
        work::write_json(store, bucket, &layout::summary_key(job), &summary).await?;
        info!(
            job.id = %job, complete = summary.completeness.complete, rows = summary.completeness.rows,
            infected = summary.totals.infected, "Reported on job `{job}`"
        );
        if summary.completeness.complete && input.agents > 0 {
            // the report stands; the next job is sized by what was known before
            match timeout(LEARNING, calibrate::learn(store, bucket, job, now)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(job.id = %job, %error, "The job is not taken into account for the next"),
                Err(_) => {
                    warn!(job.id = %job, seconds = LEARNING.as_secs(), "The job took too long to take into account")
                }
            }
        }
        Ok(summary)
    }

    /// Adds up all parts, in the order of the plan.
    async fn audit(&self, plan: &JobPlan) -> Result<(Audit, Findings), FunctionError> {
        let job = &plan.job.job_id;
        let read = |packet: PacketId| {
            let (store, bucket) = (Arc::clone(&self.store), self.results_bucket.clone());
            let key = layout::part_key(job, &packet);
            // a task of its own: parsing uses every core
            tokio::spawn(async move { read_part(&*store, &bucket, &key).await })
        };
        let mut parts = stream::iter(plan.packet_ids()).map(read).buffered(CONCURRENT);
        let mut books = Aggregator::new(plan);
        let mut findings = Findings::default();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| FunctionError::transient(format!("reading a part: {error}")))?;
            let Some(rows) = part? else {
                books.missing();
                continue;
            };
            match books.part(&rows) {
                Ok(()) => rows.iter().for_each(|row| findings.take(row)),
                Err(error) => warn!(job.id = %job, "{error}"),
            }
        }
        Ok((books.finish(), findings))
    }
}

impl Findings {
    fn take(&mut self, row: &ResultRow) {
        if !row.is_remarkable() {
            return;
        }
        self.page.row(row);
        let line = serde_json::to_vec(row).expect("a row is JSON");
        if self.lines.len() + line.len() < FINDINGS_BYTES {
            self.lines.extend_from_slice(&line);
            self.lines.push(b'\n');
        } else {
            self.left_out += 1;
        }
    }
}

/// The rows of a part; `None` if it isn't there or can't be read.
async fn read_part(store: &dyn ObjectStore, bucket: &str, key: &str) -> Result<Option<Vec<ResultRow>>, FunctionError> {
    let mut attempt = 1;
    let stored = loop {
        match store.get(bucket, key).await {
            Ok(stored) => break stored,
            Err(error) if error.retryable() && attempt < ATTEMPTS => attempt += 1,
            Err(error @ StoreError::Transient(_)) => {
                return Err(FunctionError::store(format_args!("reading `{key}`"))(error));
            }
            Err(error) => {
                warn!(object.key = key, "A part can't be read: {error}");
                break None;
            }
        }
    };
    let Some(stored) = stored else { return Ok(None) };
    match part_from_json_lines(&stored.bytes) {
        Ok(rows) => Ok(Some(rows)),
        Err(error) => {
            warn!(object.key = key, "A part is damaged: {error}");
            Ok(None)
        }
    }
}
