//! A fake task token.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::{locked, throttled};
use crate::ServiceError;
use crate::token::{Taken, TaskCallback};

/// What a task said in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Succeeded(Value),
    Failed { error: String, cause: String },
}

/// The side of Step Functions that waits for one token.
#[derive(Debug, Clone, Default)]
pub struct FakeCallback {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<Answer>,
    heartbeats: u64,
    waiting_ends_after: Option<u64>,
    not_waiting: bool,
    throttles: u32,
}

impl FakeCallback {
    pub fn new() -> Self {
        Self::default()
    }

    /// The execution stops waiting: from now on nothing is taken.
    pub fn stop_waiting(&self) {
        locked(&self.state).not_waiting = true;
    }

    /// The execution stops waiting after this many more heartbeats.
    pub fn stop_waiting_after(&self, heartbeats: u64) {
        let mut state = locked(&self.state);
        state.waiting_ends_after = Some(state.heartbeats + heartbeats);
    }

    /// The next `calls` are throttled.
    pub fn throttle(&self, calls: u32) {
        locked(&self.state).throttles = calls;
    }

    pub fn heartbeats(&self) -> u64 {
        locked(&self.state).heartbeats
    }

    pub fn answer(&self) -> Option<Answer> {
        locked(&self.state).answer.clone()
    }

    /// The name of the failure, if the task failed.
    pub fn failure(&self) -> Option<String> {
        match self.answer()? {
            Answer::Failed { error, .. } => Some(error),
            Answer::Succeeded(_) => None,
        }
    }

    fn take(&self, operation: &'static str, answer: Option<Answer>) -> Result<Taken, ServiceError> {
        let mut state = locked(&self.state);
        if state.throttles > 0 {
            state.throttles -= 1;
            return Err(throttled(operation));
        }
        let ended = state.waiting_ends_after.is_some_and(|after| state.heartbeats >= after);
        if state.not_waiting || ended || state.answer.is_some() {
            return Ok(Taken::NoLongerWaiting);
        }
        match answer {
            None => state.heartbeats += 1,
            answer => state.answer = answer,
        }
        Ok(Taken::Yes)
    }
}

#[async_trait]
impl TaskCallback for FakeCallback {
    async fn heartbeat(&self) -> Result<Taken, ServiceError> {
        self.take("SendTaskHeartbeat", None)
    }

    async fn succeed(&self, output: &Value) -> Result<Taken, ServiceError> {
        self.take("SendTaskSuccess", Some(Answer::Succeeded(output.clone())))
    }

    async fn fail(&self, error: &str, cause: &str) -> Result<Taken, ServiceError> {
        self.take("SendTaskFailure", Some(Answer::Failed { error: error.to_owned(), cause: cause.to_owned() }))
    }
}
