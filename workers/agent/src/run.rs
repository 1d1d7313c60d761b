//! A job's agent: *receive, fetch, scan, decide, record, act, confirm, delete the message*.

use std::sync::Arc;
use std::time::Duration;

use lazaret_actions::Actor;
use lazaret_actions::promotion::Promotions;
use lazaret_aws::{ObjectStore, Queue};
use lazaret_model::fleet::SLOTS;
use lazaret_model::packet::DELIVERIES;
use lazaret_model::{JobId, JobPlan, Progress, WorkPacket, layout};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use crate::act::{ACTIONS, Act};
use crate::config::{JobSettings, Settings};
use crate::confirm::Confirm;
use crate::error::AgentError;
use crate::inspect::{InspectError, Inspector};
use crate::life::Life;
use crate::policies::PolicyBook;
use crate::progress::ProgressBoard;
use crate::receive::{Delivery, PACKETS_IN_HAND, Receiver};
use crate::record::{Parts, RecordError};
use crate::retry;
use crate::scan::{EngineGone, Scanner};
use crate::spool::Spool;
use crate::tally::Tally;

/// A packet that failed for a reason that passes is nobody's for so long: handed on at once it would run through its
/// deliveries while the reason lasts.
const PAUSE: Duration = Duration::from_secs(30);

/// The world outside.
#[derive(Clone)]
pub struct Deps {
    pub store: Arc<dyn ObjectStore>,
    pub queue: Arc<dyn Queue>,
    pub scanner: Arc<dyn Scanner>,
    /// None where no state machine for staging buckets is known.
    pub promotions: Option<Promotions>,
    /// Counts what the agent tells of.
    pub tally: Arc<Tally>,
}

impl Deps {
    /// An inspector that moves what it finds.
    pub(crate) fn inspector(&self, settings: &Settings, policies: &Arc<PolicyBook>) -> Arc<Inspector> {
        Arc::new(Inspector::new(
            Arc::clone(&self.store),
            Arc::clone(&self.scanner),
            Arc::clone(policies),
            Spool::new(settings.scratch_dir.clone(), settings.fetch_bytes),
            Some(settings.quarantine_bucket.clone()),
            settings.scan_workers,
        ))
    }
}

/// Works on the job's packets until its queue stays empty or is gone, or until `shutdown`.
///
/// # Errors
/// If the agent can't work at all. What it held then was given back.
pub async fn run(
    settings: Settings,
    job: JobSettings,
    deps: Deps,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let plan = read_plan(deps.store.as_ref(), &settings.results_bucket, &job.job_id).await?;
    let policies = PolicyBook::open(Arc::clone(&deps.store), settings.results_bucket.clone()).await?;
    let agent = Arc::new(Agent::new(&settings, &job, &deps, policies));
    let receiver =
        Receiver { queue: deps.queue, job_id: job.job_id, plan, visibility: settings.visibility, idle: job.idle };
    let (inbox, deliveries) = mpsc::channel(PACKETS_IN_HAND);
    let receiving = receiver.receive(Arc::new(Semaphore::new(SLOTS as usize)), inbox, &agent.life.stopping);
    let handle = |delivery| Arc::clone(&agent).handle(delivery);
    let result = tokio::select! {
        result = agent.life.live(receiving, deliveries, handle, shutdown) => result,
        never = agent.policies.keep_fresh(settings.policies) => match never {},
        never = agent.progress.keep_writing(job.progress) => match never {},
    };
    agent.progress.write().await;
    let account = agent.progress.now();
    let Progress { scanned, infected, bytes, cache_hits, .. } = account.progress;
    info!(scanned, infected, bytes, cache_hits, busy_ms = account.busy_milliseconds, "The agent ends");
    result
}

async fn read_plan(store: &dyn ObjectStore, results_bucket: &str, job: &JobId) -> Result<JobPlan, AgentError> {
    let key = layout::plan_key(job);
    let stored = retry::store(|| store.get(results_bucket, &key)).await.map_err(AgentError::Plan)?;
    serde_json::from_slice(&stored.ok_or(AgentError::NoPlan)?.bytes).map_err(AgentError::BadPlan)
}

