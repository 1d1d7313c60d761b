//! One container: a process, its log, its scratch directory and its address.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::config::Config;
use crate::images::Image;
use crate::supervise::{Ended, Report, SUPERVISE};
use crate::usage::{self, Usage};

/// Exit code of a container whose supervisor was itself killed: as of one killed by `SIGKILL`.
const KILLED: i64 = 128 + 9;

/// The part of Docker's create request that has a meaning here; networks, mounts, capabilities and limits have none.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Spec {
    /// As the task definition names it, with its tag.
    pub image: String,
    /// `NAME=value` each.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// Appended to the image's argv.
    #[serde(default)]
    pub cmd: Option<Vec<String>>,
    /// Found again by `GET /containers/json?filters=`.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Where a container is in its life.
#[derive(Debug, Clone)]
pub enum State {
    /// Not started yet.
    Created,
    /// `pid` is the program itself, not its supervisor.
    Running {
        /// Process id of the program.
        pid: i32,
        /// When it was started.
        started: Timestamp,
    },
    /// All of its processes are gone.
    Exited {
        /// The program's, or 128 + the signal.
        exit_code: i64,
        /// When it was started.
        started: Timestamp,
        /// When the last process was gone.
        finished: Timestamp,
    },
}

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Docker answers this with 304.
    #[error("the container is started already")]
    AlreadyStarted,
    /// A file or a process could not be made.
    #[error("start the container: {0}")]
    Io(#[from] std::io::Error),
    /// The supervisor ended before the program ran; its words are in the log.
    #[error("the supervisor did not start the program")]
    Supervisor,
}

/// One container, shared by the requests that concern it.
#[derive(Debug)]
pub struct Container {
    /// 64 hexadecimal digits, as Docker's.
    pub id: String,
    /// Unique among the containers that are not removed.
    pub name: String,
    /// What was asked for.
    pub spec: Spec,
    /// Its own, so that two replicas can listen on the same port.
    pub address: Ipv4Addr,
    /// When it was created.
    pub created: Timestamp,
    /// Standard output and error.
    pub log: PathBuf,
    work: PathBuf,
    pid_file: PathBuf,
    usage_file: PathBuf,
    image: Image,
    asked_to_start: AtomicBool,
    supervisor: OnceLock<Pid>,
    state: watch::Sender<State>,
}

impl Container {
    pub(crate) fn new(config: &Config, id: String, name: String, spec: Spec, image: Image, address: Ipv4Addr) -> Self {
        Self {
            log: config.logs().join(format!("{name}.log")),
            work: config.work().join(&name),
            pid_file: config.running().join(format!("{name}.pid")),
            usage_file: config.usage(),
            created: Timestamp::now(),
            asked_to_start: AtomicBool::new(false),
            supervisor: OnceLock::new(),
            state: watch::Sender::new(State::Created),
            id,
            name,
            spec,
            image,
            address,
        }
    }

    /// Where it is in its life now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Runs the program; returns when it has a process id.
    ///
    /// # Errors
    /// See [`StartError`]. A program that does not exist is no error here: its container exits with 127.
    pub async fn start(self: &Arc<Self>) -> Result<(), StartError> {
        if self.asked_to_start.swap(true, Ordering::Relaxed) {
            return Err(StartError::AlreadyStarted);
        }
        let started = Timestamp::now();
        match self.spawn().await {
            Ok((child, reports, pid)) => {
                self.state.send_replace(State::Running { pid, started });
                write_or_warn(&self.pid_file, format!("{pid}\n"));
                tracing::info!(container.name = %self.name, pid, "Started container `{}`", self.name);
                tokio::spawn(Arc::clone(self).watch(child, reports, started));
                Ok(())
            }
            Err(error) => {
                self.finish(started, None);
                Err(error)
            }
        }
    }

