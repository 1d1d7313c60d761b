//! `lazaret`, run as a person runs it.

use std::process::Stdio;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What a run of `lazaret` ended with.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Its standard output, which must be one JSON document.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {}\n{}", self.stdout, self.stderr))
    }
}

/// Runs `lazaret` to its end.
///
/// # Errors
/// If it can't be started; its own failures are in [`Run::code`].
pub async fn lazaret(arguments: &[&str]) -> anyhow::Result<Run> {
    lazaret_told(arguments, "").await
}

/// As [`lazaret`], with something to read from its standard input.
///
/// # Errors
/// As [`lazaret`]'s.
pub async fn lazaret_told(arguments: &[&str], input: &str) -> anyhow::Result<Run> {
    let mut child = Command::new("lazaret")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("`lazaret` is not on the PATH: `. .local/env`")?;
    // it may have ended without reading it
    let _ = child.stdin.take().context("a standard input")?.write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await?;
    Ok(Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Starts a job over `buckets` and returns its id without waiting for it.
///
/// # Errors
/// If `lazaret` refuses.
pub async fn start_job(buckets: &[&str], more: &[&str]) -> anyhow::Result<String> {
    let run = lazaret(&with_buckets(&["job", "start", "--json"], buckets, more)).await?;
    ensure!(run.code == 0, "`lazaret job start` ended with {}: {}", run.code, run.stderr);
    Ok(run.json()?["jobId"].as_str().context("a jobId")?.to_owned())
}

/// Runs a job over `buckets` to its end.
///
/// # Errors
/// If `lazaret` can't be started.
pub async fn run_job(buckets: &[&str], more: &[&str]) -> anyhow::Result<Run> {
    lazaret(&with_buckets(&["job", "start", "--wait", "--json"], buckets, more)).await
}

/// The report of a job, with every row.
///
/// # Errors
/// If there is none.
pub async fn whole_report(job_id: &str) -> anyhow::Result<Value> {
    let run = lazaret(&["report", job_id, "--json", "--all"]).await?;
    ensure!(run.code == 0 || run.code == 1, "`lazaret report` ended with {}: {}", run.code, run.stderr);
    run.json()
}

fn with_buckets<'a>(command: &[&'a str], buckets: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = command.to_vec();
    for bucket in buckets {
        arguments.extend(["--bucket", bucket]);
    }
    arguments.extend(more);
    arguments
}