/// What a packet's work needs.
struct Agent {
    store: Arc<dyn ObjectStore>,
    inspector: Arc<Inspector>,
    policies: Arc<PolicyBook>,
    parts: Parts,
    promotions: Option<Promotions>,
    actions: Semaphore,
    progress: ProgressBoard,
    tally: Arc<Tally>,
    life: Life,
}

/// Why a packet is not done.
#[derive(Debug, thiserror::Error)]
enum PacketError {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("there was no time left for it")]
    GivenUp,
}

impl Agent {
    fn new(settings: &Settings, job: &JobSettings, deps: &Deps, policies: PolicyBook) -> Self {
        let policies = Arc::new(policies);
        let (store, bucket) = (Arc::clone(&deps.store), settings.results_bucket.clone());
        Self {
            inspector: deps.inspector(settings, &policies),
            policies,
            parts: Parts::new(Arc::clone(&store), bucket.clone()),
            promotions: deps.promotions.clone(),
            actions: Semaphore::new(ACTIONS),
            tally: Arc::clone(&deps.tally),
            progress: ProgressBoard::new(Arc::clone(&store), bucket, &job.job_id),
            life: Life::new(settings.grace),
            store,
        }
    }

    /// One packet from its receipt to the end of its message.
    async fn handle(self: Arc<Self>, delivery: Delivery) -> Result<(), AgentError> {
        let Delivery { packet, lease, receive_count, slot: _slot } = delivery;
        let span = info_span!("packet", job.id = %packet.job_id, packet.id = %packet.packet_id);
        async {
            let _in_hand = self.progress.in_hand();
            let begun = Instant::now();
            let result = tokio::select! {
                biased;
                () = self.life.give_up.cancelled() => Err(PacketError::GivenUp),
                result = self.work_on(&packet, receive_count) => result,
                never = lease.keep() => match never {},
            };
            let duration_ms = begun.elapsed().as_millis() as u64;
            let why = match result {
                Ok(()) => {
                    lease.delete().await;
                    info!(objects = packet.objects.len(), receive_count, duration_ms, "The packet is done");
                    return Ok(());
                }
                Err(why) => why,
            };
            warn!(%why, receive_count, duration_ms, "The packet is given back");
            let (pause, fault) = match why {
                PacketError::Inspect(InspectError::Engine(EngineGone(why))) => {
                    self.life.break_down();
                    (self.life.pause(), Some(AgentError::Engine(EngineGone(why))))
                }
                PacketError::Record(error) if !error.retryable() => (Duration::ZERO, Some(AgentError::Record(error))),
                PacketError::Inspect(InspectError::Stopping) | PacketError::GivenUp => (self.life.pause(), None),
                PacketError::Inspect(InspectError::Ended(_)) | PacketError::Record(_) => (PAUSE, None),
            };
            lease.give_back(pause).await;
            fault.map_or(Ok(()), Err)
        }
        .instrument(span)
        .await
    }

    /// Fetch, scan, decide, record; or, where that is done, take up what is left. Then act and confirm.
    async fn work_on(&self, packet: &WorkPacket, receive_count: u32) -> Result<(), PacketError> {
        let part = match self.parts.find(packet).await? {
            Some(part) => part,
            None => {
                let rows = self.inspector.inspect_all(packet, &self.life.stopping).await?;
                let part = self.parts.record(packet, rows).await?;
                self.progress.count(&part.rows);
                for row in &part.rows {
                    self.tally.count(&row.verdict, row.object.size);
                }
                part
            }
        };
        let act = Act {
            actor: Actor { store: self.store.as_ref(), promotions: self.promotions.as_ref() },
            policies: &self.policies,
            actions: &self.actions,
            // what is left pending after the last one would stay so for ever
            last_delivery: receive_count >= DELIVERIES,
        };
        let confirm = Confirm { act, parts: &self.parts };
        confirm.settle(packet, part).await?;
        Ok(())
    }
}
