//! A fake state machine.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{locked, not_found, refused};
use crate::ServiceError;
use crate::executions::{Execution, ExecutionStatus, Executions, Started};

const EXISTS: &str = "ExecutionAlreadyExists";

/// Executions that end when the test says so.
#[derive(Debug, Clone, Default)]
pub struct FakeExecutions {
    executions: Arc<Mutex<Vec<Known>>>,
    fails: Arc<Mutex<Option<ServiceError>>>,
}

/// An execution and the state that it entered last.
type Known = (Execution, Option<String>);

impl FakeExecutions {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on nothing can be started, or again.
    pub fn fail_starts(&self, error: Option<ServiceError>) {
        *locked(&self.fails) = error;
    }

    /// The execution enters a state.
    pub fn enter(&self, name: &str, state: &str) {
        self.change(name, |_, current| *current = Some(state.to_owned()));
    }

    pub fn succeed(&self, name: &str, output: Value) {
        self.end(name, ExecutionStatus::Succeeded, |execution| execution.output = Some(output));
    }

    pub fn fail(&self, name: &str, error: &str, cause: &str) {
        let why = Some((error.to_owned(), cause.to_owned()));
        self.end(name, ExecutionStatus::Failed, |execution| execution.error = why);
    }

    fn end(&self, name: &str, status: ExecutionStatus, how: impl FnOnce(&mut Execution)) {
        let known = self.change(name, |execution, _| {
            execution.status = status;
            execution.stopped_at = Some(Timestamp::now());
            how(execution);
        });
        assert!(known, "no execution {name}");
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Execution, &mut Option<String>)) -> bool {
        let mut executions = locked(&self.executions);
        let found = executions.iter_mut().find(|(execution, _)| execution.name == name);
        found.map(|(execution, state)| change(execution, state)).is_some()
    }
}

#[async_trait]
impl Executions for FakeExecutions {
    async fn start_once(&self, name: &str, input: &Value) -> Result<Started, ServiceError> {
        match self.start(name, input).await {
            Ok(arn) => Ok(Started::New(arn)),
            Err(error) if error.message == EXISTS => Ok(Started::Exists),
            Err(error) => Err(error),
        }
    }

    async fn start(&self, name: &str, input: &Value) -> Result<String, ServiceError> {
        if let Some(error) = locked(&self.fails).clone() {
            return Err(error);
        }
        let mut executions = locked(&self.executions);
        if let Some((known, _)) = executions.iter().find(|(execution, _)| execution.name == name) {
            // the same name with the same input while it runs is the same call
            let same = known.status == ExecutionStatus::Running && known.input.as_ref() == Some(input);
            return if same { Ok(known.arn.clone()) } else { Err(refused("StartExecution", EXISTS)) };
        }
        let arn = format!("arn:aws:states:eu-test-1:000000000000:execution:lazaret-retro-job:{name}");
        let execution = Execution {
            name: name.to_owned(),
            arn: arn.clone(),
            status: ExecutionStatus::Running,
            started_at: Timestamp::now(),
            stopped_at: None,
            input: Some(input.clone()),
            output: None,
            error: None,
        };
        executions.push((execution, None));
        Ok(arn)
    }

    async fn describe(&self, name: &str) -> Result<Option<Execution>, ServiceError> {
        let executions = locked(&self.executions);
        Ok(executions.iter().find(|(execution, _)| execution.name == name).map(|(execution, _)| execution.clone()))
    }

    async fn list(&self, limit: usize) -> Result<Vec<Execution>, ServiceError> {
        let executions = locked(&self.executions);
        let newest = executions.iter().rev().take(limit).map(|(execution, _)| execution.clone());
        Ok(newest.map(|execution| Execution { input: None, output: None, error: None, ..execution }).collect())
    }

    async fn stop(&self, name: &str, error: &str, cause: &str) -> Result<(), ServiceError> {
        let known = self.change(name, |execution, _| {
            // one that has ended stays as it ended
            if execution.status == ExecutionStatus::Running {
                execution.status = ExecutionStatus::Aborted;
                execution.stopped_at = Some(Timestamp::now());
                execution.error = Some((error.to_owned(), cause.to_owned()));
            }
        });
        if known { Ok(()) } else { Err(not_found("StopExecution")) }
    }

    async fn current_state(&self, name: &str) -> Result<Option<String>, ServiceError> {
        let executions = locked(&self.executions);
        let found = executions.iter().find(|(execution, _)| execution.name == name);
        found.map(|(_, state)| state.clone()).ok_or_else(|| not_found("GetExecutionHistory"))
    }
}
