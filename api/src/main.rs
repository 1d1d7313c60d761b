//! The verdict API's task. See the library.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use lazaret_agent::policies::PolicyBook;
use lazaret_api::engine::Engine;
use lazaret_api::metrics::Readings;
use lazaret_api::upload::S3Uploads;
use lazaret_api::users::Cognito;
use lazaret_api::web::Web;
use lazaret_api::{App, Config, Ports, run};
use lazaret_aws::sdk::Sdk;
use lazaret_aws::{logs, trace};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    // standard output is for metrics
    logs::start(std::io::stderr);
    trace::start();
    let worked = work().await.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "The server failed"));
    worked.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

async fn work() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sdk = Sdk::from_env().await;
    let store = Arc::new(sdk.store());
    let web = Web::new().context("root certificates")?;
    let users = Cognito::new(web.clone(), &config.users);
    let policies = Arc::new(PolicyBook::open(store.clone(), config.results_bucket.clone()).await?);
    let engine = tokio::select! {
        engine = Engine::start(&config, store.clone()) => engine?,
        _ = term.recv() => return Ok(()), // nobody has asked anything yet
    };
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listening on {}", config.listen))?;
    tracing::info!(listen = %config.listen, workers = config.scan_workers, "The server is ready");
    let refresh = config.policies;
    let uploads = Arc::new(S3Uploads(sdk.s3_client()));
    let ports =
        Ports { scanner: engine.scanner(), store, uploads, users: Arc::new(users), policies: policies.clone(), web };
    let app = App::new(config, ports);
    let (tally, admission) = (Arc::clone(&app.tally), app.judge.admission.clone());
    let read =
        || Readings { definitions_age_seconds: engine.definitions_age_seconds(), queue_depth: admission.deepest() };
    let result = tokio::select! {
        result = run(app, listener, async move { term.recv().await.unwrap_or_default() }) => result,
        never = engine.keep() => match never {},
        never = policies.keep_fresh(refresh) => match never {},
        never = tally.keep_writing(read) => match never {},
    };
    tally.write(read());
    engine.shutdown().await;
    Ok(result?)
}
