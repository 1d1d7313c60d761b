//! `lazaret schedule show`: one schedule, and how far it has come.

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::schedule;

/// Show a schedule, and how far it has come
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    pub name: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is none of that name.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let found = schedule::find(cloud, &args.name).await?;
    if args.json {
        console.json(&found.document())?;
    } else {
        console.text(&found.text())?;
    }
    Ok(Outcome::NothingFound)
}
