//! Watches a job until it ends, with a bar on a terminal and plain lines elsewhere.
//!
//! * [`snapshot`]: one look at the execution, the workers' counters and the plan.
//! * [`pace`]: how fast it goes and how long it will take.
//! * [`lines`], [`bar`]: the two views.

pub mod bar;
pub mod lines;
pub mod pace;
pub mod snapshot;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use lazaret_aws::executions::{Execution, ExecutionStatus};
use lazaret_model::JobId;
use tokio::time::Instant;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::watch::bar::BarView;
use crate::watch::lines::LineView;
use crate::watch::pace::Pace;
use crate::watch::snapshot::{Poller, Snapshot};

/// A short job deserves quick news; an hour's job changes little in 5 s, and its polls are billed requests.
const POLL_FIRST: Duration = Duration::from_secs(1);
const POLL_LAST: Duration = Duration::from_secs(5);
/// How long the services may fail in a row (throttling, a laptop between two networks) before watching is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How watching ended.
#[derive(Debug)]
pub enum Ended {
    /// The job did.
    Job(Box<Execution>),
    /// The person did not want to wait longer.
    Interrupted,
}

/// Shows what there is to see.
trait View {
    fn show(&mut self, snapshot: &Snapshot, pace: &Pace, console: &mut Console) -> std::io::Result<()>;
    /// Leaves the place to what comes next.
    fn close(&mut self);
}

/// Polls until the job ends or `interrupt` does.
///
/// # Errors
/// If the services can't be asked for two minutes, or refuse. The job goes on.
pub async fn until_ended(
    cloud: &Cloud,
    job_id: &JobId,
    console: &mut Console,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let mut view: Box<dyn View + Send> =
        if console.err_is_terminal { Box::new(BarView::begin()) } else { Box::new(LineView::default()) };
    let ended = poll(cloud, job_id, console, view.as_mut(), interrupt).await;
    view.close();
    ended
}

async fn poll(
    cloud: &Cloud,
    job_id: &JobId,
    console: &mut Console,
    view: &mut (dyn View + Send),
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let mut interrupt = pin!(interrupt);
    let mut poller = Poller::new(cloud, job_id);
    let mut pace = Pace::default();
    let begun = Instant::now();
    let mut answered = begun;
    loop {
        let look = tokio::select! {
            look = poller.look() => look,
            () = &mut interrupt => return Ok(Ended::Interrupted),
        };
        match look {
            Ok(snapshot) => {
                answered = Instant::now();
                if let Some(note) = poller.take_note() {
                    console.note(&note)?;
                }
                if snapshot.execution.status != ExecutionStatus::Running {
                    return Ok(Ended::Job(Box::new(snapshot.execution)));
                }
                pace.add(begun.elapsed(), &snapshot);
                view.show(&snapshot, &pace, console)?;
            }
            Err(error) if error.retryable() && answered.elapsed() < PATIENCE => {
                tracing::debug!(job.id = %job_id, %error, "Could not look, trying again");
            }
            Err(error) => bail!(
                "{}; the job goes on without being watched: `lazaret job wait {job_id}` watches it again",
                escape::line(&error.to_string())
            ),
        }
        tokio::select! {
            () = tokio::time::sleep(interval(begun.elapsed())) => {}
            () = &mut interrupt => return Ok(Ended::Interrupted),
        }
    }
}

/// A second at first, then a thirtieth of the time that the job was watched, five seconds at last.
fn interval(watched: Duration) -> Duration {
    (watched / 30).clamp(POLL_FIRST, POLL_LAST)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lazaret_model::{Progress, layout};

    use super::*;
    use crate::testing::{Lab, plan, summary};

    #[tokio::test(start_paused = true)]
    async fn a_job_is_watched_to_its_end_in_lines_that_say_what_changed() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let (cloud, mut console) = (lab.cloud(), lab.console());
        let watched = until_ended(&cloud, &job, &mut console, pending());
        let story = async {
            let pause = || tokio::time::sleep(Duration::from_secs(10));
            lab.executions.enter("job-1", "Crawl buckets");
            let crawled = Progress { crawled: 1_500, matched: 1_200, ..Progress::default() };
            lab.put_json(&layout::progress_key(&job, "crawl-0000-00000001"), &crawled);
            pause().await;
            lab.executions.enter("job-1", "Launch agents");
            lab.put_json(&layout::plan_key(&job), &plan(&job, 1_200, 3));
            for (agent, scanned) in [("agent-a", 300), ("agent-b", 300)] {
                let progress = Progress { scanned, infected: 1, bytes: scanned * 1_000, ..Progress::default() };
                lab.put_json(&layout::progress_key(&job, agent), &progress);
            }
            pause().await;
            pause().await;
            lab.executions.succeed("job-1", serde_json::to_value(summary("job-1", 1_200, 2)).expect("JSON"));
        };
        let (ended, ()) = tokio::join!(watched, story);
        assert!(matches!(ended.expect("watched"), Ended::Job(execution) if execution.output.is_some()));
        let text = lab.err.text();
        assert!(text.contains("Crawl buckets: 1,500 objects crawled, 1,200 matched\n"), "{text}");
        assert!(text.contains("Launch agents: 600 of 1,200 objects scanned, 2 infected"), "{text}");
        // nothing changed in the second pause of 10 s
        assert!(text.lines().count() <= 3, "{text}");
        assert_eq!(lab.out.text(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_ends_the_watch_and_not_the_job() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        let interrupt = tokio::time::sleep(Duration::from_secs(3));
        let ended = until_ended(&lab.cloud(), &job, &mut lab.console(), interrupt).await.expect("watched");
        assert!(matches!(ended, Ended::Interrupted));
        let execution = lab.cloud().executions.describe("job-1").await.expect("known").expect("known");
        assert_eq!(execution.status, ExecutionStatus::Running);
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_that_stays_unknown_ends_the_watch_after_two_minutes() {
        let lab = Lab::new();
        let job: JobId = "job-1".parse().expect("an id");
        let begun = Instant::now();
        let error = until_ended(&lab.cloud(), &job, &mut lab.console(), pending()).await.expect_err("unknown");
        assert!(begun.elapsed() >= PATIENCE && error.to_string().contains("lazaret job wait job-1"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn progress_that_may_not_be_read_is_said_once_and_the_job_is_still_watched() {
        let lab = Lab::new();
        let job = lab.start("job-1").await;
        lab.store.deny(crate::testing::RESULTS);
        let interrupt = tokio::time::sleep(Duration::from_secs(30));
        let ended = until_ended(&lab.cloud(), &job, &mut lab.console(), interrupt).await.expect("watched");
        assert!(matches!(ended, Ended::Interrupted));
        assert_eq!(lab.err.text().matches("counters can't be read").count(), 1, "{}", lab.err.text());
    }

    #[test]
    fn polls_grow_from_one_second_to_five() {
        let seconds = |watched| interval(Duration::from_secs(watched)).as_secs();
        assert_eq!([seconds(0), seconds(60), seconds(90), seconds(100_000)], [1, 2, 3, 5]);
    }
}
