//! Record: a packet's part, written under a condition, so that what another agent wrote is merged and never overwritten.

use std::sync::Arc;

use bytes::Bytes;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::result::{part_from_json_lines, part_to_json_lines};
use lazaret_model::{ResultRow, WorkPacket, layout};
use tracing::{error, info};

use crate::merge::{is_part_of, merge};
use crate::retry;

const CONTENT_TYPE: &str = "application/x-ndjson";

/// Times that another agent may write between our read and our write. Each agent writes a packet's part twice, and no more
/// than two or three hold it at once.
const CONFLICTS: u32 = 20;

/// Why a part was not written, read or finished.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("reading the part of a packet: {0}")]
    Read(#[source] StoreError),
    #[error("writing the part of a packet: {0}")]
    Write(#[source] StoreError),
    #[error("the part of a packet changed {CONFLICTS} times under our hands")]
    Conflicts,
    #[error("{0} actions could not be finished for now")]
    Unfinished(usize),
}

impl RecordError {
    /// Whether a later delivery of the packet may fare better. A results bucket that refuses is no packet's fault.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Read(error) | Self::Write(error) => error.retryable(),
            Self::Conflicts | Self::Unfinished(_) => true,
        }
    }
}

/// A part as it lies in S3.
#[derive(Debug, Clone)]
pub struct Part {
    /// One for each object of the packet, in its order.
    pub rows: Vec<ResultRow>,
    etag: String,
}

/// The parts of a job.
#[derive(Clone)]
pub struct Parts {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
}

impl Parts {
    pub fn new(store: Arc<dyn ObjectStore>, results_bucket: String) -> Self {
        Self { store, results_bucket }
    }

    /// The packet's part, if it was recorded. A damaged one counts as none: [`Self::record`] then replaces it.
    pub async fn find(&self, packet: &WorkPacket) -> Result<Option<Part>, RecordError> {
        Ok(match self.read(packet).await? {
            Some(Found::Part(part)) => Some(part),
            Some(Found::Damaged { .. }) | None => None,
        })
    }

    /// Writes the packet's first account of itself, or merges it into what another agent wrote meanwhile. Returns what then lies there.
    pub async fn record(&self, packet: &WorkPacket, rows: Vec<ResultRow>) -> Result<Part, RecordError> {
        self.write(packet, rows, None).await
    }

    /// Writes `part` over what it was read from, or merges it into what lies there now.
    pub async fn update(&self, packet: &WorkPacket, part: Part) -> Result<Part, RecordError> {
        self.write(packet, part.rows, Some(part.etag)).await
    }

    async fn write(
        &self,
        packet: &WorkPacket,
        mut rows: Vec<ResultRow>,
        mut over: Option<String>,
    ) -> Result<Part, RecordError> {
        let key = layout::part_key(&packet.job_id, &packet.packet_id);
        for _ in 0..CONFLICTS {
            let lines = part_to_json_lines(&rows).expect("rows of the model are always JSON");
            let bytes = Bytes::from(lines);
            let condition = over.as_deref().map_or(PutCondition::Absent, PutCondition::Over);
            let put =
                retry::store(|| self.store.put(&self.results_bucket, &key, bytes.clone(), CONTENT_TYPE, condition));
            match put.await {
                Ok(etag) => return Ok(Part { rows, etag }),
                // another agent's part, or our own from a try whose answer was lost
                Err(StoreError::PreconditionFailed | StoreError::NotFound) => match self.read(packet).await? {
                    Some(Found::Part(recorded)) => {
                        let merged = merge(&recorded.rows, &rows);
                        if merged == recorded.rows {
                            return Ok(recorded);
                        }
                        info!("Merging into the part that another agent wrote");
                        rows = merged;
                        over = Some(recorded.etag);
                    }
                    Some(Found::Damaged { etag }) => over = Some(etag),
                    None => over = None,
                },
                Err(error) => return Err(RecordError::Write(error)),
            }
        }
        Err(RecordError::Conflicts)
    }

    async fn read(&self, packet: &WorkPacket) -> Result<Option<Found>, RecordError> {
        let key = layout::part_key(&packet.job_id, &packet.packet_id);
        let stored = retry::store(|| self.store.get(&self.results_bucket, &key));
        let Some(stored) = stored.await.map_err(RecordError::Read)? else { return Ok(None) };
        Ok(Some(match part_from_json_lines(&stored.bytes) {
            Ok(rows) if is_part_of(&rows, packet) => Found::Part(Part { rows, etag: stored.etag }),
            unusable => {
                let why = unusable.err().map_or_else(|| "its rows are not the packet's".to_owned(), |e| e.to_string());
                error!(part = %key, %why, "A recorded part is damaged and will be replaced");
                Found::Damaged { etag: stored.etag }
            }
        }))
    }
}

/// What lies at a part's key.
enum Found {
    Part(Part),
    Damaged { etag: String },
}
