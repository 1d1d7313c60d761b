//! `lazaret schedule list`: all schedules.

use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::schedule::{self, Schedule, takes};

/// List the schedules
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If they can't be read.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let found = schedule::all(cloud).await?;
    if args.json {
        console.json(&json!({"schedules": found.iter().map(Schedule::document).collect::<Vec<_>>()}))?;
    } else if found.is_empty() {
        console.text("No schedules: `lazaret schedule create NAME --bucket BUCKET --every daily` makes one.")?;
    } else {
        console.text(&table(&found))?;
    }
    Ok(Outcome::NothingFound)
}

fn table(found: &[Schedule]) -> String {
    let every = |one: &Schedule| {
        let zone = &one.scheduled.timezone;
        escape::line(&format!("{} {zone}", one.scheduled.expression)).to_string()
    };
    let width =
        |of: &dyn Fn(&Schedule) -> usize, head: &str| found.iter().map(of).max().unwrap_or_default().max(head.len());
    let names = width(&|one| one.name.as_str().len(), "NAME");
    let times = width(&|one| every(one).chars().count(), "EVERY");
    let mut lines = vec![format!("{:<names$}  {:<times$}  {:<8}  {:<5}  LAST RUN", "NAME", "EVERY", "STATE", "SCOPE")];
    for one in found {
        lines.push(format!(
            "{:<names$}  {:<times$}  {:<8}  {:<5}  {}",
            one.name.as_str(),
            every(one),
            one.enabled(),
            takes(one.definition.takes),
            one.last(),
        ));
        lines.extend(one.state.left_out.iter().map(|left| format!("{:names$}  ! bucket {left}", "")));
    }
    lines.join("\n")
}
