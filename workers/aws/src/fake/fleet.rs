//! A fake ECS cluster.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{locked, throttled};
use crate::ServiceError;
use crate::tasks::{RunningTask, TaskFleet};

/// Tasks that run until they are stopped or end by themselves.
#[derive(Debug, Clone, Default)]
pub struct FakeFleet {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tasks: Vec<Task>,
    started: u64,
    looks_to_stop: u32,
    throttles: u32,
}

#[derive(Debug)]
struct Task {
    job_id: String,
    running: RunningTask,
    /// Why it was asked to stop, and for how many more looks it is still there.
    stopping: Option<(String, u32)>,
}

impl FakeFleet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task of a job; returns its ARN.
    pub fn start(&self, job_id: &str, family: &str) -> String {
        let mut state = locked(&self.state);
        state.started += 1;
        let arn = format!("arn:aws:ecs:eu-test-1:000000000000:task/lazaret/{:08}", state.started);
        let running = RunningTask { arn: arn.clone(), family: family.to_owned() };
        state.tasks.push(Task { job_id: job_id.to_owned(), running, stopping: None });
        arn
    }

    /// A task ends by itself.
    pub fn finish(&self, arn: &str) {
        locked(&self.state).tasks.retain(|task| task.running.arn != arn);
    }

    /// A task that is asked to stop is still there for this many calls of `not_stopped`.
    pub fn stop_after_looks(&self, looks: u32) {
        locked(&self.state).looks_to_stop = looks;
    }

    /// The next `calls` are throttled.
    pub fn throttle(&self, calls: u32) {
        locked(&self.state).throttles = calls;
    }

    /// ARNs and reasons of all tasks that were asked to stop and are still known.
    pub fn stop_reasons(&self) -> Vec<(String, String)> {
        let state = locked(&self.state);
        let reasons = state.tasks.iter().filter_map(|task| Some((task.running.arn.clone(), task.stopping.clone()?.0)));
        reasons.collect()
    }

    fn state(&self, operation: &'static str) -> Result<std::sync::MutexGuard<'_, State>, ServiceError> {
        let mut state = locked(&self.state);
        if state.throttles > 0 {
            state.throttles -= 1;
            return Err(throttled(operation));
        }
        Ok(state)
    }
}

#[async_trait]
impl TaskFleet for FakeFleet {
    async fn running(&self, job_id: &str) -> Result<Vec<RunningTask>, ServiceError> {
        let state = self.state("ListTasks")?;
        let meant_to_run = state.tasks.iter().filter(|task| task.job_id == job_id && task.stopping.is_none());
        Ok(meant_to_run.map(|task| task.running.clone()).collect())
    }

    async fn stop(&self, arn: &str, reason: &str) -> Result<(), ServiceError> {
        let mut state = self.state("StopTask")?;
        let looks = state.looks_to_stop;
        for task in state.tasks.iter_mut().filter(|task| task.running.arn == arn && task.stopping.is_none()) {
            task.stopping = Some((reason.to_owned(), looks));
        }
        Ok(())
    }

    async fn not_stopped(&self, arns: &[String]) -> Result<usize, ServiceError> {
        let mut state = self.state("DescribeTasks")?;
        let mut there = 0;
        for task in state.tasks.iter_mut().filter(|task| arns.contains(&task.running.arn)) {
            match &mut task.stopping {
                Some((_, 0)) => {}
                Some((_, looks)) => {
                    *looks -= 1;
                    there += 1;
                }
                None => there += 1,
            }
        }
        Ok(there)
    }
}
