//! What the routes share.

use std::sync::Arc;

use lazaret_agent::Scanner;
use lazaret_agent::policies::PolicyBook;
use lazaret_aws::ObjectStore;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::config::Config;
use crate::hold::Holds;
use crate::jobs::Jobs;
use crate::judge::Judge;
use crate::metrics::Tally;
use crate::standing::Standing;
use crate::tokens::{Keys, Verifier};
use crate::upload::Uploads;
use crate::users::{Throttle, Users};
use crate::web::Web;

/// Logins that are asked about at a time: each is a request of ours, which anybody can cause.
const LOGINS: usize = 32;

/// Logins whose bodies are on their way: an eighth of the connections. Anybody can begin one, and must not keep the rest from a place.
const LOGINS_ARRIVING: usize = 256;

/// What comes from outside of this process.
pub struct Ports {
    pub scanner: Arc<dyn Scanner>,
    pub store: Arc<dyn ObjectStore>,
    pub uploads: Arc<dyn Uploads>,
    pub users: Arc<dyn Users>,
    pub policies: Arc<PolicyBook>,
    pub web: Web,
}

/// One server.
pub struct App {
    pub config: Config,
    pub judge: Judge,
    pub holds: Holds,
    pub store: Arc<dyn ObjectStore>,
    pub uploads: Arc<dyn Uploads>,
    pub users: Arc<dyn Users>,
    pub logins: Semaphore,
    pub logins_arriving: Semaphore,
    pub throttle: Throttle,
    pub verifier: Verifier,
    pub jobs: Jobs,
    pub standing: Arc<Standing>,
    pub tally: Arc<Tally>,
    /// Scans that go on after their request was answered.
    pub background: TaskTracker,
}

impl App {
    pub fn new(config: Config, ports: Ports) -> Arc<Self> {
        let Ports { scanner, store, uploads, users, policies, web } = ports;
        let limits = &config.limits;
        let standing = Arc::new(Standing::default());
        let tally = Arc::new(Tally::default());
        let admission = Admission::new(limits.receiving, limits.queue, config.scan_workers);
        Arc::new(Self {
            judge: Judge { scanner, policies, admission, standing: Arc::clone(&standing), tally: Arc::clone(&tally) },
            holds: Holds::new(config.scratch_dir.clone(), limits.memory_bytes, limits.disk_bytes),
            uploads,
            users,
            logins: Semaphore::new(LOGINS),
            logins_arriving: Semaphore::new(LOGINS_ARRIVING),
            throttle: Throttle::default(),
            verifier: Verifier {
                issuer: config.users.issuer.clone(),
                client_ids: config.users.client_ids.clone(),
                keys: Keys::at(web, config.users.jwks_url.clone()),
            },
            jobs: Jobs { store: Arc::clone(&store), results_bucket: config.results_bucket.clone() },
            store,
            standing,
            tally,
            background: TaskTracker::new(),
            config,
        })
    }
}
