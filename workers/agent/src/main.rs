//! The agent's task. See the library.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lazaret_agent::engine::EngineScanner;
use lazaret_agent::{Deps, Environment};
use lazaret_aws::sdk::Sdk;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An engine that has nothing to do ends at once; one in the middle of a scan may be killed.
const ENGINE_END: Duration = Duration::from_secs(2);

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
    let Environment { agent, engine, queue_url } = Environment::from_env()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sdk = Sdk::from_env().await;
    let scanner = tokio::select! {
        scanner = EngineScanner::start(engine, &agent.scratch_dir, agent.scan_workers) => Arc::new(scanner?),
        _ = term.recv() => return Ok(()), // nothing was received yet
    };
    tracing::info!(job.id = %agent.job_id, workers = agent.scan_workers, "The engine is ready");
    let deps = Deps { store: Arc::new(sdk.store()), queue: Arc::new(sdk.queue(&queue_url)), scanner: scanner.clone() };
    let shutdown = async move {
        let _ = term.recv().await;
    };
    let result = lazaret_agent::run(agent, deps, shutdown).await;
    scanner.shutdown(ENGINE_END).await;
    Ok(result?)
}
