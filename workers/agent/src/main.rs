//! The agent's task. See the library.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use lazaret_actions::promotion::Promotions;
use lazaret_agent::{Assembly, Deps, Environment, Metrics, run};
use lazaret_aws::sdk::Sdk;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init()
    } else {
        logs.json().init()
    }
    let worked = work().await.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "The agent failed"));
    worked.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

async fn work() -> anyhow::Result<()> {
    let environment = Environment::from_env()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sdk = Sdk::from_env().await;
    let (store, queue) = (Arc::new(sdk.store()), Arc::new(sdk.queue(&environment.queue_url)));
    let assembly = tokio::select! {
        assembly = Assembly::start(&environment, store.clone()) => Arc::new(assembly?),
        _ = term.recv() => return Ok(()), // nothing was received yet
    };
    let agent = environment.agent;
    tracing::info!(job.id = %agent.job_id, workers = agent.scan_workers, "The agent is ready");
    let read = Arc::clone(&assembly);
    let metrics = Metrics::new(agent.job_id.clone(), move || read.readings());
    let promotions = environment.promote_state_machine_arn.as_deref().map(|arn| Promotions {
        executions: Arc::new(sdk.executions(arn)),
        results_bucket: agent.results_bucket.clone(),
    });
    let deps = Deps { store, queue, scanner: assembly.scanner(), promotions };
    let result = tokio::select! {
        result = run(agent, deps, term.recv().map(|_| ())) => result,
        never = assembly.keep() => match never {},
        never = metrics.keep_writing() => match never {},
    };
    metrics.write();
    assembly.shutdown().await;
    Ok(result?)
}
