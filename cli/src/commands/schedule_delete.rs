//! `lazaret schedule delete`.

use anyhow::bail;
use lazaret_schedules::ScheduleName;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;

/// Delete a schedule; a job of it that runs goes on
#[derive(Debug, Clone, clap::Args)]
pub struct DeleteArgs {
    pub name: String,
    /// Keep how far it has come: one that is made again under its name goes on there
    #[arg(long)]
    pub keep_marks: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is none of that name.
pub async fn run(cloud: &Cloud, args: &DeleteArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let name: ScheduleName = args.name.parse()?;
    if !cloud.scheduler.delete(name.as_str()).await? {
        bail!("there is no schedule `{name}`: `lazaret schedule list` has them all");
    }
    if !args.keep_marks {
        cloud.schedule_world().forget(&name).await?;
    }
    if args.json {
        console.json(&json!({"name": name, "deleted": true, "marksKept": args.keep_marks}))?;
    } else {
        console.text(&format!("Deleted schedule {name}."))?;
    }
    Ok(Outcome::NothingFound)
}
