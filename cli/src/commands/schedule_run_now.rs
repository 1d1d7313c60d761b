//! `lazaret schedule run-now`: a run that nobody waited for, under the schedule's own rules.

use anyhow::bail;
use lazaret_schedules::{Due, Outcome as Run, start};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::schedule;

/// Start a run of a schedule now
#[derive(Debug, Clone, clap::Args)]
pub struct RunNowArgs {
    pub name: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is none of that name, a run of it is under way that it may not follow, or the job can't be started.
pub async fn run(cloud: &Cloud, args: &RunNowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let found = schedule::find(cloud, &args.name).await?;
    let name = &found.name;
    let (word, job_id, text) = match start(&cloud.schedule_world(), name, &found.definition, Due::Now).await? {
        Run::Started { job_id, left_out } => {
            for bucket in left_out {
                console.note(&format!("Warning: bucket {bucket}: the run goes on without it"))?;
            }
            let text = format!("Started job {job_id}\nWatch it: lazaret job wait {job_id}");
            ("started", Some(job_id), text)
        }
        Run::Refused { running } => bail!(
            "job {running} of schedule `{name}` is under way: wait for it (`lazaret job wait {running}`), or have runs \
             queued (`--overlap queue`)"
        ),
        Run::Queued { behind } => ("queued", None, format!("Queued: a run follows as soon as job {behind} has ended.")),
        Run::Repeated | Run::NothingYet => {
            let wait = found.definition.settle_seconds;
            let text = format!(
                "Nothing to do: the last complete run ended less than a moment ago, but for {wait} s that objects settle."
            );
            ("nothing-yet", None, text)
        }
    };
    if args.json {
        console.json(&json!({"name": name, "outcome": word, "jobId": job_id}))?;
    } else {
        console.text(&text)?;
    }
    Ok(Outcome::NothingFound)
}
