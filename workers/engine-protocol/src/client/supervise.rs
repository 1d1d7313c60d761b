//! Owns the connection: pairs replies with requests, and replaces a host that died.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use super::host::Host;
use super::{EngineConfig, Examined, Order};
use crate::frame::{HostFrame, Ready, ScanRequest};
use crate::verdict::{FailureReason, ScanVerdict};

/// Beyond the scan's own limit: how late a host may answer before it counts as hung.
const GRACE: Duration = Duration::from_secs(30);

/// The first wait before a host that did not start is started again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A scan that was asked for.
pub(super) struct Scan {
    pub(super) order: Order,
    pub(super) reply: oneshot::Sender<Examined>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Running,
    Stopped,
    /// The host died too often; the text says how.
    Broken(String),
}

/// A scan that the host has.
struct Outstanding {
    reply: oneshot::Sender<Examined>,
    due: Instant,
}

enum End {
    Closed,
    Died(String),
}

pub(super) struct Supervisor {
    pub(super) config: EngineConfig,
    pub(super) scans: mpsc::Receiver<Scan>,
    pub(super) info: watch::Sender<Ready>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) closing: watch::Receiver<bool>,
}

impl Supervisor {
    pub(super) async fn run(mut self, mut host: Host) {
        let mut failures = 0;
        loop {
            match self.serve(&host, &mut failures).await {
                End::Closed => {
                    host.end().await;
                    self.phase.send_replace(Phase::Stopped);
                    return;
                }
                End::Died(why) => {
                    host.kill().await;
                    let last_line = host.end().await;
                    warn!("The engine's host died: {why}: {}", last_line.escape_debug());
                    match self.restart(&mut failures, why).await {
                        Ok(Some(next)) => host = next,
                        Ok(None) => {
                            self.phase.send_replace(Phase::Stopped);
                            return;
                        }
                        Err(why) => {
                            error!("The engine gives up: {}", why.escape_debug());
                            self.phase.send_replace(Phase::Broken(why));
                            return; // drops the queue: whoever waits in it is answered by `Engine::scan`
                        }
                    }
                }
            }
        }
    }

    /// Serves until it is told to close and nothing is outstanding, or until the host dies.
    async fn serve(&mut self, host: &Host, failures: &mut u32) -> End {
        // Two for each worker: one that it scans, one that waits in the host, so that no worker waits for this process.
        let window = self.config.workers.max(1) * 2;
        let mut outstanding: BTreeMap<u64, Outstanding> = BTreeMap::new();
        let mut next_id = 0;
        let mut closing = false;
        let why = loop {
            if closing && outstanding.is_empty() {
                return End::Closed;
            }
            let due = outstanding.values().next().map(|first| first.due);
            tokio::select! {
                biased;
                frame = host.receive() => match frame {
                    Ok(Some((HostFrame::Reply(reply), file))) => match outstanding.remove(&reply.id) {
                        Some(asked) => {
                            *failures = 0;
                            let members = file.zip(reply.members);
                            let _ = asked.reply.send(Examined { verdict: reply.verdict, notes: reply.notes, members }); // who asked may have gone
                        }
                        None => break format!("a reply to request {}, which is not open", reply.id),
                    },
                    Ok(Some((HostFrame::Ready(_), _))) => break "a second greeting".to_owned(),
                    Ok(None) => break "it closed the connection".to_owned(),
                    Err(error) => break error.to_string(),
                },
                () = closed(&mut self.closing), if !closing => closing = true,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    break "it does not answer".to_owned();
                }
                scan = self.scans.recv(), if !closing && outstanding.len() < window => {
                    let Some(Scan { order: Order { file, size, content, members }, reply }) = scan else {
                        closing = true;
                        continue;
                    };
                    let id = next_id;
                    next_id += 1;
                    outstanding.insert(id, Outstanding { reply, due: Instant::now() + self.patience() });
                    // A host that runs reads at once; only a hung one lets the socket fill up.
                    match timeout(GRACE, host.send(&ScanRequest { id, size, content, members }.encode(), file.as_fd())).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => break error.to_string(),
                        Err(_) => break "it takes no requests".to_owned(),
                    }
                }
            }
        };
        for asked in outstanding.into_values() {
            let verdict = ScanVerdict::failed(FailureReason::EngineCrashed, format!("the engine's host died: {why}"));
            let _ = asked.reply.send(verdict.into()); // who asked may have gone
        }
        End::Died(why)
    }

    /// How long an answer may take: a scan before it on the same worker, its own, and some grace.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.scan_seconds.saturating_mul(2)).saturating_add(GRACE)
    }

    /// A new host; `None` if closed meanwhile.
    async fn restart(&mut self, failures: &mut u32, mut why: String) -> Result<Option<Host>, String> {
        let mut pause = FIRST_PAUSE;
        loop {
            if *failures >= self.config.restarts {
                return Err(format!("the engine's host died {} times in a row: {why}", *failures + 1));
            }
            *failures += 1;
            let attempt = async {
                sleep(pause).await;
                Host::start(&self.config).await
            };
            let started = tokio::select! {
                started = attempt => started,
                () = closed(&mut self.closing) => return Ok(None),
            };
            match started {
                Ok((host, ready)) => {
                    info!(engine.restarts = *failures, "Started the engine's host again");
                    self.info.send_replace(ready);
                    return Ok(Some(host));
                }
                Err(error) => {
                    warn!("The engine's host did not start again: {}", error.to_string().escape_debug());
                    why = error.to_string();
                    pause = pause.saturating_mul(2);
                }
            }
        }
    }
}

/// Returns once the engine is told to shut down, or its last handle is gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}
