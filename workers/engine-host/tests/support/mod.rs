//! Programs that misbehave, and where to let them.
#![allow(dead_code)] // each test file uses its own part

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{Content, HostFrame, Limits, Ready, ScanReply, ScanRequest, ScanVerdict, socket};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use rustix::thread::{CapabilitySet, capabilities};
use tempfile::TempDir;

/// The user of the image.
pub const IMAGE_USER: u32 = 10_001;

/// Beyond any test's patience.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether root may mount, trace other processes, make devices and dump cores here.
pub fn has_roots_power() -> bool {
    let power = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::MKNOD | CapabilitySet::SYS_CHROOT;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(power)) && getrlimit(Resource::Core).maximum != Some(0)
}

/// A directory of one test, that goes with it.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn scratch(&self) -> PathBuf {
        self.0.path().join("scratch")
    }

    pub fn command(&self, attempt: &str, steps: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret-jailbreak"));
        command.arg(self.scratch()).args([attempt, steps]).env_clear();
        command
    }

    pub fn jailbreak(&self, attempt: &str, steps: &str) -> String {
        outcome(&mut self.command(attempt, steps))
    }

    /// As the image's user if this test may become that one, else as itself.
    pub fn jailbreak_as_image_user(&self, attempt: &str, steps: &str) -> String {
        if !is_root() {
            return self.jailbreak(attempt, steps);
        }
        let program = self.0.path().join("jailbreak");
        if !program.exists() {
            // The build directory may be closed to others. Not copied in this process: a fork of another test would hold
            // the copy open for writing, and it could not be run ("text busy").
            let source = Path::new(env!("CARGO_BIN_EXE_lazaret-jailbreak"));
            let status = Command::new("install").arg("--mode=755").args([source, &program]).status().expect("runs");
            assert!(status.success());
            chown(self.0.path(), Some(IMAGE_USER), Some(IMAGE_USER)).expect("allowed to root");
        }
        let user = IMAGE_USER.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program);
        outcome(command.arg(self.scratch()).args([attempt, steps]))
    }
}

/// What a jailbreak printed, or the error that it ended with.
pub fn outcome(command: &mut Command) -> String {
    let output = command.output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { text(&output.stdout) } else { format!("failed: {}", text(&output.stderr)) }
}

/// An engine that does what its files say, and its agent's end of the socket.
pub struct EvilEngine {
    host: Child,
    socket: OwnedFd,
    pub ready: Ready,
    next_id: u64,
}

impl EvilEngine {
    pub fn start(place: &Place) -> Self {
        Self::with(place, |_| {}, &[])
    }

    /// With another command line; the error is what the host wrote.
    pub fn with(place: &Place, change: impl FnOnce(&mut Limits), more: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_lazaret-evil-engine");
        Self::run(Command::new(program), place, change, more).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn on_old_kernel(place: &Place, without: &str, more: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret-old-kernel"));
        command.args([without, env!("CARGO_BIN_EXE_lazaret-evil-engine")]);
        Self::run(command, place, |_| {}, more)
    }

    fn run(
        mut command: Command,
        place: &Place,
        change: impl FnOnce(&mut Limits),
        more: &[&str],
    ) -> Result<Self, String> {
        let mut limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
        change(&mut limits);
        let (ours, theirs) = socket::pair().expect("a pair");
        command.args(["--definitions", "/", "--workers", "2", "--limits", &limits.to_json(), "--scratch"]);
        command.arg(place.scratch()).args(more);
        if !more.contains(&"--scan-seconds") {
            command.args(["--scan-seconds", "30"]);
        }
        let mut host = command.env_clear().stdin(theirs).stderr(Stdio::piped()).spawn().expect("starts");
        drop(command); // and with it the host's end of the socket
        match socket::receive(&ours).expect("a frame, or the end") {
            Some(received) => match HostFrame::decode(&received.frame).expect("a frame") {
                HostFrame::Ready(ready) => Ok(Self { host, socket: ours, ready, next_id: 1 }),
                HostFrame::Reply(reply) => panic!("a reply before the greeting: {reply:?}"),
            },
            None => {
                let mut text = String::new();
                host.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
                host.wait().expect("ends");
                Err(text)
            }
        }
    }

    pub fn host(&self) -> u32 {
        self.ready.host_pid
    }

    pub fn workers(&self) -> Vec<u32> {
        let host = self.host();
        let list = std::fs::read_to_string(format!("/proc/{host}/task/{host}/children")).expect("the host runs");
        list.split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }

    /// Asks for one scan; its number.
    pub fn ask(&mut self, order: &str) -> u64 {
        let mut file = File::from(memfd_create("order", MemfdFlags::CLOEXEC).expect("a file"));
        file.write_all(order.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut file).expect("seekable");
        let id = self.next_id;
        self.next_id += 10; // so that a worker does not hit the next by chance
        let request = ScanRequest { id, size: order.len() as u64, content: Content::File, members: false };
        socket::send(&self.socket, &request.encode(), Some(file.as_fd())).expect("sent");
        id
    }

    pub fn answer(&mut self) -> ScanReply {
        let received = socket::receive(&self.socket).expect("a frame").expect("the host lives");
        match HostFrame::decode(&received.frame).expect("a frame") {
            HostFrame::Reply(reply) => reply,
            HostFrame::Ready(ready) => panic!("a second greeting: {ready:?}"),
        }
    }

    pub fn scan(&mut self, order: &str) -> ScanVerdict {
        let id = self.ask(order);
        let reply = self.answer();
        assert_eq!(reply.id, id, "{order}");
        reply.verdict
    }

    /// Ends the host; what it wrote.
    pub fn end(mut self) -> String {
        drop(self.socket);
        let mut text = String::new();
        self.host.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
        assert!(self.host.wait().expect("ends").success(), "{text}");
        text
    }
}

pub fn kill(process: u32) {
    let pid = Pid::from_raw(process.cast_signed()).expect("not 0");
    kill_process(pid, Signal::KILL).expect("the process is there");
}

/// Whether the process is there, and not only its entry.
pub fn is_running(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

pub fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
