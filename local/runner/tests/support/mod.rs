//! A runner on a socket of its own, and the little of a Docker client that the tests need.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long any condition is awaited on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Runner {
    process: Child,
    pub directory: tempfile::TempDir,
    socket: PathBuf,
}

impl Runner {
    /// Knows two images: `shell` runs its command with `sh -c`, `marked` also has variables of its own.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let images = directory.path().join("images.json");
        let list = json!({
            "shell": {"argv": ["/bin/sh", "-c"]},
            "marked": {"argv": ["/bin/sh", "-c"], "env": {"WHERE": "{work}/scratch", "WHO": "the image", "LISTEN": "{address}:8080"}},
            "missing": {"argv": ["/nowhere/no-such-program"]},
        });
        std::fs::write(&images, list.to_string()).expect("write the image list");
        let socket = directory.path().join("docker.sock");
        let process = Command::new(env!("CARGO_BIN_EXE_lazaret-local-runner"))
            .env("LAZARET_RUNNER_SOCKET", &socket)
            .env("LAZARET_RUNNER_IMAGES", &images)
            .env("LAZARET_RUNNER_DIR", directory.path())
            .env("SECRET_OF_THE_RUNNER", "must not reach a container")
            .stderr(Stdio::null())
            .spawn()
            .expect("start the runner");
        let runner = Self { process, directory, socket };
        eventually("the runner answers", || UnixStream::connect(&runner.socket).is_ok());
        runner
    }

    /// Status and body of one call.
    pub fn call(&self, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = UnixStream::connect(&self.socket).expect("connect to the runner");
        let head = format!(
            "{method} /v1.44{path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("send the request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read the answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let body = answer.split_off(end + 4);
        (status, if head.contains("transfer-encoding: chunked") { unchunk(&body) } else { body })
    }

    pub fn post(&self, path: &str) -> u16 {
        self.call("POST", path, "").0
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "");
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    pub fn create(&self, name: &str, image: &str, script: &str, env: &[&str]) {
        let body = json!({"Image": image, "Cmd": [script], "Env": env, "Labels": {"test": name}}).to_string();
        let (status, answer) = self.call("POST", &format!("/containers/create?name={name}"), &body);
        assert_eq!(status, 201, "create {name}: {}", String::from_utf8_lossy(&answer));
    }

    pub fn start_container(&self, name: &str, script: &str) {
        self.create(name, "shell:local", script, &[]);
        assert_eq!(self.post(&format!("/containers/{name}/start")), 204);
    }

    pub fn wait(&self, name: &str) -> i64 {
        let (status, body) = self.call("POST", &format!("/containers/{name}/wait"), "");
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        answer["StatusCode"].as_i64().expect("an exit code")
    }

    /// The text of the log, without the frames' heads.
    pub fn logs(&self, name: &str, query: &str) -> String {
        let (status, mut body) = self.call("GET", &format!("/containers/{name}/logs?{query}"), "");
        assert_eq!(status, 200);
        let mut text = Vec::new();
        while body.len() >= 8 {
            let length = u32::from_be_bytes(body[4..8].try_into().expect("four bytes")) as usize;
            text.extend_from_slice(&body[8..8 + length]);
            body.drain(..8 + length);
        }
        String::from_utf8(text).expect("text")
    }

    pub fn pid(&self, name: &str) -> i64 {
        self.get(&format!("/containers/{name}/json"))["State"]["Pid"].as_i64().expect("a process id")
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub fn signal(&mut self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("run kill").success());
        self.process.wait().expect("wait for the runner");
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Awaits a condition.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// True for a process that exists and is no zombie.
pub fn lives(pid: i64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])))
}

/// The process id that a script wrote.
pub fn pid_in(file: &Path) -> i64 {
    let mut pid = None;
    eventually("the script writes its process id", || {
        pid = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    pid.expect("just seen")
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("text"), 16).expect("a size");
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}
