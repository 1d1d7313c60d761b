//! `lazaret scan`: files, folders and buckets, with nothing deployed.

use std::ffi::OsString;
use std::future::Future;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lazaret_agent::definitions::age::MaxAge;
use lazaret_agent::spool::Spool;
use lazaret_aws::ObjectStore;
use lazaret_aws::sdk::Sdk;
use tokio::signal::unix::{SignalKind, signal};

use crate::console::Console;
use crate::jail_args::JailArgs;
use crate::moment::{self, BadAge};
use crate::outcome::Outcome;
use crate::scan::engine::{EngineOptions, LocalEngine};
use crate::scan::files::Scanning;
use crate::scan::screen::{Format, Screen};
use crate::scan::target::Target;

/// Of all files in hand. Those above 32 MiB lie on the disk, in the scratch directory.
const BYTES_IN_HAND: u64 = 512 << 20;

/// Scan files, folders and buckets, with nothing deployed
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct ScanArgs {
    /// Files and folders, s3://BUCKET/PREFIX, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Print only what is infected
    #[arg(short, long)]
    pub infected: bool,
    /// Print one line of JSON a file or object
    #[arg(long)]
    pub json: bool,
    /// The directory with the definitions [default: /var/lib/clamav, if it has any]
    #[arg(long, env = "LAZARET_DEFINITIONS_DIR", value_name = "DIR", hide_env_values = true)]
    pub definitions: Option<PathBuf>,
    /// Under definitions that are older, like 7d or 12h, nothing is called clean; 0 does not look at their age
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = max_age)]
    pub definitions_max_age: MaxAge,
    /// Your own YARA rules, for a second engine: lazaret-yara beside lazaret-engine
    #[arg(long, env = "LAZARET_RULES_DIR", value_name = "DIR", hide_env_values = true)]
    pub rules: Option<PathBuf>,
    /// The engine's program [default: lazaret-engine beside lazaret]
    #[arg(long, env = "LAZARET_ENGINE", value_name = "PATH", hide_env_values = true)]
    pub engine: Option<PathBuf>,
    #[command(flatten)]
    pub jail: JailArgs,
    /// Scans at the same time [default: one a core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// A scan that takes longer is killed and is an error
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub scan_seconds: u64,
    /// Larger files and objects are not read and are unscannable
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX, hide_default_value = true)]
    pub max_file_bytes: u64,
    /// Scan the same bytes again, wherever they are met
    #[arg(long)]
    pub no_cache: bool,
    /// Where S3 is, if it is not AWS's own [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 all was read and nothing found, 1 something infected was found, 2 nothing infected was found, and \
                          something could not be read to its end; 130 after Ctrl-C.";

fn max_age(text: &str) -> Result<MaxAge, BadAge> {
    moment::parse_age(text).map(MaxAge::seconds)
}

/// # Errors
/// If there is nothing to scan with, or nobody to tell.
pub async fn run(
    args: &ScanArgs,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let targets: Vec<Target> = args.paths.iter().map(|path| Target::parse(path)).collect::<Result<_, _>>()?;
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let interrupt = async {
        tokio::select! {
            () = interrupt => {}
            _ = term.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    tokio::pin!(interrupt);
    let format = Format { json: args.json, infected_only: args.infected };
    let mut screen = Screen::new(console, format);
    screen.doing("Loading the definitions …");
    let workers = args.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let options = EngineOptions {
        definitions: args.definitions.clone(),
        max_age: args.definitions_max_age,
        engine: args.engine.clone().filter(|engine| !engine.as_os_str().is_empty()),
        workers,
        scan: Duration::from_secs(args.scan_seconds),
        allow_missing: args.jail.allow_missing(),
        cache: !args.no_cache,
        rules: args.rules.clone().filter(|rules| !rules.as_os_str().is_empty()),
    };
    let engine = tokio::select! {
        // polled first, it is heard before there is a process to be ended
        biased;
        () = &mut interrupt => return Ok(Outcome::Interrupted),
        engine = LocalEngine::start(options) => engine?,
    };
    let scanning = Scanning {
        scanner: engine.scanner(),
        spool: Spool::new(engine.scratch().to_owned(), BYTES_IN_HAND),
        workers,
        max_file_bytes: args.max_file_bytes,
    };
    screen.begin();
    let scanned = tokio::select! {
        scanned = scan(&scanning, &targets, args.endpoint_url.as_deref(), engine.warning(), &mut screen) => Some(scanned),
        () = &mut interrupt => None,
    };
    // whatever happened, nothing of it is left behind
    engine.end().await;
    match scanned {
        None => {
            screen.note("Interrupted: not everything was scanned.")?;
            screen.end()?;
            Ok(Outcome::Interrupted)
        }
        Some(Ok(())) => Ok(screen.end()?.outcome()),
        // what was found until then is found all the same
        Some(Err(error)) if screen.tally.infected > 0 && !is_broken_pipe(&error) => {
            screen.note(&format!("error: {}", crate::escape::line(&format!("{error:#}"))))?;
            Ok(screen.end()?.outcome())
        }
        Some(Err(error)) => Err(error),
    }
}

/// One argument after the other.
async fn scan(
    scanning: &Scanning,
    targets: &[Target],
    endpoint_url: Option<&str>,
    warning: Option<String>,
    screen: &mut Screen<'_>,
) -> anyhow::Result<()> {
    if let Some(warning) = warning {
        screen.note(&warning)?;
    }
    let mut store: Option<Arc<dyn ObjectStore>> = None;
    for target in targets {
        match target {
            Target::Stdin => scanning.stdin(screen).await?,
            Target::Path(path) => scanning.path(path, screen).await?,
            Target::Bucket(scope) => {
                let store = match &store {
                    Some(store) => Arc::clone(store),
                    None => Arc::clone(store.insert(connect(endpoint_url).await)),
                };
                scanning.bucket(store, scope, screen).await?;
            }
        }
    }
    Ok(())
}

async fn connect(endpoint_url: Option<&str>) -> Arc<dyn ObjectStore> {
    let sdk = match endpoint_url {
        Some(url) => Sdk::at_endpoint(url).await,
        None => Sdk::from_env().await,
    };
    Arc::new(sdk.store())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
