//! The agent's life: *receive, fetch, scan, decide, record, act, confirm, delete the message*.

use std::sync::Arc;
use std::time::Duration;

use lazaret_actions::Actor;
use lazaret_actions::promotion::Promotions;
use lazaret_aws::{ObjectStore, Queue};
use lazaret_model::packet::DELIVERIES;
use lazaret_model::{JobId, JobPlan, Progress, WorkPacket, layout};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::config::Config;
use crate::confirm::Confirm;
use crate::error::AgentError;
use crate::inspect::{InspectError, Inspector};
use crate::policies::PolicyBook;
use crate::progress::ProgressBoard;
use crate::receive::{Delivery, End, PACKETS_IN_HAND, Receiver};
use crate::record::{Parts, RecordError};
use crate::retry;
use crate::scan::{EngineGone, Scanner};
use crate::spool::Spool;

/// What may be finished after a SIGTERM: most packets are past half of their minute, and a stop that is asked for by a person
/// should not feel stuck. The task definition's stop time-out is 120 s, which leaves room for giving back.
const GRACE: Duration = Duration::from_secs(25);

/// A packet that failed for a reason that passes is nobody's for so long: handed on at once it would run through its
/// deliveries while the reason lasts.
const PAUSE: Duration = Duration::from_secs(30);

/// Actions of the agent at once. An action is two to three calls of 20 to 50 ms, so that this many keep up with two scan
/// workers on small objects, and stay far below what one S3 prefix takes.
const ACTIONS: usize = 32;

/// The world outside.
#[derive(Clone)]
pub struct Deps {
    pub store: Arc<dyn ObjectStore>,
    pub queue: Arc<dyn Queue>,
    pub scanner: Arc<dyn Scanner>,
    /// None where no state machine for staging buckets is known.
    pub promotions: Option<Promotions>,
}

/// Works on the job's packets until its queue stays empty or is gone, or until `shutdown`.
///
/// # Errors
/// If the agent can't work at all. What it held then was given back.
pub async fn run(config: Config, deps: Deps, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
    let plan = read_plan(deps.store.as_ref(), &config.results_bucket, &config.job_id).await?;
    let policies = PolicyBook::open(Arc::clone(&deps.store), config.results_bucket.clone()).await?;
    let agent = Arc::new(Agent::new(&config, &deps, policies));
    let receiver =
        Receiver { queue: deps.queue, job_id: config.job_id, plan, visibility: config.visibility, idle: config.idle };
    let result = tokio::select! {
        result = work(&agent, &receiver, shutdown) => result,
        never = agent.policies.keep_fresh() => match never {},
        never = agent.progress.keep_writing(config.progress) => match never {},
    };
    agent.progress.write().await;
    let Progress { scanned, infected, bytes, cache_hits, .. } = agent.progress.now();
    info!(scanned, infected, bytes, cache_hits, "The agent ends");
    result
}

async fn read_plan(store: &dyn ObjectStore, results_bucket: &str, job: &JobId) -> Result<JobPlan, AgentError> {
    let key = layout::plan_key(job);
    let stored = retry::store(|| store.get(results_bucket, &key)).await.map_err(AgentError::Plan)?;
    serde_json::from_slice(&stored.ok_or(AgentError::NoPlan)?.bytes).map_err(AgentError::BadPlan)
}

/// Receives packets and works on several at once; ends once none is in hand any more.
async fn work(agent: &Arc<Agent>, receiver: &Receiver, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
    let (inbox, mut deliveries) = mpsc::channel(PACKETS_IN_HAND);
    let mut packets = JoinSet::new();
    let end = {
        let slots = Arc::new(Semaphore::new(PACKETS_IN_HAND));
        tokio::pin!(shutdown);
        // one future for all polls: a poll that is dropped halfway may take a message with it
        let receiving = receiver.receive(slots, inbox);
        tokio::pin!(receiving);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break Ending::Stopped,
                Some(done) = packets.join_next() => if let Err(fault) = outcome(done) { break Ending::Fault(fault) },
                Some(delivery) = deliveries.recv() => {
                    packets.spawn(Arc::clone(agent).handle(delivery));
                }
                end = &mut receiving => break Ending::NoMore(end),
            }
        }
    };
    while let Ok(delivery) = deliveries.try_recv() {
        delivery.lease.give_back(Duration::ZERO).await;
    }
    let asked_to_stop = matches!(end, Ending::Stopped);
    let fault = match end {
        Ending::NoMore(End::Failed(error)) => Some(AgentError::Receive(error)),
        Ending::Fault(fault) => Some(fault),
        quiet => {
            info!(packets = packets.len(), "{quiet}");
            None
        }
    };
    agent.stopping.cancel();
    let mut late = Ok(());
    if fault.is_none() {
        match timeout(GRACE, finish(&mut packets)).await {
            Ok(finished) => late = finished,
            Err(_) => warn!(packets = packets.len(), "Out of time; giving back"),
        }
    }
    agent.give_up.cancel();
    let late = late.and(finish(&mut packets).await);
    match (fault, late) {
        (Some(fault), _) => Err(fault),
        // the signal may have reached the engine as well: what it can't finish was given back, as is right at the end
        (None, Err(_)) if asked_to_stop => Ok(()),
        (None, late) => late,
    }
}

