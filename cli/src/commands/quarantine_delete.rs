//! `lazaret quarantine delete`: takes a copy away for good.

use anyhow::bail;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::quarantine::find;
use crate::quarantine::remove::{Removed, take_away};

/// Delete a copy in quarantine, all versions of it, and its record
#[derive(Debug, Clone, clap::Args)]
pub struct DeleteArgs {
    /// At least 8 of its digits, or its whole key
    pub id: String,
    /// Do it: without this, it is only said what would be done
    #[arg(long)]
    pub yes: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such copy, or it may not be deleted.
pub async fn run(cloud: &Cloud, args: &DeleteArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let found = find::one(cloud, &args.id).await?;
    if !args.yes {
        bail!(
            "this would delete {} ({}, which was {}) for good: add --yes to do it",
            found.id,
            found.threat(),
            found.place()
        );
    }
    if let Removed::Locked(until) = take_away(cloud, &found.key).await? {
        bail!(
            "{} stays until {until}: Object Lock keeps it. A role with s3:BypassGovernanceRetention may delete it in S3",
            found.id
        );
    }
    if args.json {
        console.json(&json!({"id": found.id, "deleted": true}))?;
    } else {
        console.text(&format!("Deleted {} ({}, which was {}).", found.id, found.threat(), found.place()))?;
    }
    Ok(Outcome::NothingFound)
}
