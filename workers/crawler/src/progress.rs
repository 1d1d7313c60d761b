//! Shows how far the crawl is: for a person who watches, never for a decision.

use std::sync::Arc;
use std::time::Duration;

use lazaret_aws::ObjectStore;
use lazaret_aws::objects::PutCondition;
use lazaret_model::Progress;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

/// Where the progress of one crawl stands.
#[derive(Clone)]
pub struct Board {
    pub store: Arc<dyn ObjectStore>,
    pub bucket: String,
    pub key: String,
}

impl Board {
    /// Writes what was last told, every `interval` in which something changed, until it is dropped.
    pub fn keep(self, told: watch::Receiver<Progress>, interval: Duration) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut told = told;
            while told.changed().await.is_ok() {
                let progress = *told.borrow_and_update();
                self.write(progress).await;
                tokio::time::sleep(interval).await;
            }
        }))
    }

    /// Writes once. A failure costs a person a glance and is no failure of the crawl.
    pub async fn write(&self, progress: Progress) {
        let json = serde_json::to_vec(&progress).expect("numbers are JSON");
        let put = self.store.put(&self.bucket, &self.key, json.into(), "application/json", PutCondition::Always);
        if let Err(error) = put.await {
            debug!(error = %error, "Progress could not be shown");
        }
    }

    /// Takes it down: what a failed attempt counted, the next one counts again.
    pub async fn clear(&self) {
        if let Err(error) = self.store.delete_keys(&self.bucket, std::slice::from_ref(&self.key)).await {
            debug!(error = %error, "Progress could not be taken down");
        }
    }
}
