//! A schedule as EventBridge Scheduler keeps it, and how far it has come as S3 keeps that.

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_aws::scheduler::Scheduled;
use lazaret_schedules::aws::Aws;
use lazaret_schedules::{Call, Definition, Overlap, ScheduleName, ScheduleState, Takes, World};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::escape;

/// One schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub name: ScheduleName,
    pub scheduled: Scheduled,
    pub definition: Definition,
    /// Of one that never ran, an empty one.
    pub state: ScheduleState,
}

/// # Errors
/// If there is none of that name, or it is not one of ours.
pub async fn find(cloud: &Cloud, name: &str) -> anyhow::Result<Schedule> {
    let name: ScheduleName = name.parse()?;
    match read(cloud, name.as_str()).await? {
        Some(Ok(found)) => Ok(found),
        Some(Err(error)) => Err(error),
        None => bail!("there is no schedule `{name}`: `lazaret schedule list` has them all"),
    }
}

/// All of the group that are ours, in the order of their names.
///
/// # Errors
/// If they can't be read.
pub async fn all(cloud: &Cloud) -> anyhow::Result<Vec<Schedule>> {
    let mut found = Vec::new();
    for name in cloud.scheduler.list().await? {
        // deleted meanwhile, or somebody else's
        found.extend(read(cloud, &name).await?.and_then(Result::ok));
    }
    Ok(found)
}

/// The inner error: it is none of ours.
async fn read(cloud: &Cloud, name: &str) -> anyhow::Result<Option<anyhow::Result<Schedule>>> {
    let Some(scheduled) = cloud.scheduler.get(name).await? else { return Ok(None) };
    let call: Call = match serde_json::from_str(&scheduled.input) {
        Ok(call) => call,
        Err(error) => {
            let name = escape::line(name).to_string();
            let what = format!("schedule `{name}` does not call Lazaret as it wants to be called");
            return Ok(Some(Err(error).context(what)));
        }
    };
    let state = cloud.schedule_world().read(&call.schedule).await?.map(|(state, _)| state).unwrap_or_default();
    Ok(Some(Ok(Schedule { name: call.schedule, scheduled, definition: call.definition, state })))
}

impl Cloud {
    /// What runs of schedules speak to.
    pub fn schedule_world(&self) -> Aws {
        Aws {
            store: self.store.clone(),
            uploads: self.uploads.clone(),
            executions: self.executions.clone(),
            results_bucket: self.results_bucket.clone(),
        }
    }
}

pub fn takes(takes: Takes) -> &'static str {
    match takes {
        Takes::All => "all",
        Takes::New => "new",
    }
}

pub fn overlap(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Refuse => "refuse",
        Overlap::Queue => "queue",
    }
}

pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

impl Schedule {
    pub fn enabled(&self) -> &'static str {
        if self.scheduled.enabled { "enabled" } else { "disabled" }
    }

    /// The run that is under way, or how the last one ended.
    pub fn last(&self) -> String {
        match (&self.state.running, &self.state.last) {
            (Some(run), _) => format!("{} (under way)", time(run.claimed_at)),
            (None, Some(last)) if last.complete => time(last.claimed_at),
            (None, Some(last)) => format!("{} (not complete)", time(last.claimed_at)),
            (None, None) => "-".to_owned(),
        }
    }

    pub fn document(&self) -> Value {
        let Self { name, scheduled, definition, state } = self;
        json!({
            "name": name,
            "expression": scheduled.expression,
            "timezone": scheduled.timezone,
            "description": scheduled.description,
            "enabled": scheduled.enabled,
            "definition": definition,
            // without the uploads, of which there may be thousands
            "state": {
                "marks": state.marks.iter().map(|(scope, mark)| (scope.clone(), json!(mark.to))).collect::<serde_json::Map<_, _>>(),
                "running": state.running.as_ref().map(|run| json!({"jobId": run.job_id, "claimedAt": run.claimed_at})),
                "queued": state.queued.is_some(),
                "last": state.last,
                "runs": state.runs,
                "refused": state.refused,
                "leftOut": state.left_out,
            },
        })
    }

    pub fn text(&self) -> String {
        let Self { name, scheduled, definition, state } = self;
        let buckets: Vec<_> =
            definition.buckets.iter().map(|scope| escape::line(&scope.to_string()).to_string()).collect();
        let mut lines = vec![
            format!("Schedule     {name}, {}", self.enabled()),
            format!("Every        {} ({})", escape::line(&scheduled.expression), escape::line(&scheduled.timezone)),
            format!("Buckets      {}", buckets.join(", ")),
            format!("Scope        {}", takes(definition.takes)),
            format!("Overlap      {}", overlap(definition.overlap)),
        ];
        if !scheduled.description.is_empty() {
            lines.push(format!("Description  {}", escape::line(&scheduled.description)));
        }
        lines.push(format!("Runs         {}, {} refused", state.runs, state.refused));
        if let Some(run) = &state.running {
            lines.push(format!("Under way    {}, since {}", run.job_id, time(run.claimed_at)));
        }
        if state.queued.is_some() {
            lines.push("Queued       a run follows at once".to_owned());
        }
        if let Some(last) = &state.last {
            let how = if last.complete { "complete" } else { "not complete" };
            lines.push(format!("Last run     {}, {how}", last.job_id));
        }
        if definition.takes == Takes::New {
            for scope in &definition.buckets {
                let from = state.from(scope, definition);
                lines.push(format!("Next from    {}  {}", time(from), escape::line(&scope.to_string())));
            }
        }
        lines.extend(state.left_out.iter().map(|left| format!("! bucket {left}: the last run did without it")));
        lines.join("\n")
    }
}
