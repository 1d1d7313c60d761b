//! The agent's task. See the library.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use lazaret_agent::cache::CacheCounts;
use lazaret_agent::definitions::{self, DefinitionsScanner, EngineLoader, Place};
use lazaret_agent::metrics::{Counted, Metrics, Readings};
use lazaret_agent::rules::{self, RulesScanner};
use lazaret_agent::{CachingScanner, Deps, Environment, Scanner};
use lazaret_aws::ObjectStore;
use lazaret_aws::sdk::Sdk;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An engine that has nothing to do ends at once; one in the middle of a scan may be killed.
const RULES_END: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    let logs = tracing_subscriber::fmt().with_writer(std::io::stderr);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if std::io::stderr().is_terminal() {
        logs.with_env_filter(filter).init();
    } else {
        logs.with_env_filter(filter).json().init();
    }
    match work().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The agent failed");
            ExitCode::FAILURE
        }
    }
}

async fn work() -> anyhow::Result<()> {
    let Environment { agent, engine, rules, definitions, verdict_cache_entries, queue_url } = Environment::from_env()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sdk = Sdk::from_env().await;
    let store = Arc::new(sdk.store());
    let in_force = Arc::new(DefinitionsScanner::new(definitions.max_age));
    let settings = engine.digest();
    let bucket = Some((store.as_ref() as &dyn ObjectStore, agent.results_bucket.as_str()));
    let rules = rules::start(&rules, &engine, bucket, &agent.scratch_dir, agent.scan_workers).await?.map(Arc::new);
    let loader = EngineLoader { settings: engine, scratch_dir: agent.scratch_dir.clone(), workers: agent.scan_workers };
    let place = Place {
        store: store.clone(),
        results_bucket: agent.results_bucket.clone(),
        scratch_dir: agent.scratch_dir.clone(),
    };
    let upkeep = tokio::select! {
        upkeep = definitions::start(definitions, loader, place, Arc::clone(&in_force)) => upkeep?,
        _ = term.recv() => return Ok(()), // nothing was received yet
    };
    tracing::info!(job.id = %agent.job_id, workers = agent.scan_workers, "The agent is ready");
    let engines: Arc<dyn Scanner> = match &rules {
        Some(rules) => Arc::new(RulesScanner::new(in_force.clone(), Arc::clone(rules))),
        None => in_force.clone(),
    };
    let cache = NonZeroUsize::new(verdict_cache_entries)
        .map(|entries| Arc::new(CachingScanner::new(Arc::clone(&engines), entries, settings)));
    let engine: Arc<dyn Scanner> = match &cache {
        Some(cache) => cache.clone(),
        None => engines,
    };
    let scanner = Arc::new(Counted::new(engine));
    let metrics = Metrics::new(agent.job_id.clone(), {
        let (in_force, scanner) = (Arc::clone(&in_force), Arc::clone(&scanner));
        move || {
            let CacheCounts { hits, misses } = cache.as_ref().map(|cache| cache.counts()).unwrap_or_default();
            Readings {
                definitions_age_seconds: in_force.in_force().and_then(|set| set.stamp.age_seconds(Timestamp::now())),
                scanned: scanner.scanned(),
                cache_hits: hits,
                cache_misses: misses,
            }
        }
    });
    let deps = Deps { store, queue: Arc::new(sdk.queue(&queue_url)), scanner };
    let shutdown = async move {
        let _ = term.recv().await;
    };
    let result = tokio::select! {
        result = lazaret_agent::run(agent, deps, shutdown) => result,
        never = upkeep.keep() => match never {},
        never = metrics.keep_writing() => match never {},
    };
    metrics.write();
    in_force.shutdown().await;
    if let Some(rules) = rules {
        rules.shutdown(RULES_END).await;
    }
    Ok(result?)
}
