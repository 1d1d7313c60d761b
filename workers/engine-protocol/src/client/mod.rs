//! Starts an engine and speaks to it.
//!
//! [`Engine`] is the handle that scans are asked of; `supervise` owns the connection, pairs replies with requests and
//! restarts a host that died; `host` is one host process, from its start to its end.

mod host;
mod supervise;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::frame::{Content, Members, Ready};
use crate::limits::Limits;
use crate::verdict::{Detection, FailureReason, ScanVerdict};
use host::Host;
use supervise::{Phase, Scan, Supervisor};

/// How to start an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The engine's program, `lazaret-engine`.
    pub program: PathBuf,
    /// The directory with the definitions.
    pub definitions: PathBuf,
    /// A directory that only this engine uses; made if missing, emptied at the start and at the end.
    pub scratch: PathBuf,
    /// Scans that run at the same time.
    pub workers: usize,
    pub limits: Limits,
    /// Steps of the jail, by name, to do without if the kernel lacks them. Empty: a missing one is an error at the start.
    pub allow_missing: Vec<String>,
    /// A scan that takes longer is killed: `engine timeout`.
    pub scan_seconds: u64,
    /// How long the definitions may take to load. All of ClamAV's take 15 s on a quiet machine.
    pub start_seconds: u64,
    /// How often in a row a host that dies, or does not start, is replaced before the engine gives up. A reply ends the row.
    pub restarts: u32,
}

impl EngineConfig {
    /// One worker, two minutes a scan, five minutes to load, five restarts.
    pub fn new(program: impl Into<PathBuf>, definitions: impl Into<PathBuf>, scratch: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            definitions: definitions.into(),
            scratch: scratch.into(),
            workers: 1,
            limits: Limits::default(),
            allow_missing: Vec::new(),
            scan_seconds: 120,
            start_seconds: 300,
            restarts: 5,
        }
    }
}

/// What is to be scanned.
#[derive(Debug)]
pub struct Order {
    pub file: OwnedFd,
    /// Bytes of the file.
    pub size: u64,
    pub content: Content,
    /// Whether to bring the members that were seen.
    pub members: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Examined {
    pub verdict: ScanVerdict,
    pub notes: Vec<Detection>,
    /// A [`crate::bundle`] for another engine, if it was asked for and there are members. Hostile: never to be read here.
    pub members: Option<(OwnedFd, Members)>,
}

impl From<ScanVerdict> for Examined {
    fn from(verdict: ScanVerdict) -> Self {
        Self { verdict, notes: Vec::new(), members: None }
    }
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start the engine `{}`", program.display())]
    Spawn {
        program: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The host ended before it was ready; `message` is the last line it wrote.
    #[error("the engine ended at its start: {message}")]
    Exited { message: String },
    #[error("the engine was not ready after {seconds} seconds")]
    Timeout { seconds: u64 },
    #[error("the engine does not speak this protocol: {0}")]
    Protocol(String),
}

/// A running engine. Clones share it; the host process ends with the last one.
#[derive(Debug, Clone)]
pub struct Engine {
    scans: mpsc::Sender<Scan>,
    info: watch::Receiver<Ready>,
    phase: watch::Receiver<Phase>,
    closing: watch::Sender<bool>,
}

impl Engine {
    /// Starts the host process and waits until it has loaded its definitions.
    ///
    /// The host gets a clean environment and its end of the socket, nothing else of this process.
    ///
    /// # Errors
    /// If the program cannot be run, ends (missing or empty definitions among the causes), or is not ready in time.
    pub async fn start(config: EngineConfig) -> Result<Self, StartError> {
        let (host, ready) = Host::start(&config).await?;
        let (scans, queued) = mpsc::channel(1);
        let (info_sender, info) = watch::channel(ready);
        let (phase_sender, phase) = watch::channel(Phase::Running);
        let (closing, closed) = watch::channel(false);
        let supervisor = Supervisor { config, scans: queued, info: info_sender, phase: phase_sender, closing: closed };
        tokio::spawn(supervisor.run(host));
        Ok(Self { scans, info, phase, closing })
    }

    /// What the host said when it became ready; the newest host, if it was restarted.
    pub fn info(&self) -> Ready {
        self.info.borrow().clone()
    }

    /// Scans the whole file, whatever the descriptor's offset. Callable from many tasks at once: what the workers cannot
    /// take yet waits here, without a limit on the time. The file must not be changed meanwhile.
    ///
    /// Always answers; whatever goes wrong is a `Failed`. If [`Engine::broken`] then says so, the verdict is about the
    /// engine, not about the file.
    pub async fn scan(&self, file: OwnedFd, size: u64) -> ScanVerdict {
        self.examine(Order { file, size, content: Content::File, members: false }).await.verdict
    }

    /// As [`Engine::scan`], with all that can be asked for and all that is answered.
    pub async fn examine(&self, order: Order) -> Examined {
        let (reply, answer) = oneshot::channel();
        if self.scans.send(Scan { order, reply }).await.is_ok()
            && let Ok(examined) = answer.await
        {
            return examined;
        }
        let why = self.broken().unwrap_or_else(|| "the engine was shut down".to_owned());
        ScanVerdict::failed(FailureReason::EngineFailed, why).into()
    }

    /// Why the engine gave up for good, if it did: every further scan is a `Failed`. An agent should end itself.
    pub fn broken(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Broken(why) => Some(why.clone()),
            Phase::Running | Phase::Stopped => None,
        }
    }

    /// Waits for the scans that run, ends the host, and returns when it is gone. Scans that still queue are `Failed`.
    pub async fn shutdown(&self) {
        self.closing.send_replace(true);
        // An error means that the supervisor is gone, and the host with it.
        let _ = self.phase.clone().wait_for(|phase| !matches!(phase, Phase::Running)).await;
    }
}

/// How long a host may take to end once its socket is closed, before it is killed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
