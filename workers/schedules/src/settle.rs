//! A job has ended: was it the run of a schedule, and does another wait behind it?

use lazaret_model::JobId;
use tracing::info;

use crate::error::ScheduleError;
use crate::name::ScheduleName;
use crate::start::{Due, Outcome, start};
use crate::world::{Execution, World};

/// Times that a state is read anew because somebody else wrote it.
const TRIES: u32 = 20;

/// Notes how the run ended, if the job is one that is under way, and starts what was queued behind it. The next start does the same
/// where this never comes: it only makes it sooner.
///
/// # Errors
/// If S3 or Step Functions can't be asked; `NotEnded` if the job runs. It may be repeated.
pub async fn settle(world: &dyn World, job: &JobId) -> Result<Option<Outcome>, ScheduleError> {
    let Some(name) = ScheduleName::of_job(job.as_str()) else { return Ok(None) };
    for _ in 0..TRIES {
        let Some((mut state, version)) = world.read(&name).await? else { return Ok(None) };
        if state.running.as_ref().is_some_and(|run| run.job_id == *job) {
            if world.execution(job).await? != Execution::Ended {
                return Err(ScheduleError::NotEnded(job.clone()));
            }
            let complete = world.is_complete(job).await?;
            info!(job.id = %job, schedule = %name, complete, "Job `{job}` has ended");
            state.end(complete);
            if world.write(&name, &state, Some(&version)).await?.is_none() {
                continue;
            }
        }
        // also after a try that ended the run and went no further
        return match (state.running, state.queued) {
            (None, Some(definition)) => start(world, &name, &definition, Due::Now).await.map(Some),
            _ => Ok(None),
        };
    }
    Err(ScheduleError::Contended)
}
