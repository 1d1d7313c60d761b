//! An agent that waits for events: *receive, sort out, fetch, scan, decide, act, announce, delete the message*.
//!
//! * [`receive`]: messages of the event queue, several polls under way.
//! * [`message`]: one message, from its receipt to its end; [`object`]: one record of it.
//! * [`sort_out`]: what is not to be scanned; [`recent`]: what was done a moment ago; [`earlier`]: what an earlier delivery decided on an
//!   object that is gone since.
//! * [`pace`]: how fast promotions are started.
//! * [`announce`]: results for EventBridge, in batches ([`batch`]), and for SNS.
//!
//! Nothing is recorded before it is done: every step is safe to do twice, and what is left undone comes back as the message does.

pub mod announce;
pub mod batch;
pub mod earlier;
pub mod message;
pub mod object;
pub mod pace;
pub mod receive;
pub mod recent;
pub mod sort_out;

use std::sync::Arc;
use std::time::Duration;

use lazaret_actions::promotion::Promotions;
use lazaret_aws::ObjectStore;
use lazaret_aws::announce::{EventBus, Topic};
use tokio::sync::{Semaphore, mpsc};
use tracing::info;

use crate::act::ACTIONS;
use crate::config::{EventSettings, Settings};
use crate::error::AgentError;
use crate::inspect::Inspector;
use crate::life::Life;
use crate::policies::PolicyBook;
use crate::run::Deps;
use crate::tally::Tally;
use announce::Announcer;
use batch::Batches;
use earlier::Earlier;
use pace::Paced;
use receive::{PARKED, Receiver, messages_in_hand};
use recent::Recent;
use sort_out::SortOut;

/// Promotions that are started at once. A start takes some 50 ms and a write before it: this many come to more than an agent's [`pace`].
const STARTS: usize = 16;

/// The world outside.
#[derive(Clone)]
pub struct EventDeps {
    pub agent: Deps,
    pub topic: Arc<dyn Topic>,
    pub bus: Arc<dyn EventBus>,
}

/// Works on events until `shutdown`.
///
/// # Errors
/// If the agent can't work at all. What it held then was given back.
pub async fn serve(
    settings: Settings,
    events: EventSettings,
    deps: EventDeps,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let EventDeps { agent, topic, bus } = deps;
    let book = PolicyBook::open(Arc::clone(&agent.store), settings.results_bucket.clone()).await?;
    let policies = Arc::new(book);
    let (batches, waiting) = Batches::new(bus);
    let service = Arc::new(Service {
        inspector: agent.inspector(&settings, &policies),
        sort_out: SortOut::new(&settings, &events, Arc::clone(&policies)),
        recent: Recent::default(),
        earlier: Earlier::new(Arc::clone(&agent.store), settings.results_bucket.clone(), Arc::clone(&policies)),
        announcer: Announcer::new(topic, batches.clone(), &events.notifications_topic),
        tally: agent.tally,
        promotions: agent.promotions.map(paced),
        actions: Semaphore::new(ACTIONS),
        parking: Semaphore::new(PARKED),
        starts: Semaphore::new(STARTS),
        patience: settings.visibility,
        life: Life::new(settings.grace),
        policies,
        store: agent.store,
    });
    let in_hand = messages_in_hand(settings.scan_workers);
    let receiver = Receiver { queue: agent.queue, visibility: settings.visibility };
    let (inbox, deliveries) = mpsc::channel(in_hand);
    let receiving = receiver.receive(Arc::new(Semaphore::new(in_hand)), inbox, &service.life.stopping);
    let handle = |delivery| Arc::clone(&service).handle(delivery);
    let result = tokio::select! {
        result = service.life.live(receiving, deliveries, handle, shutdown) => result,
        never = service.policies.keep_fresh(settings.policies) => match never {},
        never = batches.keep_putting(waiting) => match never {},
    };
    info!("The agent ends");
    result
}

fn paced(promotions: Promotions) -> Promotions {
    Promotions { executions: Arc::new(Paced::new(promotions.executions)), ..promotions }
}

/// What the work on an event needs.
struct Service {
    store: Arc<dyn ObjectStore>,
    inspector: Arc<Inspector>,
    policies: Arc<PolicyBook>,
    sort_out: SortOut,
    recent: Recent,
    earlier: Earlier,
    announcer: Announcer,
    tally: Arc<Tally>,
    promotions: Option<Promotions>,
    actions: Semaphore,
    parking: Semaphore,
    starts: Semaphore,
    /// With Step Functions.
    patience: Duration,
    life: Life,
}
