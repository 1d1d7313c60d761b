//! Assemble: an agent's scanner, layer by layer: the definitions in force, the owner's rules, the cache, the count.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lazaret_aws::ObjectStore;

use crate::cache::{CacheCounts, CachingScanner};
use crate::config::Environment;
use crate::definitions::start::BeginError;
use crate::definitions::{self, DefinitionsScanner, EngineLoader, Place, Upkeep};
use crate::metrics::{Counted, Readings};
use crate::rules::{self, Rules, RulesError, RulesScanner};
use crate::scan::Scanner;

/// An engine that has nothing to do ends at once; one in the middle of a scan may be killed.
const END: Duration = Duration::from_secs(2);

/// What lies over an engine: the owner's rules and the cache, each if it is there.
pub struct Layers {
    top: Arc<dyn Scanner>,
    rules: Option<Arc<Rules>>,
    cache: Option<Arc<CachingScanner>>,
}

impl Layers {
    /// Without a cache if it may have no entries. `settings` are those of [`CachingScanner::new`].
    pub fn over(engine: Arc<dyn Scanner>, rules: Option<Rules>, cache_entries: usize, settings: [u8; 32]) -> Self {
        let mut top = engine;
        let rules = rules.map(Arc::new);
        if let Some(rules) = &rules {
            top = Arc::new(RulesScanner::new(top, Arc::clone(rules)));
        }
        let cache = NonZeroUsize::new(cache_entries)
            .map(|entries| Arc::new(CachingScanner::new(Arc::clone(&top), entries, settings)));
        if let Some(cache) = &cache {
            top = cache.clone();
        }
        Self { top, rules, cache }
    }

    /// All of them, as one scanner.
    pub fn scanner(&self) -> Arc<dyn Scanner> {
        Arc::clone(&self.top)
    }

    /// None where there is no cache.
    pub fn cache_counts(&self) -> CacheCounts {
        self.cache.as_ref().map(|cache| cache.counts()).unwrap_or_default()
    }

    /// Ends the engine of the rules. The one below ends by whoever started it.
    pub async fn shutdown(&self, patience: Duration) {
        if let Some(rules) = &self.rules {
            rules.shutdown(patience).await;
        }
    }
}

/// Why an agent has no scanner.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error(transparent)]
    Definitions(#[from] BeginError),
}

/// The scanner of an agent, with the engines that it rests on.
pub struct Assembly {
    in_force: Arc<DefinitionsScanner>,
    upkeep: Upkeep,
    layers: Layers,
    counted: Arc<Counted<Arc<dyn Scanner>>>,
}

impl Assembly {
    /// Starts the engines, and puts the definitions in force that there are.
    ///
    /// # Errors
    /// If what the settings name can't be fetched or used.
    pub async fn start(environment: &Environment, store: Arc<dyn ObjectStore>) -> Result<Self, AssembleError> {
        let Environment { settings: agent, engine, rules, definitions, .. } = environment;
        let bucket = Some((store.as_ref(), agent.results_bucket.as_str()));
        let rules = rules::start(rules, engine, bucket, &agent.scratch_dir, agent.scan_workers).await?;
        let in_force = Arc::new(DefinitionsScanner::new(definitions.max_age));
        let loader = EngineLoader {
            settings: engine.clone(),
            scratch_dir: agent.scratch_dir.clone(),
            workers: agent.scan_workers,
        };
        let place =
            Place { store, results_bucket: agent.results_bucket.clone(), scratch_dir: agent.scratch_dir.clone() };
        let upkeep = definitions::start(definitions.clone(), loader, place, Arc::clone(&in_force)).await?;
        let layers = Layers::over(in_force.clone(), rules, environment.verdict_cache_entries, engine.digest());
        let counted = Arc::new(Counted::new(layers.scanner()));
        Ok(Self { in_force, upkeep, layers, counted })
    }

    pub fn scanner(&self) -> Arc<dyn Scanner> {
        self.counted.clone()
    }

    /// Looks for newer definitions.
    pub async fn keep(&self) -> Infallible {
        self.upkeep.keep().await
    }

    pub fn readings(&self) -> Readings {
        let CacheCounts { hits, misses } = self.layers.cache_counts();
        let now = Timestamp::now();
        Readings {
            definitions_age_seconds: self.in_force.in_force().and_then(|set| set.stamp.age_seconds(now)),
            cache_hits: hits,
            cache_misses: misses,
            scanned: self.counted.scanned(),
        }
    }

    /// Ends the engines, and leaves nothing of them on the disk.
    pub async fn shutdown(&self) {
        self.in_force.shutdown().await;
        self.layers.shutdown(END).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use async_trait::async_trait;
    use lazaret_model::{DefinitionsStamp, Verdict};

    use super::*;
    use crate::scan::{Content, EngineGone, Scanned};

    struct Clean;

    #[async_trait]
    impl Scanner for Clean {
        async fn scan(&self, _: Content) -> Result<Scanned, EngineGone> {
            Ok(Scanned { verdict: Verdict::Clean, notes: Vec::new(), definitions: self.definitions(), cached: false })
        }

        fn definitions(&self) -> Option<DefinitionsStamp> {
            Some(DefinitionsStamp { version: "1".to_owned(), built_at: None })
        }
    }

    #[tokio::test]
    async fn a_cache_is_there_only_where_it_may_have_entries() {
        for entries in [0, 1] {
            let layers = Layers::over(Arc::new(Clean), None, entries, [0; 32]);
            for cached in [false, entries > 0] {
                let file = File::open("/dev/null").expect("there").into();
                let scanned = layers.scanner().scan(Content { file, size: 0, sha256: [0; 32] }).await;
                assert_eq!(scanned.expect("an engine").cached, cached);
            }
            let once = entries as u64;
            assert_eq!(layers.cache_counts(), CacheCounts { hits: once, misses: once });
        }
    }
}
