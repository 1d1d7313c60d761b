//! Has every packet its part, and if not, what next?
//!
//! Looked at in this order, so that a part that is written meanwhile never looks like a lost packet: agents, queue, dead
//! letters, parts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::objects::PutCondition;
use lazaret_aws::queue::{Depth, Message, Queues};
use lazaret_aws::tasks::RunningTask;
use lazaret_aws::{ObjectStore, Queue, ServiceError, StoreError, TaskFleet};
use lazaret_model::drain::{self, DrainDecision, DrainFacts, DrainMemory};
use lazaret_model::result::part_to_json_lines;
use lazaret_model::verdict::ErrorReason;
use lazaret_model::{Evidence, JobId, JobPlan, ResultRow, Verdict, WorkPacket, fleet, layout};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::config::DrainSettings;
use crate::error::FunctionError;
use crate::parts::Parts;
use crate::work;

/// Plans up to this many packets are counted at every look: ten pages of a listing, half a second. Larger ones are counted
/// only when the queue could be empty or no agent is left.
const COUNTED_ALWAYS: u64 = 10_000;
/// Times that dead letters are received in one look, ten at most each: a look stays within a Lambda's time, and the next one
/// goes on.
const DEAD_LETTER_RECEIVES: u32 = 200;
/// Any wait makes SQS ask all its servers; none may leave messages unseen.
const DEAD_LETTER_WAIT: Duration = Duration::from_secs(1);
/// Longer than this function may take: a look that dies leaves its dead letters to a later one.
const DEAD_LETTER_VISIBILITY: Duration = Duration::from_secs(300);

/// The function and what it needs.
pub struct CheckDrain {
    pub store: Arc<dyn ObjectStore>,
    pub queues: Arc<dyn Queues>,
    pub fleet: Arc<dyn TaskFleet>,
    pub results_bucket: String,
    pub settings: DrainSettings,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub job_id: JobId,
    pub queue_url: String,
    pub dead_letter_queue_url: String,
    /// Agents of the plan.
    pub agents: u32,
    /// What the look before said to remember.
    #[serde(default)]
    pub memory: DrainMemory,
    /// Looks before this one.
    #[serde(default)]
    pub looks: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pub decision: DrainDecision,
    pub memory: DrainMemory,
    /// Agents to launch, by call; empty unless the decision is to relaunch.
    pub batches: Vec<u32>,
    /// Until the next look.
    pub wait_seconds: u64,
    /// Packets with a part: counted one by one for every decision but `wait`, for which a large job's is what the queue says.
    pub parts: u64,
    pub packets: u64,
    pub agents_running: u64,
}

impl CheckDrain {
    /// # Errors
    /// `Transient` or `Permanent`; nothing is lost by looking again.
    pub async fn handle(&self, input: Input, now: Timestamp) -> Result<Output, FunctionError> {
        let plan = work::read_plan(&*self.store, &self.results_bucket, &input.job_id).await?;
        let packets = plan.packets();
        let agents = self.agents(&input.job_id).await?;
        let depth = depth(&*self.queues.at(&input.queue_url)).await?;
        let dead_letters = self.queues.at(&input.dead_letter_queue_url);
        let at_work = agents > 0 && depth.visible > 0;
        if !at_work || self::depth(&*dead_letters).await?.visible > 0 {
            self.record_dead_letters(&plan, &*dead_letters, now).await?;
        }
        let parts = if at_work && packets > COUNTED_ALWAYS {
            // at least one packet is still in the queue
            packets.saturating_sub(depth.visible + depth.in_flight + depth.delayed)
        } else {
            Parts::list(&*self.store, &self.results_bucket, &plan).await?.present()
        };
        let hidden = depth.in_flight + depth.delayed;
        let facts = DrainFacts { packets, parts, agents, visible: depth.visible, hidden };
        let (decision, memory) = drain::decide(facts, input.memory);
        let batches = match decision {
            DrainDecision::Relaunch => {
                let wanted = u32::try_from((packets - parts).max(depth.visible)).unwrap_or(u32::MAX);
                fleet::batches(wanted.min(input.agents.max(1)).min(self.settings.max_agents))
            }
            DrainDecision::Drained | DrainDecision::Wait | DrainDecision::Stuck => Vec::new(),
        };
        info!(
            job.id = %input.job_id, ?decision, parts, packets, agents,
            queue.visible = depth.visible, queue.in_flight = depth.in_flight,
            "{parts} of {packets} packets of job `{}` are done", input.job_id
        );
        Ok(Output {
            decision,
            memory,
            batches,
            wait_seconds: drain::wait_seconds(
                self.settings.poll_seconds,
                input.looks,
                memory.launches_without_progress,
            ),
            parts,
            packets,
            agents_running: agents,
        })
    }

