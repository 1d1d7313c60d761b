//! A server over a scanner of words, a store in memory and a Cognito of our own, and the smallest of clients.
#![allow(dead_code, reason = "each test uses what it needs")]

pub mod balancer;
pub mod client;
pub mod cognito;
pub mod processes;
pub mod program;
pub mod scanner;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_agent::policies::PolicyBook;
use lazaret_api::upload::{Parcel, UploadError, Uploads};
use lazaret_api::users::Cognito;
use lazaret_api::web::Web;
use lazaret_api::{App, Config, Ports, run};
use lazaret_aws::fake::FakeStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use client::{Reply, multipart, send};
use cognito::FakeCognito;
use scanner::WordScanner;

pub const USER: &str = "anna";
pub const PASSWORD: &str = "a long password";
pub const RESULTS: &str = "results";

/// A server that runs.
pub struct Lab {
    pub address: SocketAddr,
    pub app: Arc<App>,
    pub cognito: FakeCognito,
    pub scanner: Arc<WordScanner>,
    pub store: FakeStore,
    pub scratch: TempDir,
    pub stop: CancellationToken,
    pub running: JoinHandle<Result<(), lazaret_api::run::EngineGone>>,
}

impl Lab {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings beside those that a server needs.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let cognito = FakeCognito::start().await;
        let scratch = tempfile::tempdir().expect("a directory");
        let scratch_dir = scratch.path().to_string_lossy().into_owned();
        let (cognito_url, jwks_url) = (cognito.url(), cognito.jwks_url());
        let base = [
            ("LAZARET_RESULTS_BUCKET", RESULTS),
            ("LAZARET_ENGINE", "/nonexistent"),
            ("LAZARET_SCAN_SECONDS", "120"),
            ("LAZARET_SCAN_WORKERS", "2"),
            ("LAZARET_SCRATCH_DIR", &scratch_dir),
            ("LAZARET_API_USER_POOL_ID", cognito::POOL),
            ("LAZARET_API_CLIENT_IDS", cognito::CLIENT),
            ("LAZARET_API_COGNITO_URL", &cognito_url),
            ("LAZARET_API_JWKS_URL", &jwks_url),
            ("LAZARET_API_GRACE_SECONDS", "0"),
        ];
        let get = |name: &str| {
            let found = settings.iter().chain(&base).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let config = Config::read(&get).expect("a complete environment");
        let scanner = Arc::new(WordScanner::default());
        let store = FakeStore::new().with_bucket(RESULTS);
        let policies = PolicyBook::open(Arc::new(store.clone()), RESULTS.into()).await.expect("policies");
        let web = Web::new().expect("a client");
        let ports = Ports {
            scanner: scanner.clone(),
            store: Arc::new(store.clone()),
            uploads: Arc::new(FakeUploads(store.clone())),
            users: Arc::new(Cognito::new(web.clone(), &config.users)),
            policies: Arc::new(policies),
            web,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = App::new(config, ports);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let running = tokio::spawn(run(Arc::clone(&app), listener, stopped));
        Self { address, app, cognito, scanner, store, scratch, stop, running }
    }

    /// A token that a login gave.
    pub async fn token(&self) -> String {
        let reply = self.log_in(USER, PASSWORD).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["accessToken"].as_str().expect("a token").to_owned()
    }

    pub async fn log_in(&self, user: &str, password: &str) -> Reply {
        let body = serde_json::json!({"username": user, "password": password}).to_string();
        self.post("/api/Token", &[("Content-Type", "application/json")], body.as_bytes()).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        send(self.address, "POST", path, headers, body).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        send(self.address, "GET", path, headers, b"").await
    }

    /// Scans a form with these files.
    pub async fn scan(&self, files: &[(&str, &[u8])]) -> Reply {
        let (content_type, body) = multipart(files);
        let bearer = format!("Bearer {}", self.token().await);
        self.post("/api/Scan", &[("Authorization", &bearer), ("Content-Type", &content_type)], &body).await
    }

    /// The verdict on one file.
    pub async fn verdict(&self, text: &str) -> Value {
        let reply = self.scan(&[("my_file", text.as_bytes())]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Whether the server is as good as new: it answers, and holds nothing back.
    pub async fn is_untouched(&self) {
        until(|| self.app.judge.admission.in_hand() == 0).await;
        assert_eq!(self.verdict("fine").await["result"], "Clean");
        assert_eq!(std::fs::read_dir(self.scratch.path()).expect("readable").count(), 0);
    }
}

/// Waits for something that is about to be so.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it is so within 20 s");
}

/// Stores in the store in memory, where nothing is yet.
struct FakeUploads(FakeStore);

#[async_trait]
impl Uploads for FakeUploads {
    async fn store(&self, parcel: Parcel<'_>) -> Result<Option<String>, UploadError> {
        use std::os::fd::AsRawFd;
        if self.0.exists(parcel.bucket, parcel.key) {
            return Err(UploadError::Exists);
        }
        let bytes = std::fs::read(format!("/proc/self/fd/{}", parcel.file.as_raw_fd())).expect("readable");
        assert_eq!(bytes.len() as u64, parcel.size);
        let mut object = lazaret_aws::fake::FakeObject::new(bytes);
        for tag in parcel.tags {
            object = object.tag(&tag.key, &tag.value);
        }
        self.0.insert_object(parcel.bucket, parcel.key, object);
        Ok(self.0.pinned_ref(parcel.bucket, parcel.key).version_id)
    }
}
