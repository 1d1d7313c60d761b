//! The policies of the deployment, read again while the agent runs, and the contents that their owner allowed.

use std::convert::Infallible;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::allowed::AllowedContent;
use lazaret_model::layout::{POLICIES_KEY, allowed_key};
use lazaret_model::{Policies, Policy, Verdict};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};

use crate::decide::hex;
use crate::retry;

/// Between two looks at once, however many ask for them: what asks may be a queue full of events of others' buckets.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Why there are no policies.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    #[error("`{POLICIES_KEY}` could not be read: {0}")]
    Store(#[from] StoreError),
    #[error("`{POLICIES_KEY}` is not a set of policies: {0}")]
    Json(#[from] serde_json::Error),
    /// None was ever there, or the one that was is gone: nobody said that nothing is protected.
    #[error("`{POLICIES_KEY}` is missing")]
    Missing,
    #[error("`{POLICIES_KEY}` could not be read a moment ago")]
    JustFailed,
    #[error("the record of an allowed content could not be read: {0}")]
    Allowed(#[source] StoreError),
    #[error("the record of an allowed content is none: {0}")]
    BadAllowed(#[source] serde_json::Error),
}

struct Current {
    policies: Arc<Policies>,
    /// There is a file of them, or was one.
    found: bool,
    /// When the look began that read them.
    as_of: Instant,
}

impl Current {
    fn new(found: Option<Policies>, as_of: Instant) -> Self {
        Self { found: found.is_some(), policies: Arc::new(found.unwrap_or_default()), as_of }
    }
}

/// A look that somebody asked for.
#[derive(Clone, Copy)]
struct Look {
    began: Instant,
    succeeded: bool,
}

/// The policies as they are now.
pub struct PolicyBook {
    store: Arc<dyn ObjectStore>,
    /// None where there is no deployment.
    results_bucket: Option<String>,
    current: RwLock<Current>,
    looked: Mutex<Option<Look>>,
}

impl PolicyBook {
    /// Reads the policies; none at all are the defaults. At the start a file that can't be read is an error: better no agent than
    /// one that moves what its owner wants kept.
    pub async fn open(store: Arc<dyn ObjectStore>, results_bucket: String) -> Result<Self, PoliciesError> {
        let as_of = Instant::now();
        let current = RwLock::new(Current::new(read(store.as_ref(), &results_bucket).await?, as_of));
        Ok(Self { store, results_bucket: Some(results_bucket), current, looked: Mutex::default() })
    }

    /// Policies that nobody changes, for whoever scans without a deployment.
    pub fn fixed(store: Arc<dyn ObjectStore>, policies: Policies) -> Self {
        let current = RwLock::new(Current::new(Some(policies), Instant::now()));
        Self { store, results_bucket: None, current, looked: Mutex::default() }
    }

    pub fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().expect("no one panics while writing").policies)
    }

    /// What was written before this is known.
    pub fn as_of(&self) -> Instant {
        self.current.read().expect("no one panics while writing").as_of
    }

    /// Whether somebody wrote them. Without a file all buckets have the default policy, and nobody said so.
    pub fn are_written(&self) -> bool {
        self.current.read().expect("no one panics while writing").found
    }

    /// Reads them again and again. A file that can't be read, or is missing where one was, leaves the last good one in force.
    pub async fn keep_fresh(&self, every: Duration) -> Infallible {
        loop {
            sleep(every).await;
            if let Err(error) = self.read_anew().await {
                error!(%error, "The policies can't be read; those read before stay in force");
            }
        }
    }

    /// Returns once they were read by a look that began after this call: all who ask meanwhile share one.
    pub async fn refresh_now(&self) -> Result<(), PoliciesError> {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        if let Some(look) = *looked {
            if look.began > asked {
                return if look.succeeded { Ok(()) } else { Err(PoliciesError::JustFailed) };
            }
            sleep_until(look.began + AT_ONCE).await;
        }
        let began = Instant::now();
        let read = self.read_anew().await;
        *looked = Some(Look { began, succeeded: read.is_ok() });
        read
    }

    async fn read_anew(&self) -> Result<(), PoliciesError> {
        let Some(bucket) = &self.results_bucket else { return Ok(()) };
        let as_of = Instant::now();
        let read = Current::new(read(self.store.as_ref(), bucket).await?, as_of);
        let mut current = self.current.write().expect("no one panics while writing");
        // nothing of ours deletes it
        if current.found && !read.found {
            return Err(PoliciesError::Missing);
        }
        if *read.policies != *current.policies {
            info!("The policies changed");
        }
        // of two looks at once the one that began first may end last
        if current.as_of <= as_of {
            *current = read;
        }
        Ok(())
    }

    /// The verdict on a content as its owner wants it: what was found may be allowed for this content, or everywhere. What can't be
    /// found out is not allowed.
    pub async fn review(&self, policy: &Policy, sha256: Option<&[u8; 32]>, verdict: Verdict) -> Verdict {
        let verdict = policy.review(verdict);
        let (Some(bucket), Some(sha256), Verdict::Infected { .. }) = (&self.results_bucket, sha256, &verdict) else {
            return verdict;
        };
        let sha256 = hex(sha256);
        match self.allowed(bucket, &sha256).await {
            Ok(Some(mut allowed)) => {
                allowed.threats.extend_from_slice(&policy.allow);
                allowed.review(&sha256, verdict)
            }
            Ok(None) => verdict,
            Err(error) => {
                error!(%error, "Whether the content is allowed can't be found out: it stays infected");
                verdict
            }
        }
    }

    async fn allowed(&self, bucket: &str, sha256: &str) -> Result<Option<AllowedContent>, PoliciesError> {
        let key = allowed_key(sha256);
        let stored = retry::store(|| self.store.get(bucket, &key)).await.map_err(PoliciesError::Allowed)?;
        stored.map(|stored| serde_json::from_slice(&stored.bytes)).transpose().map_err(PoliciesError::BadAllowed)
    }
}

async fn read(store: &dyn ObjectStore, results_bucket: &str) -> Result<Option<Policies>, PoliciesError> {
    let stored = retry::store(|| store.get(results_bucket, POLICIES_KEY)).await?;
    Ok(stored.map(|stored| serde_json::from_slice(&stored.bytes)).transpose()?)
}
