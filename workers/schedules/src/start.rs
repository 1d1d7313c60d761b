//! Starts a run. Whatever fails in between, the next call finds it in the state and goes on from there.

use jiff::{SignedDuration, Timestamp};
use lazaret_aws::executions::Started;
use lazaret_model::JobId;
use lazaret_model::selection::TOLERANCE;
use tracing::{info, warn};

use crate::definition::{Definition, Overlap, Takes};
use crate::error::ScheduleError;
use crate::name::ScheduleName;
use crate::state::{LeftOut, Run, RunScope, ScheduleState};
use crate::world::{Execution, World};

/// Times that a state is read anew because somebody else wrote it.
const TRIES: u32 = 20;
/// Step Functions may not know a job yet that was started a moment ago, and forgets it after 90 days.
const SURELY_KNOWN: SignedDuration = SignedDuration::from_hours(24);

/// Who asks for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Scheduler, with the time that it was due if that is known: it may call twice.
    Scheduler(Option<Timestamp>),
    /// A person, or the queue.
    Now,
}

impl Due {
    fn at(self) -> Option<Timestamp> {
        match self {
            Self::Scheduler(at) => at,
            Self::Now => None,
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Started {
        job_id: JobId,
        left_out: Vec<LeftOut>,
    },
    /// The run before is still under way.
    Refused {
        running: JobId,
    },
    /// It follows as soon as that one has ended.
    Queued {
        behind: JobId,
    },
    /// Scheduler's call came once more.
    Repeated,
    /// The last complete run ended so little ago that nothing is old enough.
    NothingYet,
}

/// Starts a run of the schedule: after [`Outcome::Started`] its job runs. Objects that are too young are left to the next.
///
/// # Errors
/// If S3 or Step Functions can't be asked, or no bucket can be scanned. The call may be repeated.
pub async fn start(
    world: &dyn World,
    name: &ScheduleName,
    definition: &Definition,
    due: Due,
) -> Result<Outcome, ScheduleError> {
    for _ in 0..TRIES {
        let (state, version) = match world.read(name).await? {
            Some((state, version)) => (state, Some(version)),
            None => (ScheduleState::default(), None),
        };
        let call = Attempt { world, name, definition, due, version: version.as_deref() };
        let outcome = match state.running.clone() {
            Some(run) => call.beside(state, run).await?,
            None => call.claim(state).await?,
        };
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
    Err(ScheduleError::Contended)
}

/// One look at the state, and what follows from it. `None` means: look again.
struct Attempt<'a> {
    world: &'a dyn World,
    name: &'a ScheduleName,
    definition: &'a Definition,
    due: Due,
    version: Option<&'a str>,
}

impl Attempt<'_> {
    fn is_repeated(&self, state: &ScheduleState) -> bool {
        matches!((self.due.at(), state.last_due), (Some(due), Some(last)) if due <= last)
    }

    async fn write(&self, state: &ScheduleState) -> Result<Option<String>, ScheduleError> {
        self.world.write(self.name, state, self.version).await
    }

    /// There is a run: does it still go on?
    async fn beside(&self, mut state: ScheduleState, run: Run) -> Result<Option<Outcome>, ScheduleError> {
        let running = match self.world.execution(&run.job_id).await? {
            Execution::Running => true,
            Execution::Ended => false,
            // however old the claim is: somebody may still be about to start this very job, and it can be started but once
            Execution::Unknown if run.started_at.is_none() && !self.world.is_complete(&run.job_id).await? => {
                return self.take_up(state, run).await;
            }
            Execution::Unknown => {
                let since = run.started_at.unwrap_or(run.claimed_at);
                self.world.time(self.name).await?.duration_since(since) < SURELY_KNOWN
            }
        };
        if !running {
            let complete = self.world.is_complete(&run.job_id).await?;
            info!(job.id = %run.job_id, schedule = %self.name, complete, "Job `{}` has ended", run.job_id);
            state.end(complete);
            self.write(&state).await?;
            return Ok(None);
        }
        if self.is_repeated(&state) {
            return Ok(Some(Outcome::Repeated));
        }
        state.last_due = self.due.at().or(state.last_due);
        let outcome = match self.definition.overlap {
            Overlap::Refuse => {
                state.refused = state.refused.saturating_add(1);
                Outcome::Refused { running: run.job_id }
            }
            Overlap::Queue => {
                state.queued = Some(self.definition.clone());
                Outcome::Queued { behind: run.job_id }
            }
        };
        Ok(self.write(&state).await?.map(|_| outcome))
    }

    /// Somebody claimed a run and went no further.
    async fn take_up(&self, state: ScheduleState, run: Run) -> Result<Option<Outcome>, ScheduleError> {
        let job_id = run.job_id.clone();
        warn!(job.id = %job_id, schedule = %self.name, "Job `{job_id}` was claimed and not started: starting it");
        let repeated = self.is_repeated(&state);
        let left_out = state.left_out.clone();
        let now = self.world.time(self.name).await?;
        let started = self.launch(state, run, now, self.version.map(str::to_owned)).await?;
        // Scheduler's own try of before: this is its run
        Ok((started && repeated).then_some(Outcome::Started { job_id, left_out }))
    }

    /// There is no run: this is to be one.
    async fn claim(&self, mut state: ScheduleState) -> Result<Option<Outcome>, ScheduleError> {
        if self.is_repeated(&state) {
            return Ok(Some(Outcome::Repeated));
        }
        // the time first, then the uploads: whatever began before `to` is in their list, or has been ended
        let now = self.world.time(self.name).await?;
        let (scopes, left_out) = self.scopes(&state, now).await?;
        let changed = state.left_out != left_out;
        state.left_out.clone_from(&left_out);
        if scopes.is_empty() {
            if left_out.len() == self.buckets().len() {
                if changed {
                    self.write(&state).await?;
                }
                return Err(ScheduleError::NoBucketLeft(left_out));
            }
            state.last_due = self.due.at().or(state.last_due);
            state.queued = None;
            return Ok(self.write(&state).await?.map(|_| Outcome::NothingYet));
        }
        let run = Run {
            job_id: self.name.job(now, state.runs.saturating_add(1)),
            claimed_at: now,
            takes: self.definition.takes,
            to: now - self.definition.settle(),
            scopes,
            target_minutes: self.definition.target_minutes,
            limits: self.definition.limits,
            started_at: None,
        };
        let job_id = run.job_id.clone();
        state.claim(run.clone(), self.due.at());
        let Some(version) = self.write(&state).await? else { return Ok(None) };
        let started = self.launch(state, run, now, Some(version)).await?;
        Ok(started.then_some(Outcome::Started { job_id, left_out }))
    }

    fn buckets(&self) -> Vec<&str> {
        let mut buckets: Vec<&str> = self.definition.buckets.iter().map(|scope| scope.name.as_str()).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    /// What of the definition can be scanned now.
    async fn scopes(
        &self,
        state: &ScheduleState,
        now: Timestamp,
    ) -> Result<(Vec<RunScope>, Vec<LeftOut>), ScheduleError> {
        let mut left_out = Vec::new();
        for bucket in self.buckets() {
            if let Some(why) = self.world.look(bucket).await? {
                left_out.push(LeftOut { bucket: bucket.to_owned(), why });
            }
        }
        let to = now - self.definition.settle();
        let mut scopes = Vec::new();
        for scope in &self.definition.buckets {
            if left_out.iter().any(|left| left.bucket == scope.name) {
                continue;
            }
            let from = state.from(scope, self.definition);
            let open = match self.definition.takes {
                Takes::All => Vec::new(),
                Takes::New if from >= to => continue,
                Takes::New => self.world.open_uploads(scope).await?,
            };
            // one that began later is in no window yet
            let open = open.into_iter().filter(|upload| upload.initiated <= to + TOLERANCE).collect();
            scopes.push(RunScope { scope: scope.clone(), from, open });
        }
        Ok((scopes, left_out))
    }

    /// Starts the job of a claim, which may have been started before: nothing of it depends on who does it. `false` means: look again.
    async fn launch(
        &self,
        mut state: ScheduleState,
        run: Run,
        now: Timestamp,
        version: Option<String>,
    ) -> Result<bool, ScheduleError> {
        for (index, selection) in (0..).zip(state.selections(&run)) {
            self.world.write_selection(&run.job_id, index, &selection).await?;
        }
        match self.world.start(&run.job_id, &run.input(self.name)).await {
            Ok(Started::New(_)) => {}
            Ok(Started::Exists) => return Ok(false),
            Err(error) => {
                // what can't be started by anybody must not be in the way of a run that can
                if !error.retryable() {
                    state.end(false);
                    self.world.write(self.name, &state, version.as_deref()).await?;
                }
                return Err(error);
            }
        }
        if let Some(run) = &mut state.running {
            run.started_at = Some(now);
        }
        // only saves a question later
        if let Err(error) = self.world.write(self.name, &state, version.as_deref()).await {
            warn!(job.id = %run.job_id, schedule = %self.name, "That the job was started could not be noted: {error}");
        }
        Ok(true)
    }
}
