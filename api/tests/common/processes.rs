//! What a process and those below it have, by `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process's children.
pub fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// The scanning processes below a server: the children of its engine's host.
pub fn scan_workers(server: u32) -> Vec<u32> {
    children(server).into_iter().flat_map(children).collect()
}

/// The most memory that a process ever had resident, in bytes: what is mapped. Files in memory that nobody maps are not in it.
pub fn most_resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("every process has one");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// A process and all below it.
fn family(process: u32) -> BTreeSet<u32> {
    let mut processes = BTreeSet::from([process]);
    let mut next = vec![process];
    while let Some(one) = next.pop() {
        next.extend(children(one).into_iter().filter(|child| processes.insert(*child)));
    }
    processes
}

/// The time that a process and those below it have had a processor, in seconds.
pub fn processor_seconds(process: u32) -> f64 {
    /// Linux tells user space so, whatever its own clock does.
    const TICKS_A_SECOND: f64 = 100.0;
    let of = |process: u32| {
        let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // the name, in parentheses, may have spaces; the times are the 12th and 13th after it
        let after_name = line.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let times = after_name.split(' ').skip(11).take(2).filter_map(|time| time.parse::<f64>().ok());
        times.sum::<f64>()
    };
    family(process).into_iter().map(of).sum::<f64>() / TICKS_A_SECOND
}

/// What the files without names take that a process or those below it have open, each counted once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    pub memory_bytes: u64,
    /// Below the directory that was asked about.
    pub disk_bytes: u64,
}

pub fn held(process: u32, scratch: &Path) -> Held {
    // by device and number: one file may be open in several
    let mut files: BTreeMap<(u64, u64), (bool, u64)> = BTreeMap::new();
    for process in family(process) {
        for entry in std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten() {
            let Ok(name) = std::fs::read_link(entry.path()) else { continue };
            let is_memory = name.to_string_lossy().starts_with("/memfd:object");
            let is_nameless = name.starts_with(scratch) && name.to_string_lossy().ends_with(" (deleted)");
            if (is_memory || is_nameless)
                && let Ok(file) = std::fs::metadata(entry.path())
            {
                files.insert((file.dev(), file.ino()), (is_memory, file.blocks() * 512));
            }
        }
    }
    files.into_values().fold(Held::default(), |mut held, (is_memory, bytes)| {
        *(if is_memory { &mut held.memory_bytes } else { &mut held.disk_bytes }) += bytes;
        held
    })
}
