//! The processes of a job's tasks on this machine, and what they used.

use std::collections::BTreeMap;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// Processes whose environment names the job and whose program's name contains `program`; none of another user or job.
pub fn of_job(job_id: &str, program: &str) -> Vec<Pid> {
    with_variable("LAZARET_JOB_ID", job_id, program)
}

/// Processes that have this variable in their environment and whose program's name contains `program`.
pub fn with_variable(name: &str, value: &str, program: &str) -> Vec<Pid> {
    let wanted = format!("{name}={value}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let named = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
            named
                && std::fs::read_link(format!("/proc/{pid}/exe"))
                    .is_ok_and(|exe| exe.to_string_lossy().contains(program))
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

/// The processes that `parent` started itself and whose program's name contains `program`.
pub fn children(parent: Pid, program: &str) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut found = Vec::new();
    for pid in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        let exe = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero()));
        if exe.is_ok_and(|exe| exe.to_string_lossy().contains(program)) {
            found.push(pid);
        }
    }
    found
}

/// What the process runner noted of finished containers, from `since` on (see [`usage_bytes`]): the peak memory of the largest
/// process of each image, in bytes.
///
/// # Errors
/// If the local cloud was not started by `make local-up`, or its notes can't be read.
pub fn peak_memory(since: usize) -> anyhow::Result<BTreeMap<String, u64>> {
    let notes = std::fs::read_to_string(usage_file()?)?;
    let mut peaks = BTreeMap::new();
    for line in notes[since..].lines() {
        let usage: serde_json::Value = serde_json::from_str(line)?;
        let image = usage["image"].as_str().context("an image")?.to_owned();
        let bytes = usage["maxRssKib"].as_u64().unwrap_or_default() * 1024;
        let peak = peaks.entry(image).or_default();
        *peak = bytes.max(*peak);
    }
    Ok(peaks)
}

/// How much the process runner has noted so far, in bytes.
///
/// # Errors
/// As [`peak_memory`].
pub fn usage_bytes() -> anyhow::Result<usize> {
    Ok(std::fs::read(usage_file()?).map_or(0, |notes| notes.len()))
}

fn usage_file() -> anyhow::Result<String> {
    std::env::var("LAZARET_LOCAL_USAGE")
        .context("LAZARET_LOCAL_USAGE is not set: run `make local-up`, then `. .local/env`")
}
