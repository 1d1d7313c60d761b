//! A life: receive, work on several messages at once, and end well. The same for a job's packets and for events.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::error::AgentError;
use crate::lease::Lease;
use crate::receive::End;

/// Polls that are under way at the end may bring messages, which would be nobody's until their visibility ends: with a queue that
/// has some they answer within milliseconds. One that waits for the first message to come is given up.
const LAST_POLLS: Duration = Duration::from_secs(1);

/// What an agent held whose engine broke is nobody's for so long: it may be what broke it, and the next agent would hold it within
/// milliseconds, and the one after that.
const BROKEN: Duration = Duration::from_secs(10);

/// How an agent's end is told to what it does.
#[derive(Debug, Clone)]
pub struct Life {
    /// Nothing new is begun.
    pub stopping: CancellationToken,
    /// What is in hand is dropped and given back.
    pub give_up: CancellationToken,
    /// The agent ends because it is broken, and not because it was told to.
    broken: CancellationToken,
    grace: Duration,
}

impl Life {
    /// `grace` is for what is in hand once the agent is told to stop.
    pub fn new(grace: Duration) -> Self {
        Self {
            stopping: CancellationToken::new(),
            give_up: CancellationToken::new(),
            broken: CancellationToken::new(),
            grace,
        }
    }

    /// The engine is gone. One that goes once the agent was told to stop got the same signal.
    pub fn break_down(&self) {
        if !self.stopping.is_cancelled() {
            self.broken.cancel();
        }
    }

    /// For how long what is given back at the agent's end is nobody's.
    pub fn pause(&self) -> Duration {
        if self.broken.is_cancelled() { BROKEN } else { Duration::ZERO }
    }

    /// Handles what `receiving` sends to `deliveries`, until no more comes or `shutdown`; ends once nothing is in hand any more.
    ///
    /// # Errors
    /// If the agent can't work at all. What it held then was given back.
    pub async fn live<D: AsRef<Lease>, W>(
        &self,
        receiving: impl Future<Output = End>,
        mut deliveries: mpsc::Receiver<D>,
        handle: impl Fn(D) -> W,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AgentError>
    where
        W: Future<Output = Result<(), AgentError>> + Send + 'static,
    {
        let mut in_hand = JoinSet::new();
        // one future for all polls: a poll that is dropped halfway may take a message with it
        tokio::pin!(receiving, shutdown);
        let ending = loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break Ending::Stopped,
                Some(done) = in_hand.join_next() => if let Err(fault) = outcome(done) { break Ending::Fault(fault) },
                Some(delivery) = deliveries.recv() => {
                    in_hand.spawn(handle(delivery));
                }
                end = &mut receiving => break Ending::NoMore(end),
            }
        };
        let ended = Instant::now();
        self.stopping.cancel();
        if !matches!(ending, Ending::NoMore(_)) {
            let _ = timeout_at(ended + LAST_POLLS, receiving).await;
        }
        while let Ok(delivery) = deliveries.try_recv() {
            delivery.as_ref().give_back(self.pause()).await;
        }
        let asked_to_stop = matches!(ending, Ending::Stopped);
        let fault = match ending {
            Ending::NoMore(End::Failed(error)) => Some(AgentError::Receive(error)),
            Ending::Fault(fault) => Some(fault),
            quiet => {
                info!(in_hand = in_hand.len(), "{quiet}");
                None
            }
        };
        let mut late = Ok(());
        if fault.is_none() {
            match timeout_at(ended + self.grace, finish(&mut in_hand)).await {
                Ok(finished) => late = finished,
                Err(_) => warn!(in_hand = in_hand.len(), "Out of time; giving back"),
            }
        }
        self.give_up.cancel();
        let late = late.and(finish(&mut in_hand).await);
        match (fault, late) {
            (Some(fault), _) => Err(fault),
            // the signal may have reached the engine as well: what it can't finish was given back, as is right at the end
            (None, Err(_)) if asked_to_stop => Ok(()),
            (None, late) => late,
        }
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
            Self::Stopped | Self::NoMore(End::Stopped) => "Asked to stop; finishing what can be finished",
            Self::Fault(_) => "The agent can't work",
        })
    }
}

/// Awaits what is in hand; the first fault among it.
async fn finish(in_hand: &mut JoinSet<Result<(), AgentError>>) -> Result<(), AgentError> {
    let mut first = Ok(());
    while let Some(done) = in_hand.join_next().await {
        first = first.and(outcome(done));
    }
    first
}

fn outcome(done: Result<Result<(), AgentError>, tokio::task::JoinError>) -> Result<(), AgentError> {
    done.unwrap_or_else(|died| {
        // a fault of ours: the message comes back after its visibility time-out, and to the dead letters at last
        error!(%died, "The task of a message ended early");
        Ok(())
    })
}
