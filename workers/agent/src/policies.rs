//! The policies of the deployment, read again while the agent runs.

use std::convert::Infallible;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::Policies;
use lazaret_model::layout::POLICIES_KEY;
use tracing::{error, info};

use crate::retry;

/// A changed policy reaches every agent within this.
pub const REFRESH: Duration = Duration::from_secs(30);

/// Why there are no policies.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    #[error("`{POLICIES_KEY}` could not be read: {0}")]
    Store(#[from] StoreError),
    #[error("`{POLICIES_KEY}` is not a set of policies: {0}")]
    Json(#[from] serde_json::Error),
}

/// The policies as they are now.
pub struct PolicyBook {
    store: Arc<dyn ObjectStore>,
    results_bucket: String,
    current: RwLock<Arc<Policies>>,
}

impl PolicyBook {
    /// Reads the policies; none at all are the defaults. At the start a file that can't be read is an error: better no agent than
    /// one that moves what its owner wants kept.
    pub async fn open(store: Arc<dyn ObjectStore>, results_bucket: String) -> Result<Self, PoliciesError> {
        let first = read(store.as_ref(), &results_bucket).await?;
        Ok(Self { store, results_bucket, current: RwLock::new(Arc::new(first)) })
    }

    /// Policies that nobody changes, for whoever scans without a deployment.
    pub fn fixed(store: Arc<dyn ObjectStore>, policies: Policies) -> Self {
        Self { store, results_bucket: String::new(), current: RwLock::new(Arc::new(policies)) }
    }

    pub fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().expect("no one panics while writing"))
    }

    /// Reads them again and again. A file that can't be read leaves the last good one in force.
    pub async fn keep_fresh(&self) -> Infallible {
        loop {
            tokio::time::sleep(REFRESH).await;
            match read(self.store.as_ref(), &self.results_bucket).await {
                Ok(policies) if policies != *self.current() => {
                    info!("The policies changed");
                    *self.current.write().expect("no one panics while writing") = Arc::new(policies);
                }
                Ok(_) => {}
                Err(error) => error!(%error, "The policies can't be read; those read before stay in force"),
            }
        }
    }
}

async fn read(store: &dyn ObjectStore, results_bucket: &str) -> Result<Policies, PoliciesError> {
    let stored = retry::store(|| store.get(results_bucket, POLICIES_KEY)).await?;
    Ok(stored.map(|stored| serde_json::from_slice(&stored.bytes)).transpose()?.unwrap_or_default())
}
