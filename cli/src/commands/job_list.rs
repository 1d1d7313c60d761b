//! `lazaret job list`: the newest jobs.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use lazaret_aws::executions::{Execution, ExecutionStatus};
use lazaret_model::summary::Status;
use lazaret_model::{JobId, Totals};
use serde::Serialize;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::record::JobRecord;
use crate::summary_text::status_word;
use crate::units;

/// Summaries that are read at once.
const READS_AT_ONCE: usize = 8;

/// List the newest jobs
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// One job of the list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    job_id: String,
    status: Status,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    execution_arn: String,
    /// `None` while it runs, if it failed before its report, or if the summary can't be read.
    totals: Option<Totals>,
}

/// # Errors
/// If the executions can't be listed.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let executions = cloud.executions.list(args.limit).await?;
    let lines: Vec<Line> =
        stream::iter(executions).map(|execution| line(cloud, execution)).buffered(READS_AT_ONCE).collect().await;
    if args.json {
        console.json(&json!({"jobs": lines}))?;
    } else if lines.is_empty() {
        console.text("No jobs yet: `lazaret job start --bucket NAME` starts one.")?;
    } else {
        console.text(&table(&lines, Timestamp::now()))?;
    }
    Ok(Outcome::NothingFound)
}

/// A listing has no outputs: what was found is in the summary that each ended job left in the results bucket.
async fn line(cloud: &Cloud, execution: Execution) -> Line {
    let record = match execution.name.parse::<JobId>() {
        Ok(job_id) => JobRecord::of(cloud, &job_id, execution.clone()).await.ok(),
        // started by hand, with a name that no job can have: it fails at its first step
        Err(_) => None,
    };
    let summary = record.as_ref().and_then(|record| record.summary.clone());
    let status = match &record {
        // without its summary (removed, or not ours to read) a success is still no failure
        Some(record) if summary.is_some() || execution.status != ExecutionStatus::Succeeded => record.status(),
        _ => match execution.status {
            ExecutionStatus::Running => Status::Running,
            ExecutionStatus::Succeeded => Status::Complete,
            ExecutionStatus::Aborted => Status::Stopped,
            ExecutionStatus::Failed | ExecutionStatus::TimedOut => Status::Failed,
        },
    };
    Line {
        job_id: execution.name,
        status,
        started_at: execution.started_at,
        ended_at: execution.stopped_at,
        execution_arn: execution.arn,
        totals: summary.map(|summary| summary.totals),
    }
}

fn table(lines: &[Line], now: Timestamp) -> String {
    let ids: Vec<_> = lines.iter().map(|line| escape::line(&line.job_id)).collect();
    let width = ids.iter().map(|id| id.chars().count()).max().unwrap_or_default().max("JOB".len());
    let head = format!(
        "{:<width$}  {:<10}  {:<20}  {:>12}  {:>13}  {:>9}",
        "JOB", "STATUS", "STARTED", "TOOK", "OBJECTS", "INFECTED"
    );
    let rows = lines.iter().zip(&ids).map(|(line, id)| {
        let took = line.ended_at.unwrap_or(now).duration_since(line.started_at).as_secs_f64();
        let number =
            |of: fn(&Totals) -> u64| line.totals.as_ref().map_or("-".into(), |totals| units::count(of(totals)));
        format!(
            "{id:<width$}  {:<10}  {:<20}  {:>12}  {:>13}  {:>9}",
            status_word(line.status),
            line.started_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            units::duration(took),
            number(|totals| totals.in_window),
            number(|totals| totals.infected),
        )
    });
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use lazaret_model::layout;

    use super::*;
    use crate::testing::{Lab, summary};

    #[tokio::test]
    async fn jobs_are_listed_newest_first_with_what_they_found() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.put_json(&layout::summary_key(&job), &summary("job-1", 1_200, 3));
        lab.executions.succeed("job-1", json!({}));
        lab.start("job-2").await;
        run(&lab.cloud(), &ListArgs { limit: 20, json: true }, &mut lab.console()).await.expect("a list");
        let printed: serde_json::Value = serde_json::from_str(&lab.out.text()).expect("JSON");
        let jobs = printed["jobs"].as_array().expect("jobs");
        assert_eq!((&jobs[0]["jobId"], &jobs[0]["status"]), (&json!("job-2"), &json!("RUNNING")));
        assert_eq!((&jobs[1]["status"], &jobs[1]["totals"]["infected"]), (&json!("COMPLETE"), &json!(3)));

        let lab_text = Lab { out: crate::testing::Shared::default(), ..lab };
        run(&lab_text.cloud(), &ListArgs { limit: 1, json: false }, &mut lab_text.console()).await.expect("a list");
        let text = lab_text.out.text();
        assert!(text.contains("job-2  RUNNING") && !text.contains("job-1"), "{text}");
    }

    #[tokio::test]
    async fn no_jobs_say_how_to_start_one() {
        let lab = Lab::new();
        run(&lab.cloud(), &ListArgs { limit: 20, json: false }, &mut lab.console()).await.expect("a list");
        assert!(lab.out.text().contains("lazaret job start"));
    }
}