    async fn agents(&self, job: &JobId) -> Result<u64, FunctionError> {
        let tasks = self.fleet.running(job.as_str()).await?;
        // one of an unknown family was launched just now, when nothing but agents is launched
        let is_agent = |task: &RunningTask| task.family.is_empty() || task.family == self.settings.agent_family;
        Ok(tasks.iter().filter(|task| is_agent(task)).count() as u64)
    }

    async fn record_dead_letters(
        &self,
        plan: &JobPlan,
        queue: &dyn Queue,
        now: Timestamp,
    ) -> Result<(), FunctionError> {
        for _ in 0..DEAD_LETTER_RECEIVES {
            let messages = or_if_gone(queue.receive(10, DEAD_LETTER_WAIT, DEAD_LETTER_VISIBILITY).await, Vec::new())?;
            if messages.is_empty() {
                break;
            }
            for message in messages {
                self.record_dead_letter(plan, &message, now).await?;
                or_if_gone(queue.delete(&message.receipt_handle).await, ())?;
            }
        }
        Ok(())
    }

    /// Writes what can be said of a packet that no agent could finish, unless one did after all.
    async fn record_dead_letter(&self, plan: &JobPlan, message: &Message, now: Timestamp) -> Result<(), FunctionError> {
        let job = &plan.job.job_id;
        let Ok(packet) = serde_json::from_str::<WorkPacket>(&message.body) else {
            warn!(job.id = %job, "A dead letter is not a work packet: dropped");
            return Ok(());
        };
        if packet.job_id != *job || !plan.accepts(&packet.packet_id) {
            return Ok(());
        }
        let rows = rows_of_given_up(&packet, now);
        let part = part_to_json_lines(&rows).map_err(|error| FunctionError::permanent(error.to_string()))?;
        let key = layout::part_key(job, &packet.packet_id);
        let put =
            self.store.put(&self.results_bucket, &key, Bytes::from(part), "application/x-ndjson", PutCondition::Absent);
        match put.await {
            Ok(_) => {
                warn!(job.id = %job, packet.id = %packet.packet_id, objects = rows.len(), "Gave packet `{}` up", packet.packet_id);
                Ok(())
            }
            // an agent recorded it: that says more
            Err(StoreError::PreconditionFailed) => Ok(()),
            Err(error) => Err(FunctionError::store(format_args!("writing `{key}`"))(error)),
        }
    }
}

fn rows_of_given_up(packet: &WorkPacket, now: Timestamp) -> Vec<ResultRow> {
    let row = |object: &lazaret_model::ObjectRef| ResultRow {
        object: object.clone(),
        verdict: Verdict::Error {
            reason: ErrorReason::GaveUp,
            detail: "its packet was delivered too often without a result".into(),
        },
        action: None,
        scanned_at: now,
        evidence: Evidence::default(),
    };
    packet.objects.iter().map(row).collect()
}

async fn depth(queue: &dyn Queue) -> Result<Depth, FunctionError> {
    or_if_gone(queue.depth().await, Depth::default())
}

/// A queue that is gone holds nothing: the parts say what is missing.
fn or_if_gone<T>(answer: Result<T, ServiceError>, gone: T) -> Result<T, FunctionError> {
    match answer {
        Err(error) if error.not_found => Ok(gone),
        answer => Ok(answer?),
    }
}
