//! The processes of a job's tasks on this machine.

use rustix::process::{Pid, Signal, kill_process};

/// Processes whose environment names the job and whose program's name contains `program`; none of another user or job.
pub fn of_job(job_id: &str, program: &str) -> Vec<Pid> {
    let wanted = format!("LAZARET_JOB_ID={job_id}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let named = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
            named && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains(program))
        })
        .filter_map(Pid::from_raw)
        .collect()
}

/// SIGKILL, as the kernel does when memory runs out.
///
/// # Errors
/// If the process has ended by itself.
pub fn kill(pid: Pid) -> anyhow::Result<()> {
    Ok(kill_process(pid, Signal::KILL)?)
}

/// SIGSTOP: the process stands still and its heartbeats stop.
///
/// # Errors
/// If the process has ended by itself.
pub fn freeze(pid: Pid) -> anyhow::Result<()> {
    Ok(kill_process(pid, Signal::STOP)?)
}

/// SIGCONT.
///
/// # Errors
/// If the process has ended by itself.
pub fn thaw(pid: Pid) -> anyhow::Result<()> {
    Ok(kill_process(pid, Signal::CONT)?)
}
