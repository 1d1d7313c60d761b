//! The program with rules of a test, and files to scan. Nothing malicious is ever written: EICAR exists in memory only.
#![allow(dead_code)] // each test file uses its own part

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{
    Content, Detection, Engine, EngineConfig, Examined, Order, ScanVerdict, StartError, bundle,
};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Pid;
use tempfile::TempDir;

/// Beyond any test's patience.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestEngine {
    pub engine: Engine,
    pub directory: TempDir,
}

impl TestEngine {
    /// Two workers with these rules, all in `owner.yar`.
    pub async fn start(rules: &str) -> Self {
        Self::with(rules, |_| {}).await
    }

    pub async fn with(rules: &str, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let directory = rules_directory(&[("owner.yar", rules)]);
        let mut config = config(directory.path());
        change(&mut config);
        let engine = Engine::start(config).await.expect("starts");
        Self { engine, directory }
    }

    pub async fn scan(&self, content: &[u8]) -> Examined {
        self.examine(content, Content::File).await
    }

    pub async fn scan_bundle(&self, members: &[(&str, &[u8])]) -> Examined {
        self.examine(&bundle(members), Content::Bundle).await
    }

    pub async fn examine(&self, bytes: &[u8], content: Content) -> Examined {
        let order = Order { file: file(bytes).into(), size: bytes.len() as u64, content, members: false };
        self.engine.examine(order).await
    }

    pub fn workers(&self) -> Vec<Pid> {
        children(self.engine.info().host_pid)
    }
}

/// Why the program does not start with these rules.
pub async fn refused(files: &[(&str, &str)]) -> String {
    let directory = rules_directory(files);
    match Engine::start(config(directory.path())).await.expect_err("no rules to scan with") {
        StartError::Exited { message } => message,
        error => panic!("{error}"),
    }
}

fn rules_directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let rules = directory.path().join("rules");
    fs::create_dir(&rules).expect("made");
    for (name, text) in files {
        fs::write(rules.join(name), text).expect("written");
    }
    directory
}

fn config(directory: &Path) -> EngineConfig {
    EngineConfig {
        workers: 2,
        scan_seconds: 50,
        ..EngineConfig::new(env!("CARGO_BIN_EXE_lazaret-yara"), directory.join("rules"), directory.join("scratch"))
    }
}

/// A finding of a rule in `owner.yar`.
pub fn finding(member: &str, rule: &str) -> Detection {
    Detection { member: member.to_owned(), threat: format!("YARA.owner.{rule}"), engine: "yara".to_owned() }
}

pub fn infected(detections: impl IntoIterator<Item = Detection>) -> ScanVerdict {
    ScanVerdict::Infected { detections: detections.into_iter().collect(), omitted: 0 }
}

/// Put together here, so that no file and no program of this project is one.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

pub fn file(content: &[u8]) -> File {
    let mut file = File::from(memfd_create("object", MemfdFlags::CLOEXEC).expect("a memory file"));
    file.write_all(content).expect("written");
    file
}

pub fn bundle(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = bundle::MAGIC.to_vec();
    for (path, content) in members {
        bytes.extend(bundle::header(path, content.len() as u64));
        bytes.extend(*content);
    }
    bytes
}

pub fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).expect("not 0")
}

pub fn children(parent: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("the parent runs");
    list.split_whitespace().map(|number| pid(number.parse().expect("a number"))).collect()
}

/// A line of `/proc/<pid>/status`, without its name.
pub fn status(pid: Pid, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.expect("the kernel says so").trim().to_owned()
}

/// Processor time that the process has used, in ticks.
pub fn ticks(pid: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
