//! `lazaret-local-runner`: serves the API, or is one of the two small processes that stand around each container.

use std::process::ExitCode;

use lazaret_local_runner::{Config, run, supervise};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// One thread, on purpose: the kernel's parent-death signal fires when the *thread* that started a process ends, and
/// the main thread ends last.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some(supervise::SUPERVISE) => supervise::supervise(arguments).await,
        Some(supervise::EXEC) => supervise::exec(arguments),
        Some(other) => anyhow::bail!("unknown command `{other}`; the runner is set up by LAZARET_RUNNER_* variables"),
        None => serve().await,
    }
}

async fn serve() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .init();
    let config = Config::from_env()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    run(config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
