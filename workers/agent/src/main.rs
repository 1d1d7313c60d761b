//! The agent's task. See the library.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use lazaret_agent::config::Work;
use lazaret_agent::metrics::Teller;
use lazaret_agent::{AgentError, Assembly, Environment, Metrics, run, serve};
use lazaret_aws::sdk::Sdk;
use lazaret_aws::{logs, trace};
use tokio::signal::unix::{SignalKind, signal};

mod deps;

#[tokio::main]
async fn main() -> ExitCode {
    // standard output is for metrics
    logs::start(std::io::stderr);
    trace::start();
    let worked = work().await.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "The agent failed"));
    worked.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

async fn work() -> anyhow::Result<()> {
    let environment = Environment::from_env()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sdk = Sdk::from_env().await;
    let store = Arc::new(sdk.store());
    let assembly = tokio::select! {
        assembly = Assembly::start(&environment, store.clone()) => Arc::new(assembly?),
        _ = term.recv() => return Ok(()), // nothing was received yet
    };
    let agent = deps::agent(&sdk, store, &environment, assembly.scanner());
    let tally = Arc::clone(&agent.tally);
    let (settings, term) = (environment.settings, term.recv().map(|_| ()));
    let (teller, life): (_, BoxFuture<'_, Result<(), AgentError>>) = match environment.work {
        Work::Job(job) => {
            tracing::info!(job.id = %job.job_id, workers = settings.scan_workers, "The agent is ready");
            (Teller::Job(job.job_id.clone()), Box::pin(run(settings, job, agent, term)))
        }
        Work::Events(events) => {
            tracing::info!(workers = settings.scan_workers, "The agent is ready for events");
            let deps = deps::events(&sdk, agent, &events);
            (Teller::Events, Box::pin(serve(settings, events, deps, term)))
        }
    };
    let read = Arc::clone(&assembly);
    let metrics = Metrics::new(teller, tally, move || read.readings());
    let result = tokio::select! {
        result = life => result,
        never = assembly.keep() => match never {},
        never = metrics.keep_writing() => match never {},
    };
    metrics.write();
    assembly.shutdown().await;
    Ok(result?)
}
