//! The rows of archived objects: a verdict that needs no agent.

use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_aws::objects::PutCondition;
use lazaret_model::result::part_to_json_lines;
use lazaret_model::verdict::SkippedReason;
use lazaret_model::{Evidence, JobId, ObjectRef, PacketId, ResultRow, Verdict, layout};

use crate::error::CrawlError;
use crate::retry;

/// Writes the part of a packet of archived objects. No other attempt and no agent has this packet's id, so that the part needs
/// no condition, and writing it again after an answer that was lost changes nothing.
pub async fn write_part(
    store: &dyn ObjectStore,
    results_bucket: &str,
    job_id: &JobId,
    packet_id: &PacketId,
    objects: Vec<ObjectRef>,
    at: Timestamp,
) -> Result<(), CrawlError> {
    let verdict = Verdict::Skipped { reason: SkippedReason::Archived };
    let row = |object| ResultRow {
        object,
        verdict: verdict.clone(),
        action: None,
        scanned_at: at,
        evidence: Evidence::default(),
    };
    let rows: Vec<ResultRow> = objects.into_iter().map(row).collect();
    let lines = part_to_json_lines(&rows).expect("rows are JSON");
    write(store, results_bucket, &layout::part_key(job_id, packet_id), "a part", lines, "application/x-ndjson").await
}

/// Writes a small object of the job, tried as often as it takes.
pub async fn write(
    store: &dyn ObjectStore,
    bucket: &str,
    key: &str,
    what: &'static str,
    bytes: Vec<u8>,
    content_type: &str,
) -> Result<(), CrawlError> {
    let bytes = bytes::Bytes::from(bytes);
    let put = || store.put(bucket, key, bytes.clone(), content_type, PutCondition::Always);
    retry::store(put).await.map(drop).map_err(|source| CrawlError::Record { what, source })
}
