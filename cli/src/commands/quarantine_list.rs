//! `lazaret quarantine list`: what stands in quarantine.

use jiff::Timestamp;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::moment;
use crate::outcome::Outcome;
use crate::quarantine::entry::Entry;
use crate::quarantine::find;
use crate::units;

/// Digits of an id in the table: they tell millions of copies apart.
const SHOWN_DIGITS: usize = 12;

/// List what stands in quarantine
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Only what was in this bucket
    #[arg(long, value_name = "BUCKET")]
    pub bucket: Option<String>,
    /// Only what came since then: 2026-01-31T12:00:00Z, 2026-01-31 (midnight UTC), or an age like 7d
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the quarantine can't be read.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let since = args.since.as_deref().map(|since| moment::parse(since, Timestamp::now())).transpose()?;
    let found = find::list(cloud, args.bucket.as_deref(), since).await?;
    if args.json {
        console.json(&json!({"copies": found.iter().map(Entry::document).collect::<Vec<_>>()}))?;
    } else if found.is_empty() {
        console.text("Nothing stands in quarantine.")?;
    } else {
        console.text(&table(&found))?;
    }
    Ok(Outcome::NothingFound)
}

fn table(found: &[Entry]) -> String {
    let threats: Vec<String> = found.iter().map(Entry::threat).collect();
    let width = threats.iter().map(|threat| threat.chars().count()).max().unwrap_or_default().max("THREAT".len());
    let mut lines = vec![format!("{:<SHOWN_DIGITS$}  {:<20}  {:>9}  {:<width$}  WAS", "ID", "SINCE", "SIZE", "THREAT")];
    lines.extend(found.iter().zip(&threats).map(|(entry, threat)| {
        format!(
            "{:.SHOWN_DIGITS$}  {}  {:>9}  {threat:<width$}  {}",
            entry.id,
            entry.record.quarantined_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            units::bytes(entry.record.row.object.size),
            entry.place(),
        )
    }));
    lines.join("\n")
}
