//! Start scheduled: EventBridge Scheduler calls it when a run is due, EventBridge when a job has ended.

use std::sync::Arc;

use jiff::Timestamp;
use lazaret_aws::{Executions, ObjectStore, Uploads};
use lazaret_model::JobId;
use lazaret_model::metrics::names::watch::SCHEDULE_LEFT_OUT;
use lazaret_schedules::aws::Aws;
use lazaret_schedules::{Call, Due, Outcome, ScheduleError, settle, start};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::error::FunctionError;
use crate::told;

/// A call of Scheduler's, or *Step Functions Execution Status Change*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Input {
    Due(Call),
    Ended { detail: Ended },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The execution's name, which is the job's id.
    pub name: String,
}

/// For whoever looks at the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// `started`, `refused`, `queued`, `repeated`, `nothing-yet`; `settled` where no run was asked for.
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
}

/// What the function needs.
pub struct StartScheduled {
    pub store: Arc<dyn ObjectStore>,
    pub uploads: Arc<dyn Uploads>,
    /// The retro job's.
    pub executions: Arc<dyn Executions>,
    pub results_bucket: String,
}

impl StartScheduled {
    /// Safe to repeat, and to run beside itself.
    ///
    /// # Errors
    /// `Transient` where another call may do; `Permanent` if no bucket of the schedule can be scanned.
    pub async fn handle(&self, input: Input, now: Timestamp) -> Result<Output, FunctionError> {
        let world = Aws {
            store: self.store.clone(),
            uploads: self.uploads.clone(),
            executions: self.executions.clone(),
            results_bucket: self.results_bucket.clone(),
        };
        let outcome = match input {
            Input::Due(Call { schedule, definition, due }) => {
                // where Scheduler does not fill it in, the text is its own placeholder
                let due = Due::Scheduler(due.and_then(|due| due.parse().ok()));
                Some(start(&world, &schedule, &definition, due).await.map_err(|error| failure(&error))?)
            }
            Input::Ended { detail } => match JobId::try_from(detail.name) {
                Ok(job) => settle(&world, &job).await.map_err(|error| failure(&error))?,
                // an execution of such a name was no job
                Err(_) => None,
            },
        };
        if let Some(Outcome::Started { left_out, .. }) = &outcome {
            told::tell(now, vec![(SCHEDULE_LEFT_OUT, left_out.len() as u64)]);
        }
        Ok(tell(outcome))
    }
}

fn tell(outcome: Option<Outcome>) -> Output {
    let (word, job_id) = match outcome {
        Some(Outcome::Started { job_id, left_out }) => {
            for bucket in left_out {
                warn!(job.id = %job_id, "Job `{job_id}` goes on without a bucket: {bucket}");
            }
            ("started", Some(job_id))
        }
        Some(Outcome::Refused { running }) => ("refused", Some(running)),
        Some(Outcome::Queued { behind }) => ("queued", Some(behind)),
        Some(Outcome::Repeated) => ("repeated", None),
        Some(Outcome::NothingYet) => ("nothing-yet", None),
        None => ("settled", None),
    };
    info!(outcome = word, job.id = job_id.as_ref().map(JobId::as_str), "A schedule was looked at: {word}");
    Output { outcome: word.to_owned(), job_id }
}

fn failure(error: &ScheduleError) -> FunctionError {
    let text = error.to_string();
    if error.retryable() { FunctionError::transient(text) } else { FunctionError::permanent(text) }
}
