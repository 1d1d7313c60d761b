//! `lazaret events show`: how many events wait, and how many were given up.

use anyhow::Context;
use lazaret_aws::queue::{Depth, Queue};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::deployment::{EVENTS_DEAD_LETTER_QUEUE, EVENTS_QUEUE};
use crate::outcome::Outcome;
use crate::units;

/// Show how many events wait, and how many were given up
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no event flow here, or the queues can't be asked.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let waiting = queue(cloud, EVENTS_QUEUE).await?.depth().await?;
    let dead = queue(cloud, EVENTS_DEAD_LETTER_QUEUE).await?.depth().await?;
    if args.json {
        console.json(&json!({"queue": document(waiting), "deadLetters": document(dead)}))?;
        return Ok(Outcome::NothingFound);
    }
    let mut lines = vec![
        format!("Waiting       {}", units::count(waiting.visible + waiting.delayed)),
        format!("At an agent   {}", units::count(waiting.in_flight)),
        format!("Dead letters  {}", units::count(dead.visible + dead.in_flight + dead.delayed)),
    ];
    if dead.visible > 0 {
        lines.push(
            "What these told of may not have been scanned: docs/runbook.md; `lazaret events redrive` sends them again."
                .into(),
        );
    }
    console.text(&lines.join("\n"))?;
    Ok(Outcome::NothingFound)
}

/// A queue of the event flow.
///
/// # Errors
/// If there is none of that name.
pub async fn queue(cloud: &Cloud, name: &str) -> anyhow::Result<Arc<dyn Queue>> {
    let url = cloud.queues.url(name).await.with_context(|| format!("looking for the queue `{name}`"))?;
    let url = url.with_context(|| format!("there is no queue `{name}` here: deploy the stack `lazaret-events`"))?;
    Ok(cloud.queues.at(&url))
}

fn document(depth: Depth) -> Value {
    json!({"visible": depth.visible, "inFlight": depth.in_flight, "delayed": depth.delayed})
}
