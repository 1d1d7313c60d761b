//! Watch definitions: how old are the ones in force? Agents tell it too, but only while they run.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_definitions::current;
use lazaret_model::DefinitionsVersion;
use lazaret_model::metrics::names::watch::DEFINITIONS_IN_FORCE_AGE;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::error::FunctionError;
use crate::told::tell;

/// What the function needs.
pub struct WatchDefinitions {
    pub store: Arc<dyn ObjectStore>,
    pub results_bucket: String,
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    pub version: DefinitionsVersion,
    pub age_seconds: i64,
}

impl WatchDefinitions {
    /// Looks, and prints a line of CloudWatch's embedded metric format.
    ///
    /// # Errors
    /// If there are no definitions, or what is there can't be read: without a number an alarm tells of the silence.
    pub async fn handle(&self, now: Timestamp) -> Result<InForce, FunctionError> {
        let found = current(&*self.store, &self.results_bucket).await.map_err(|error| {
            let text = format!("reading which definitions are in force: {error}");
            FunctionError::retry_if(error.retryable(), text)
        })?;
        let manifest = found.ok_or_else(|| FunctionError::permanent("no definitions were ever published"))?.manifest;
        let age_seconds = now.duration_since(manifest.built_at).as_secs().max(0);
        info!(definitions.version = %manifest.version, age_seconds, "Definitions `{}` are in force", manifest.version);
        tell(now, vec![(DEFINITIONS_IN_FORCE_AGE, age_seconds.unsigned_abs())]);
        Ok(InForce { version: manifest.version, age_seconds })
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::FakeStore;
    use lazaret_model::{DefinitionsManifest, DefinitionsPointer, Failure, layout};
    use sha2::{Digest, Sha256};

    use super::*;

    fn function(store: &FakeStore) -> WatchDefinitions {
        WatchDefinitions { store: Arc::new(store.clone()), results_bucket: "results".into() }
    }

    fn publish(store: &FakeStore, built_at: Timestamp) {
        let manifest = DefinitionsManifest {
            version: "daily-1".parse().expect("a version"),
            built_at,
            published_at: built_at,
            signatures: 1,
            engine_version: "1.4".into(),
            files: vec![],
        };
        let bytes = serde_json::to_vec(&manifest).expect("JSON");
        let manifest_sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let pointer = DefinitionsPointer { version: manifest.version.clone(), manifest_sha256 };
        store.insert("results", &layout::definitions_manifest_key(&manifest.version), bytes);
        store.insert("results", layout::DEFINITIONS_POINTER_KEY, serde_json::to_vec(&pointer).expect("JSON"));
    }

    #[tokio::test]
    async fn the_age_is_that_of_the_set_and_not_of_its_publication() {
        let store = FakeStore::new().with_bucket("results");
        let now = Timestamp::from_second(1_780_000_000).expect("a time");
        publish(&store, Timestamp::from_second(1_780_000_000 - 7_200).expect("a time"));
        let in_force = function(&store).handle(now).await.expect("known");
        assert_eq!((in_force.version.as_str(), in_force.age_seconds), ("daily-1", 7_200));
    }

    #[tokio::test]
    async fn none_and_damaged_ones_are_a_failure_and_no_number() {
        let store = FakeStore::new().with_bucket("results");
        let error = function(&store).handle(Timestamp::UNIX_EPOCH).await.expect_err("none");
        assert!(error.failure == Failure::Permanent && error.message.contains("ever published"), "{error}");
        publish(&store, Timestamp::UNIX_EPOCH);
        store.insert("results", "definitions/versions/daily-1/manifest.json", "{}");
        function(&store).handle(Timestamp::UNIX_EPOCH).await.expect_err("another manifest");
    }
}
