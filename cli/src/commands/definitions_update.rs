//! `lazaret definitions update`: gets a set, has an engine try it, publishes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use lazaret_agent::config::EngineSettings;
use lazaret_agent::definitions::trial::try_out;
use lazaret_agent::engine::EngineScanner;
use lazaret_definitions::publish::{Tried, check_newer};
use lazaret_definitions::{DefinitionsSet, Move, Published, fetch, pointer, publish};
use serde_json::json;

use crate::cloud::Cloud;
use crate::commands::definitions_show::age;
use crate::console::Console;
use crate::freshclam::{Freshclam, SourceArgs};
use crate::jail_args::JailArgs;
use crate::outcome::Outcome;
use crate::units;

/// The engine's program, installed beside this one.
const ENGINE: &str = "lazaret-engine";

/// Two files of a line each.
const TRIAL: Duration = Duration::from_secs(60);
/// An engine that has nothing to do ends at once.
const END: Duration = Duration::from_secs(5);

/// Fetch new definitions with freshclam (or take a directory), try them, and publish them for all agents
#[derive(Debug, Clone, clap::Args)]
pub struct UpdateArgs {
    /// Publish the definitions in this directory in place of fetching any
    #[arg(long, value_name = "DIR", conflicts_with_all = ["custom_urls", "private_mirrors", "mirror", "custom_only", "dir", "freshclam"])]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Begin with the set in force where the folder of --dir is empty: freshclam then fetches differences
    #[arg(long, conflicts_with = "from")]
    pub seed: bool,
    /// The program that tries them [default: lazaret-engine beside lazaret]
    #[arg(long, value_name = "PATH")]
    pub engine: Option<PathBuf>,
    #[command(flatten)]
    pub jail: JailArgs,
    /// Put this set in force though a newer one is
    #[arg(long)]
    pub force: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no set, the engine can't load it or does not find EICAR with it, a newer one is in force, or the bucket can't be
/// written. What was in force stays so.
pub async fn run(cloud: &Cloud, args: &UpdateArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let directory = match &args.from {
        Some(directory) => directory.clone(),
        None => {
            let freshclam = Freshclam::prepare(&args.source)?;
            if args.seed {
                seed(cloud, &freshclam.database(), console).await?;
            }
            console.note(&format!("Running freshclam in {} …", freshclam.database().display()))?;
            freshclam.run(console).await?;
            freshclam.database()
        }
    };
    let set = read(&directory).await?;
    let (store, bucket) = (cloud.store.as_ref(), cloud.results_bucket.as_str());
    let how = if args.force { Move::Anywhere } else { Move::Forward };
    if how == Move::Forward {
        check_newer(store, bucket, &set).await?;
    }
    console.note(&format!("Trying {} with the engine …", set.version))?;
    let tried = try_set(args, &set).await?;
    console
        .note(&format!("It loads {} and finds EICAR; publishing …", units::counted(tried.signatures, "signature")))?;
    let published = publish(store, bucket, &set, &tried, how).await.context("the set was not published")?;
    if args.json {
        console.json(&document(&published))?;
    } else {
        console.text(&text(&published))?;
    }
    Ok(Outcome::NothingFound)
}

/// Puts the set in force into freshclam's empty folder. One that can't be fetched is no reason to have no newer one.
async fn seed(cloud: &Cloud, database: &Path, console: &mut Console) -> anyhow::Result<()> {
    if std::fs::read_dir(database)?.next().is_some() {
        return Ok(());
    }
    let (store, bucket) = (cloud.store.as_ref(), cloud.results_bucket.as_str());
    let fetched = match pointer(store, bucket).await {
        Ok(None) => return Ok(()),
        Ok(Some(pointer)) => {
            // it makes the folder itself, once all is there
            std::fs::remove_dir(database)?;
            fetch(store, bucket, &pointer, database).await
        }
        Err(error) => Err(error),
    };
    match fetched {
        Ok(manifest) => console.note(&format!("Beginning with {}, which is in force", manifest.version))?,
        Err(error) => {
            console.note(&format!("Warning: the set in force can't be had, so all is fetched anew: {error}"))?;
            std::fs::create_dir_all(database)?;
        }
    }
    Ok(())
}

/// Digests take a second: on a thread of their own, so that Ctrl-C is heard.
async fn read(directory: &Path) -> anyhow::Result<DefinitionsSet> {
    let directory = directory.to_owned();
    Ok(tokio::task::spawn_blocking(move || DefinitionsSet::read(&directory)).await??)
}

/// The same test that agents do, so that no set is published that they would refuse.
async fn try_set(args: &UpdateArgs, set: &DefinitionsSet) -> anyhow::Result<Tried> {
    let program = match &args.engine {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name(ENGINE),
    };
    if !program.is_file() {
        anyhow::bail!(
            "there is no engine at `{}`: install lazaret-engine there, or name it with --engine PATH",
            program.display()
        );
    }
    let refused = || format!("the set in `{}` is not published", set.directory.display());
    let scratch = tempfile::tempdir().context("a scratch directory for the engine")?;
    let settings = EngineSettings { allow_missing: args.jail.allow_missing(), ..EngineSettings::new(program, TRIAL) };
    let engine = EngineScanner::start(&settings, &set.directory, scratch.path(), 1).await.with_context(refused)?;
    let tried = try_out(&engine, scratch.path()).await;
    let info = engine.info();
    engine.shutdown(END).await;
    tried.with_context(refused)?;
    Ok(Tried { signatures: info.signatures, engine_version: info.engine_version })
}

fn document(published: &Published) -> serde_json::Value {
    let manifest = &published.manifest;
    json!({
        "version": manifest.version,
        "builtAt": manifest.built_at,
        "signatures": manifest.signatures,
        "engineVersion": manifest.engine_version,
        "files": manifest.files.len(),
        "bytes": manifest.bytes(),
        "new": published.new,
        "changed": published.changed(),
        "before": published.before,
    })
}

fn text(published: &Published) -> String {
    let manifest = &published.manifest;
    let age = age(manifest, Timestamp::now());
    if !published.changed() {
        return format!("Version {} is in force already, built {age} ago: nothing to do.", manifest.version);
    }
    let before = published.before.as_ref().map_or(String::new(), |before| format!(" in place of {before}"));
    format!(
        "Version {} is in force{before}: {}, built {age} ago.\nAgents that run change to it at their next look, five minutes apart \
         unless set otherwise.",
        manifest.version,
        units::counted(manifest.signatures, "signature"),
    )
}
