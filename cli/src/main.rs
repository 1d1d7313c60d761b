//! The command line `lazaret`. What it does stands in the library.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use lazaret_cli::args::{Cli, Command};
use lazaret_cli::commands::scan;
use lazaret_cli::connect::connect;
use lazaret_cli::console::Console;
use lazaret_cli::outcome::Outcome;
use lazaret_cli::run;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let mut console = Console::standard();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return console.usage(&error).into(),
    };
    start_tracing();
    match command(&cli, &mut console).await {
        Ok(outcome) => outcome.into(),
        Err(error) => console.error(&error).into(),
    }
}

async fn command(cli: &Cli, console: &mut Console) -> anyhow::Result<Outcome> {
    let interrupt = async {
        // without a handler there is no Ctrl-C to wait for: the default ends the process
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    // a scan needs no deployment, and of files not even a region
    if let Command::Scan(args) = &cli.command {
        return scan::run(args, console, interrupt).await;
    }
    let cloud = connect(cli).await?;
    run(&cli.command, &cloud, console, interrupt).await
}

/// Quiet unless RUST_LOG says otherwise: what a person should read goes through the console.
fn start_tracing() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if io::stderr().is_terminal() { log.init() } else { log.json().init() }
}
