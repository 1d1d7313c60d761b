//! `lazaret schedule enable` and `disable`.

use anyhow::bail;
use lazaret_schedules::ScheduleName;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;

/// Which schedule
#[derive(Debug, Clone, clap::Args)]
pub struct NameArgs {
    pub name: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is none of that name.
pub async fn enable(cloud: &Cloud, args: &NameArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    set(cloud, args, true, console).await
}

/// A run that is under way goes on.
///
/// # Errors
/// If there is none of that name.
pub async fn disable(cloud: &Cloud, args: &NameArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    set(cloud, args, false, console).await
}

async fn set(cloud: &Cloud, args: &NameArgs, enabled: bool, console: &mut Console) -> anyhow::Result<Outcome> {
    let name: ScheduleName = args.name.parse()?;
    if !cloud.scheduler.enable(name.as_str(), enabled).await? {
        bail!("there is no schedule `{name}`: `lazaret schedule list` has them all");
    }
    if args.json {
        console.json(&json!({"name": name, "enabled": enabled}))?;
    } else {
        console.text(&format!("Schedule {name} is {}.", if enabled { "enabled" } else { "disabled" }))?;
    }
    Ok(Outcome::NothingFound)
}