    async fn spawn(&self) -> Result<(Child, Lines<BufReader<ChildStdout>>, i32), StartError> {
        std::fs::create_dir_all(&self.work)?;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SUPERVISE)
            .arg(std::process::id().to_string())
            .args(&self.image.argv)
            .args(self.spec.cmd.iter().flatten())
            .env_clear()
            .envs(self.environment())
            .current_dir(&self.work)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        if let Some(supervisor) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // Set once: a container is started once.
            let _ = self.supervisor.set(supervisor);
        }
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut reports = BufReader::new(stdout).lines();
        match next_report(&mut reports).await {
            Some(Report::Started(pid)) => Ok((child, reports, pid)),
            _ => {
                let _ = child.wait().await;
                Err(StartError::Supervisor)
            }
        }
    }

    async fn watch(self: Arc<Self>, mut child: Child, mut reports: Lines<BufReader<ChildStdout>>, started: Timestamp) {
        let ended = match next_report(&mut reports).await {
            Some(Report::Ended(ended)) => Some(ended),
            _ => None,
        };
        let _ = child.wait().await;
        self.finish(started, ended);
    }

    fn finish(&self, started: Timestamp, ended: Option<Ended>) {
        let finished = Timestamp::now();
        let exit_code = ended.as_ref().map_or(KILLED, |ended| ended.exit_code);
        let seconds = finished.duration_since(started).as_secs_f64();
        // Neither file is needed any more; both may never have been made.
        let _ = std::fs::remove_file(&self.pid_file);
        let _ = std::fs::remove_dir_all(&self.work);
        usage::append(
            &self.usage_file,
            &Usage {
                name: &self.name,
                image: &self.spec.image,
                exit_code,
                seconds,
                cpu_seconds: ended.as_ref().map_or(0.0, |ended| ended.cpu_seconds),
                max_rss_kib: ended.as_ref().map(|ended| ended.max_rss_kib),
            },
        );
        tracing::info!(container.name = %self.name, exit_code, seconds, "Container `{}` ended", self.name);
        self.state.send_replace(State::Exited { exit_code, started, finished });
    }

    /// The container's variables. Nothing of the runner's own environment reaches it but PATH.
    fn environment(&self) -> BTreeMap<String, String> {
        let work = self.work.display().to_string();
        let mut variables = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned())),
            ("HOSTNAME".to_owned(), self.id.chars().take(12).collect()),
            ("HOME".to_owned(), work.clone()),
            ("TMPDIR".to_owned(), work.clone()),
            ("LAZARET_LOCAL_ADDRESS".to_owned(), self.address.to_string()),
        ]);
        for pair in self.spec.env.iter().flatten() {
            // A name without `=` asks Docker for its own variable of that name; this runner passes none on.
            if let Some((name, value)) = pair.split_once('=') {
                variables.insert(name.to_owned(), value.replace("host.docker.internal", "127.0.0.1"));
            }
        }
        for (name, value) in &self.image.env {
            let value = value.replace("{work}", &work).replace("{address}", &self.address.to_string());
            variables.insert(name.clone(), value);
        }
        variables
    }

    /// Waits for the end and returns the exit code. A container that never starts is waited for, as Docker does.
    pub async fn wait(&self) -> i64 {
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| matches!(state, State::Exited { .. })).await;
        match state.as_deref() {
            Ok(State::Exited { exit_code, .. }) => *exit_code,
            _ => KILLED,
        }
    }

    /// `SIGTERM`, and `SIGKILL` to all of it if it is still there after `patience`. Returns when it is gone.
    pub async fn stop(&self, patience: Duration) {
        if self.signal(Signal::TERM) && tokio::time::timeout(patience, self.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// `SIGKILL` to all of it. Returns when it is gone.
    pub async fn kill(&self) {
        if self.signal(Signal::QUIT) {
            self.wait().await;
        }
    }

    /// `SIGTERM` to the program alone.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// False if it does not run. The supervisor passes `TERM` on and takes `QUIT` as *kill everything*; its process id
    /// can't be another's yet, since the state is `Running` until it was waited for.
    fn signal(&self, signal: Signal) -> bool {
        let running = matches!(*self.state.borrow(), State::Running { .. });
        match self.supervisor.get() {
            Some(supervisor) if running => kill_process(*supervisor, signal).is_ok(),
            _ => false,
        }
    }
}

async fn next_report(reports: &mut Lines<BufReader<ChildStdout>>) -> Option<Report> {
    let line = reports.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

fn write_or_warn(path: &std::path::Path, text: String) {
    if let Err(error) = std::fs::write(path, text) {
        tracing::warn!(%error, "Could not write {}", path.display());
    }
}
