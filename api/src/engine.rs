//! The engine behind the routes: the agent's own, layer by layer, from its start to its end. There is no other way to scan.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lazaret_agent::definitions::start::BeginError;
use lazaret_agent::definitions::{self, DefinitionsScanner, EngineLoader, Place, Upkeep};
use lazaret_agent::rules::{self, RulesError};
use lazaret_agent::{Layers, Scanner};
use lazaret_aws::ObjectStore;

use crate::config::Config;

/// An engine that has nothing to do ends at once; one in the middle of a scan may be killed.
const END: Duration = Duration::from_secs(2);

/// Why there is no scanner.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error(transparent)]
    Definitions(#[from] BeginError),
}

/// The scanner of a server, with the engines that it rests on.
pub struct Engine {
    in_force: Arc<DefinitionsScanner>,
    upkeep: Upkeep,
    layers: Layers,
}

impl Engine {
    /// Starts the engines, and puts the definitions in force that there are.
    ///
    /// # Errors
    /// If what the settings name can't be fetched or used.
    pub async fn start(config: &Config, store: Arc<dyn ObjectStore>) -> Result<Self, EngineError> {
        let Config { engine, rules, definitions, results_bucket, scratch_dir, scan_workers, .. } = config;
        let bucket = Some((store.as_ref(), results_bucket.as_str()));
        let rules = rules::start(rules, engine, bucket, scratch_dir, *scan_workers).await?;
        let in_force = Arc::new(DefinitionsScanner::new(definitions.max_age));
        let loader =
            EngineLoader { settings: engine.clone(), scratch_dir: scratch_dir.clone(), workers: *scan_workers };
        let place = Place { store, results_bucket: results_bucket.clone(), scratch_dir: scratch_dir.clone() };
        let upkeep = definitions::start(definitions.clone(), loader, place, Arc::clone(&in_force)).await?;
        let layers = Layers::over(in_force.clone(), rules, config.verdict_cache_entries, engine.digest());
        Ok(Self { in_force, upkeep, layers })
    }

    pub fn scanner(&self) -> Arc<dyn Scanner> {
        self.layers.scanner()
    }

    /// Of the set in force, whether it still counts or not.
    pub fn definitions_age_seconds(&self) -> Option<u64> {
        self.in_force.in_force().and_then(|set| set.stamp.age_seconds(Timestamp::now()))
    }

    /// Looks for newer definitions.
    pub async fn keep(&self) -> Infallible {
        self.upkeep.keep().await
    }

    /// Ends the engines, and leaves nothing of them on the disk.
    pub async fn shutdown(&self) {
        self.in_force.shutdown().await;
        self.layers.shutdown(END).await;
    }
}
