//! The server as it is deployed: a process of its own, with the real engine in its jail.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::client::send;
use super::cognito::{self, FakeCognito};

/// Definitions of a few signatures load in a moment, and ClamAV's own in half a minute; a busy machine takes its time.
const START: Duration = Duration::from_secs(300);

/// Put together here, so that no file and no program of this project is one.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// Where the programs are, those of other crates among them, which Cargo does not build for this one's tests. It does build the server; asked
/// for it from within a test, it would build half the workspace anew, for what it finds in a test's environment (ring's build script).
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--quiet", "--workspace", "--manifest-path", manifest])
            .args(["--bin", "lazaret-engine", "--bin", "lazaret-test-definitions"])
            .status();
        assert!(built.expect("run").success());
        let this = std::env::current_exe().expect("a test");
        this.ancestors().nth(2).expect("target/debug/deps/test").to_owned()
    })
}

/// A server in a process of its own.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub directory: TempDir,
}

impl Program {
    /// With definitions that know EICAR.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings beside those that a server needs.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let definitions = directory.path().join("definitions");
        let wrote =
            Command::new(built().join("lazaret-test-definitions")).arg(&definitions).stdout(Stdio::null()).status();
        assert!(wrote.expect("run").success());
        Self::start_in(directory, built(), &definitions, settings).await
    }

    /// With a Cognito of ours, and a store in which there is nothing. `programs` is where they are.
    pub async fn start_in(directory: TempDir, programs: &Path, definitions: &Path, settings: &[(&str, &str)]) -> Self {
        let place = |name: &str| directory.path().join(name);
        for name in ["scratch", "rules"] {
            std::fs::create_dir(place(name)).expect("made");
        }
        // the engine is another user, who must get through to the directory in it that is his
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("ours");
        let cognito = FakeCognito::start().await;
        let address = free_address().await;
        let output = |name: &str| Stdio::from(std::fs::File::create(place(name)).expect("made"));
        let child = Command::new(programs.join("lazaret-api"))
            .env_clear()
            .env("AWS_ENDPOINT_URL", empty_store().await)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("LAZARET_API_LISTEN", address.to_string())
            .env("LAZARET_API_USER_POOL_ID", cognito::POOL)
            .env("LAZARET_API_CLIENT_IDS", cognito::CLIENT)
            .env("LAZARET_API_COGNITO_URL", cognito.url())
            .env("LAZARET_API_JWKS_URL", cognito.jwks_url())
            .env("LAZARET_API_GRACE_SECONDS", "1")
            .env("LAZARET_RESULTS_BUCKET", "results")
            .env("LAZARET_ENGINE", programs.join("lazaret-engine"))
            .env("LAZARET_DEFINITIONS_DIR", definitions)
            .env("LAZARET_RULES_DIR", place("rules"))
            .env("LAZARET_SCRATCH_DIR", place("scratch"))
            .env("LAZARET_SCAN_WORKERS", "2")
            .env("LAZARET_SCAN_SECONDS", "60")
            .envs(settings.iter().copied())
            .stdout(output("metrics"))
            .stderr(output("log"))
            .spawn()
            .expect("started");
        let mut this = Self { child, address, directory };
        this.until_ready().await;
        this
    }

    async fn until_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if tokio::net::TcpStream::connect(self.address).await.is_ok()
                && send(self.address, "GET", "/api/health", &[], b"").await.status == 200
            {
                return;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && begun.elapsed() < START, "{ended:?}: {}", self.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).expect("a log")
    }

    /// What it wrote to standard output.
    pub fn metrics(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("metrics")).expect("metrics")
    }

    pub fn tell_to_end(&self) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).expect("it runs");
    }

    pub async fn until_ended(&mut self) -> ExitStatus {
        loop {
            if let Some(ended) = self.child.try_wait().expect("a child") {
                return ended;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listened on a moment ago.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

/// An S3 that has no object.
async fn empty_store() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let nothing = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>none</Message></Error>";
    let router = Router::new().fallback(async move || (StatusCode::NOT_FOUND, nothing));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
