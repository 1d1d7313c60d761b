//! One host process, from its start to its end.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixDatagram;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;

use super::{EXIT_TIMEOUT, EngineConfig, StartError};
use crate::frame::{HostFrame, Ready};
use crate::socket;

/// A line of the host's log is cut here.
const MAX_LINE_BYTES: usize = 2_000;

pub(super) struct Host {
    child: Child,
    /// A `SOCK_SEQPACKET` socket, of which tokio only watches the readiness; it has no type of its own for these.
    socket: UnixDatagram,
    log: JoinHandle<()>,
    last_line: Arc<Mutex<String>>,
}

impl Host {
    pub(super) async fn start(config: &EngineConfig) -> Result<(Self, Ready), StartError> {
        let spawn_error = |source| StartError::Spawn { program: config.program.clone(), source };
        let mut host = Self::spawn(config).map_err(spawn_error)?;
        match timeout(Duration::from_secs(config.start_seconds), host.receive()).await {
            Ok(Ok(Some((HostFrame::Ready(ready), _)))) => Ok((host, ready)),
            Ok(Ok(Some((HostFrame::Reply(_), _)))) => {
                Err(StartError::Protocol("a reply before the greeting".to_owned()))
            }
            Ok(Ok(None)) => Err(StartError::Exited { message: host.end().await }),
            Ok(Err(error)) => Err(StartError::Protocol(error.to_string())),
            Err(_) => {
                host.kill().await;
                Err(StartError::Timeout { seconds: config.start_seconds })
            }
        }
    }

    fn spawn(config: &EngineConfig) -> io::Result<Self> {
        let (ours, theirs) = socket::pair()?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut child = Command::new(&config.program)
            .arg("--definitions")
            .arg(&config.definitions)
            .arg("--scratch")
            .arg(&config.scratch)
            .args(["--workers", &config.workers.to_string(), "--scan-seconds", &config.scan_seconds.to_string()])
            .args(["--limits", &config.limits.to_json(), "--allow-missing", &config.allow_missing.join(",")])
            .env_clear() // the agent's credentials are in its environment
            .current_dir("/")
            .process_group(0) // a Ctrl-C on a terminal is for the agent, which then drains
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let last_line = Arc::default();
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = tokio::spawn(follow(stderr, Arc::clone(&last_line)));
        let socket = UnixDatagram::from_std(ours.into())?;
        Ok(Self { child, socket, log, last_line })
    }

    /// The next frame, with the descriptor beside it; `None` once the host is gone. Safe to cancel.
    pub(super) async fn receive(&self) -> io::Result<Option<(HostFrame, Option<OwnedFd>)>> {
        let received = self.socket.async_io(Interest::READABLE, || socket::receive(&self.socket)).await?;
        let Some(received) = received else { return Ok(None) };
        HostFrame::decode(&received.frame).map(|frame| Some((frame, received.file))).map_err(io::Error::other)
    }

    pub(super) async fn send(&self, frame: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || socket::send(&self.socket, frame, Some(file))).await
    }

    /// Closes the connection, waits for the host to end, kills it if it does not; its last words.
    pub(super) async fn end(self) -> String {
        let Self { mut child, socket, log, last_line } = self;
        drop(socket);
        let ended = match timeout(EXIT_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let _ = child.kill().await; // fails only if it has just ended
                format!("killed after {} s", EXIT_TIMEOUT.as_secs())
            }
        };
        let _ = timeout(EXIT_TIMEOUT, log).await; // a worker that outlives the host by a moment holds no stderr
        let line = last_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if line.is_empty() { ended } else { line }
    }

    /// Ends the host at once.
    pub(super) async fn kill(&mut self) {
        let _ = self.child.kill().await; // fails only if it has just ended
    }
}

/// Logs what the host writes, line by line, and keeps the last one.
async fn follow(mut stderr: ChildStderr, last_line: Arc<Mutex<String>>) {
    let mut line = Vec::new();
    let mut chunk = [0_u8; 4_096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        for byte in &chunk[..read] {
            match byte {
                b'\n' => keep(&mut line, &last_line),
                byte if line.len() < MAX_LINE_BYTES => line.push(*byte),
                _ => {}
            }
        }
    }
    keep(&mut line, &last_line);
}

fn keep(line: &mut Vec<u8>, last_line: &Mutex<String>) {
    let text = String::from_utf8_lossy(line).trim().to_owned();
    line.clear();
    if !text.is_empty() {
        info!(engine.line = %text.escape_debug(), "Engine: {}", text.escape_debug());
        *last_line.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}
