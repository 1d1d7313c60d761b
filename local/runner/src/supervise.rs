//! The process around a container: it makes all of the container end together, and measures it.
//!
//! ```text
//! runner ─► supervise ─► exec ═► the program ─► whatever it starts
//!            (subreaper)  (becomes the program)
//! ```
//! * The program ends: everything it left behind is killed, as in a container whose first process ends.
//! * `SIGTERM` to the supervisor goes to the program alone, as Docker's stop; `SIGQUIT` kills all of the container.
//! * The runner dies, even by `SIGKILL`: the kernel sends the supervisor `SIGQUIT`.
//! * The supervisor dies, even by `SIGKILL`: the kernel sends the program `SIGKILL`.
//!
//! The parent-death signal survives `exec` and not `fork`, hence the second stage: without `unsafe` nothing can run
//! between fork and exec, so a copy of this program sets the signal and then becomes the container's.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

/// First argument of the supervisor; the pid of the runner and the program's argv follow.
pub const SUPERVISE: &str = "supervise";
/// First argument of the second stage; the pid of the supervisor and the program's argv follow.
pub const EXEC: &str = "exec";

/// What the supervisor tells the runner, a JSON line each on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Report {
    /// The program runs under this process id.
    Started(i32),
    /// The program and all that it started are gone.
    Ended(Ended),
}

/// How a container ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// As a shell and Docker tell it: the exit code, or 128 + the signal.
    pub exit_code: i64,
    /// Peak resident memory of the *largest* process of the container, not their sum: forked workers share pages.
    pub max_rss_kib: i64,
    /// CPU time of all processes, in user and in kernel mode.
    pub cpu_seconds: f64,
}

/// Starts the program of `arguments` and stays until all of it is gone.
///
/// # Errors
/// If this process can't be set up or the runner is gone already.
pub async fn supervise(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut kill = signal(SignalKind::quit())?;
    // Ctrl-C in the terminal of `local/up` reaches this group too; the runner decides when containers end.
    let _ignored = signal(SignalKind::interrupt())?;
    die_with_parent(Signal::QUIT, arguments.next())?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become the subreaper")?;

    let this_program = std::env::current_exe()?;
    let mut child = tokio::process::Command::new(this_program)
        .arg(EXEC)
        .arg(std::process::id().to_string())
        .args(arguments)
        .stdin(Stdio::null())
        // Standard output is the pipe to the runner; the program writes where standard error points: its log.
        .stdout(std::io::stderr())
        .process_group(0)
        .spawn()
        .context("start the second stage")?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the child has a process id")?;
    report(&Report::Started(pid.as_raw_nonzero().get()));

    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for the program")?,
            // A failure means that the program has just ended.
            _ = terminate.recv() => { let _ = kill_process(pid, Signal::TERM); }
            _ = kill.recv() => { let _ = kill_process_group(pid, Signal::KILL); }
        }
    };
    // Members of the group that a wait has not collected keep its id from being used again.
    let _ = kill_process_group(pid, Signal::KILL);
    kill_orphans();

    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    report(&Report::Ended(Ended {
        exit_code: exit_code(status),
        max_rss_kib: usage.max_rss(),
        cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
    }));
    Ok(ExitCode::SUCCESS)
}

/// Becomes the program, tied to the supervisor's life.
///
/// # Errors
/// Only returns if the program can't be started.
pub fn exec(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    die_with_parent(Signal::KILL, arguments.next())?;
    let program = arguments.next().context("no program given")?;
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("lazaret-local-runner: {}: {error}", program.display());
    Ok(ExitCode::from(127)) // as a shell: command not found
}

fn die_with_parent(by: Signal, parent: Option<OsString>) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(by)).context("set the parent-death signal")?;
    // The parent may have died before the line above; then nobody will ever send the signal.
    let expected = parent.context("no parent given")?;
    let actual = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    anyhow::ensure!(actual.as_deref() == expected.to_str(), "the parent process is gone");
    Ok(())
}

/// Kills and collects whatever the program left in other process groups: as their subreaper this process is their
/// parent now. Each round kills the present children; it ends when there are none.
fn kill_orphans() {
    loop {
        for orphan in children() {
            let _ = kill_process(orphan, Signal::KILL);
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(_no_children) => return,
        }
    }
}

/// The children of this process, from procfs. There is one thread that starts processes here: the main one.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok().and_then(Pid::from_raw))
        .collect()
}

fn exit_code(status: ExitStatus) -> i64 {
    status.code().map_or_else(|| 128 + i64::from(status.signal().unwrap_or_default()), i64::from)
}

fn report(report: &Report) {
    let line = serde_json::to_string(report).expect("a report is plain data");
    // The runner may be gone; then this process is about to be, too.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
