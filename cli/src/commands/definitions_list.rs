//! `lazaret definitions list`: every version that was published.

use jiff::Timestamp;
use lazaret_definitions::{list, pointer};
use lazaret_model::{DefinitionsManifest, DefinitionsVersion};
use serde_json::json;

use crate::cloud::Cloud;
use crate::commands::definitions_show::{age, document};
use crate::console::Console;
use crate::outcome::Outcome;
use crate::units;

/// List the published definitions, the one in force marked
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the bucket can't be read.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let (store, bucket) = (cloud.store.as_ref(), cloud.results_bucket.as_str());
    let listing = list(store, bucket).await?;
    let in_force = pointer(store, bucket).await?.map(|pointer| pointer.version);
    for error in &listing.unreadable {
        console.note(&format!("Warning: {error}"))?;
    }
    let now = Timestamp::now();
    if args.json {
        let versions = listing.versions.iter().map(|version| document(version, in_force.as_ref(), now));
        console.json(&json!({"inForce": in_force, "versions": versions.collect::<Vec<_>>()}))?;
    } else if listing.versions.is_empty() {
        console.text("No definitions are published yet: `lazaret definitions update` does it.")?;
    } else {
        console.text(&table(&listing.versions, in_force.as_ref(), now))?;
    }
    Ok(Outcome::NothingFound)
}

fn table(versions: &[DefinitionsManifest], in_force: Option<&DefinitionsVersion>, now: Timestamp) -> String {
    let width = versions.iter().map(|version| version.version.as_str().len()).max().unwrap_or_default();
    let head =
        format!("  {:<width$}  {:>13}  {:<20}  {:>10}  {:>10}", "VERSION", "BUILT", "PUBLISHED", "SIGNATURES", "SIZE");
    let rows = versions.iter().map(|version| {
        format!(
            "{} {:<width$}  {:>13}  {:<20}  {:>10}  {:>10}",
            if in_force == Some(&version.version) { '*' } else { ' ' },
            version.version.as_str(),
            format!("{} ago", age(version, now)),
            version.published_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            units::count(version.signatures),
            units::bytes(version.bytes()),
        )
    });
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}
