//! An engine with test definitions, and files to scan. Nothing malicious is ever written: EICAR exists in memory only.
#![allow(dead_code)] // each test file uses its own part

// The walker's tests make the same archives.
#[path = "../../../walker/tests/support/archives.rs"]
pub mod archives;

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{Engine, EngineConfig, ScanVerdict};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use zip::unstable::write::FileOptionsExt as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub const TEST_FILES: &str = "/usr/share/clamav-testfiles";

/// The user of the image.
pub const IMAGE_USER: u32 = 10_001;

/// Beyond any test's patience.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestEngine {
    pub engine: Engine,
    pub directory: TempDir,
}

impl TestEngine {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        write_definitions(&directory.path().join("definitions"));
        let mut config = config(directory.path());
        change(&mut config);
        let engine = Engine::start(config).await.expect("starts");
        Self { engine, directory }
    }

    pub async fn scan(&self, content: &[u8]) -> ScanVerdict {
        self.engine.scan(file(content).into(), content.len() as u64).await
    }

    pub fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    pub fn workers(&self) -> Vec<Pid> {
        children(self.engine.info().host_pid)
    }

    /// Waits until so many workers have unpacked something: they are in the middle of a scan.
    pub async fn scanning(&self, count: usize) {
        until("workers unpack", || {
            let workers = std::fs::read_dir(self.scratch()).expect("readable").flatten();
            workers.filter(|worker| is_filled(&worker.path())).count() >= count
        })
        .await;
    }
}

fn is_filled(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

pub fn config(directory: &Path) -> EngineConfig {
    EngineConfig {
        workers: 2,
        // three times what the longest takes beside a build on both cores
        scan_seconds: 150,
        ..EngineConfig::new(
            env!("CARGO_BIN_EXE_lazaret-engine"),
            directory.join("definitions"),
            directory.join("scratch"),
        )
    }
}

/// Makes the engine run as the image's user, with programs and directories that this user can reach. Only root can.
pub fn run_as_image_user(config: &mut EngineConfig) {
    let directory = config.definitions.parent().expect("within the test's directory").to_owned();
    let program = directory.join("engine");
    install(&config.program, &program); // the build directory may be closed to others
    let (source, script) = (directory.join("as-image-user.sh"), directory.join("as-image-user"));
    let text = format!(
        "#!/bin/sh\nexec setpriv --reuid {IMAGE_USER} --regid {IMAGE_USER} --clear-groups {} \"$@\"\n",
        program.display()
    );
    std::fs::write(&source, text).expect("written");
    install(&source, &script);
    chown(&directory, Some(IMAGE_USER), Some(IMAGE_USER)).expect("allowed to root");
    config.program = script;
}

/// Copies a program. Not in this process: a fork of another test would hold the copy open for writing, and it could not
/// be run ("text busy").
fn install(source: &Path, program: &Path) {
    let status = Command::new("install").arg("--mode=755").args([source, program]).status().expect("runs");
    assert!(status.success(), "{}", source.display());
}

pub fn write_definitions(directory: &Path) {
    let program = env!("CARGO_BIN_EXE_lazaret-test-definitions");
    let output = Command::new(program).arg(directory).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    write_zip(members, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub fn encrypted_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    write_zip(members, SimpleFileOptions::default().with_deprecated_encryption(b"secret").expect("a password"))
}

pub fn write_zip(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, options).expect("a member");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

/// A zip of 500 KB that unpacks to 4 GB and takes many seconds to scan.
pub fn slow_zip() -> Vec<u8> {
    let zeros = vec![0_u8; 4 << 20];
    let repeat = |content: &[u8]| {
        let names: Vec<String> = (0..32).map(|index| format!("{index}.zip")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), content)).collect();
        write_zip(&members, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
    };
    repeat(&repeat(&zip(&[("zeros", &zeros)])))
}

pub fn kill(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("the process is there");
}

pub fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).expect("not 0")
}

pub fn children(parent: u32) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("the parent runs");
    list.split_whitespace().map(|number| pid(number.parse().expect("a number"))).collect()
}

/// Whether the process is there, and not only its entry.
pub fn is_running(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
