//! `lazaret definitions show`: one version, with its files.

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_definitions::{pointer, read_manifest};
use lazaret_model::{DefinitionsManifest, DefinitionsVersion};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::units;

/// Show one version of the definitions: its age, its signatures, its files
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// The version [default: the one in force]
    pub version: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such version, or none at all.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let (store, bucket) = (cloud.store.as_ref(), cloud.results_bucket.as_str());
    let in_force = pointer(store, bucket).await?.map(|pointer| pointer.version);
    let version = match (&args.version, &in_force) {
        (Some(text), _) => text.parse::<DefinitionsVersion>().context("no such version")?,
        (None, Some(version)) => version.clone(),
        (None, None) => bail!("no definitions are published yet: `lazaret definitions update` does it"),
    };
    let manifest = read_manifest(store, bucket, &version).await?;
    if args.json {
        console.json(&document(&manifest, in_force.as_ref(), Timestamp::now()))?;
    } else {
        console.text(&text(&manifest, in_force.as_ref() == Some(&version)))?;
    }
    Ok(Outcome::NothingFound)
}

/// How long ago a set was built, for a person.
pub fn age(manifest: &DefinitionsManifest, now: Timestamp) -> String {
    units::duration(now.duration_since(manifest.built_at).as_secs_f64())
}

/// The manifest, whether it is in force, and its age.
pub fn document(manifest: &DefinitionsManifest, in_force: Option<&DefinitionsVersion>, now: Timestamp) -> Value {
    let mut document = json!(manifest);
    document["inForce"] = json!(in_force == Some(&manifest.version));
    document["ageSeconds"] = json!(manifest.stamp().age_seconds(now));
    document
}

fn text(manifest: &DefinitionsManifest, in_force: bool) -> String {
    let moment = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let mut lines = vec![
        format!("Version     {}{}", manifest.version, if in_force { ", in force" } else { "" }),
        format!("Built       {}, {} ago", moment(manifest.built_at), age(manifest, Timestamp::now())),
        format!("Published   {}", moment(manifest.published_at)),
        format!("Signatures  {}, by {}", units::count(manifest.signatures), manifest.engine_version),
        format!("Files       {}, {}", manifest.files.len(), units::bytes(manifest.bytes())),
    ];
    for file in &manifest.files {
        lines.push(format!("  {}  {:>10}  {}", file.sha256, units::bytes(file.bytes), file.name));
    }
    lines.join("\n")
}
