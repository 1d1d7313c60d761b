//! What each finished container used: one JSON line each, for the benchmarks.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

/// One line of `usage.jsonl`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage<'a> {
    /// The container's name.
    pub name: &'a str,
    /// The image as the task definition names it.
    pub image: &'a str,
    /// 128 + the signal for a container that was killed.
    pub exit_code: i64,
    /// From start to end.
    pub seconds: f64,
    /// CPU time of all its processes.
    pub cpu_seconds: f64,
    /// Peak of its largest process; absent if the supervisor itself was killed.
    pub max_rss_kib: Option<i64>,
}

/// Appends `usage` in one write, so that lines of two containers never mix.
pub fn append(file: &Path, usage: &Usage<'_>) {
    let mut line = serde_json::to_vec(usage).expect("usage is plain data");
    line.push(b'\n');
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| file.write_all(&line));
    if let Err(error) = written {
        tracing::warn!(%error, "Could not note what container `{}` used", usage.name);
    }
}
