//! The crawler's task. See the library.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use lazaret_aws::sdk::Sdk;
use lazaret_aws::{TaskCallback, logs};
use lazaret_crawler::{Config, Deps, Ending, config};
use lazaret_model::{CrawlId, Failure};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    logs::start(std::io::stderr);
    let sdk = Sdk::from_env().await;
    let callback = Arc::new(sdk.callback(config::task_token()?));
    let config = Config::from_env().and_then(|config| Ok((config, config::queue_url()?)));
    let (config, queue_url) = match config {
        Ok(read) => read,
        Err(error) => {
            // somebody waits: without this until the heartbeats are missed
            callback.fail(Failure::Permanent.name(), &error.to_string()).await?;
            return Err(error.into());
        }
    };
    // any number that no other attempt has
    let crawl_id = CrawlId::new(config.scope_index, uuid::Uuid::new_v4().as_fields().0);
    let span = tracing::info_span!("crawl", job.id = %config.job_id, crawl.id = %crawl_id);
    let deps = Deps { store: Arc::new(sdk.store()), queue: Arc::new(sdk.queue(&queue_url)), callback };
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let shutdown = async move {
        let _ = term.recv().await;
    };
    Ok(match lazaret_crawler::run(config, crawl_id, deps, shutdown).instrument(span).await? {
        Ending::Failed(_) => ExitCode::FAILURE,
        Ending::Answered(_) | Ending::Abandoned | Ending::Stopped => ExitCode::SUCCESS,
    })
}