/// Why the loop was left.
enum Ending {
    NoMore(End),
    Stopped,
    Fault(AgentError),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoMore(End::Idle) => "The queue stayed empty",
            Self::NoMore(End::QueueGone) => "The queue is gone",
            Self::NoMore(End::Failed(_)) => "Receiving failed",
            Self::Stopped => "Asked to stop; finishing what can be finished",
            Self::Fault(_) => "The agent can't work",
        })
    }
}

/// Awaits the packets in hand; the first fault among them.
async fn finish(packets: &mut JoinSet<Result<(), AgentError>>) -> Result<(), AgentError> {
    let mut first = Ok(());
    while let Some(done) = packets.join_next().await {
        first = first.and(outcome(done));
    }
    first
}

fn outcome(done: Result<Result<(), AgentError>, tokio::task::JoinError>) -> Result<(), AgentError> {
    done.unwrap_or_else(|died| {
        // a fault of ours: the message comes back after its visibility time-out, and to the dead letters at last
        error!(%died, "A packet's task ended early");
        Ok(())
    })
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
    /// Nothing new is begun.
    stopping: CancellationToken,
    /// What is in hand is dropped and given back.
    give_up: CancellationToken,
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
    fn new(config: &Config, deps: &Deps, policies: PolicyBook) -> Self {
        let policies = Arc::new(policies);
        let store = Arc::clone(&deps.store);
        Self {
            inspector: Arc::new(Inspector::new(
                Arc::clone(&store),
                Arc::clone(&deps.scanner),
                Arc::clone(&policies),
                Spool::new(config.scratch_dir.clone(), config.fetch_bytes),
                Some(config.quarantine_bucket.clone()),
                config.scan_workers,
            )),
            policies,
            parts: Parts::new(Arc::clone(&store), config.results_bucket.clone()),
            promotions: deps.promotions.clone(),
            actions: Semaphore::new(ACTIONS),
            progress: ProgressBoard::new(Arc::clone(&store), config.results_bucket.clone(), &config.job_id),
            stopping: CancellationToken::new(),
            give_up: CancellationToken::new(),
            store,
        }
    }

    /// One packet from its receipt to the end of its message.
    async fn handle(self: Arc<Self>, delivery: Delivery) -> Result<(), AgentError> {
        let Delivery { packet, lease, receive_count, slot: _slot } = delivery;
        let span = info_span!("packet", job.id = %packet.job_id, packet.id = %packet.packet_id);
        async {
            let begun = Instant::now();
            let result = tokio::select! {
                biased;
                () = self.give_up.cancelled() => Err(PacketError::GivenUp),
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
                    (Duration::ZERO, Some(AgentError::Engine(EngineGone(why))))
                }
                PacketError::Record(error) if !error.retryable() => (Duration::ZERO, Some(AgentError::Record(error))),
                PacketError::Inspect(InspectError::Stopping) | PacketError::GivenUp => (Duration::ZERO, None),
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
                let rows = self.inspector.inspect_all(packet, &self.stopping).await?;
                let part = self.parts.record(packet, rows).await?;
                self.progress.count(&part.rows);
                part
            }
        };
        let confirm = Confirm {
            actor: Actor { store: self.store.as_ref(), promotions: self.promotions.as_ref() },
            policies: &self.policies,
            parts: &self.parts,
            actions: &self.actions,
            actions_at_once: ACTIONS,
            // what is left pending after the last one would stay so for ever
            last_delivery: receive_count >= DELIVERIES,
        };
        confirm.settle(packet, part).await?;
        Ok(())
    }
}
