//! Executions of a state machine.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus as SfnStatus;
use jiff::Timestamp;
use serde_json::Value;

use super::fault::{nonsense, service_error};
use super::store::timestamp;
use crate::ServiceError;
use crate::executions::{Execution, ExecutionStatus, Executions, Started};
use crate::trace;

/// Executions on a page of ListExecutions at most (Step Functions API reference).
const PAGE_EXECUTIONS: usize = 1_000;
/// Events of the history that are looked at, the last first: a state has about four, and a Map's run side by side.
const RECENT_EVENTS: i32 = 100;

/// One state machine through the SDK.
#[derive(Debug, Clone)]
pub struct SfnExecutions {
    sfn: Client,
    state_machine_arn: String,
}

impl SfnExecutions {
    pub(super) fn new(sfn: Client, state_machine_arn: &str) -> Self {
        Self { sfn, state_machine_arn: state_machine_arn.to_owned() }
    }

    fn arn(&self, name: &str) -> String {
        execution_arn(&self.state_machine_arn, name)
    }
}

#[async_trait]
impl Executions for SfnExecutions {
    async fn start(&self, name: &str, input: &Value) -> Result<String, ServiceError> {
        let start = self
            .sfn
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(name)
            .set_trace_header(trace::current());
        let started = start.input(input.to_string()).send().await;
        Ok(started.map_err(|error| service_error("StartExecution", error))?.execution_arn)
    }

    async fn start_once(&self, name: &str, input: &Value) -> Result<Started, ServiceError> {
        let start = self
            .sfn
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(name)
            .set_trace_header(trace::current());
        match start.input(input.to_string()).send().await {
            Ok(started) => Ok(Started::New(started.execution_arn)),
            Err(error) if error.as_service_error().is_some_and(|why| why.is_execution_already_exists()) => {
                Ok(Started::Exists)
            }
            Err(error) => Err(service_error("StartExecution", error)),
        }
    }

    async fn describe(&self, name: &str) -> Result<Option<Execution>, ServiceError> {
        const OPERATION: &str = "DescribeExecution";
        let found = match self.sfn.describe_execution().execution_arn(self.arn(name)).send().await {
            Ok(found) => found,
            Err(error) => {
                return match service_error(OPERATION, error) {
                    error if error.not_found => Ok(None),
                    error => Err(error),
                };
            }
        };
        let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok());
        let failed = found.error().is_some() || found.cause().is_some();
        Ok(Some(Execution {
            name: name.to_owned(),
            status: status(OPERATION, &found.status)?,
            started_at: time(OPERATION, &found.start_date)?,
            stopped_at: found.stop_date.as_ref().map(|at| time(OPERATION, at)).transpose()?,
            input: json(found.input()),
            output: json(found.output()),
            error: failed.then(|| {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                (text(found.error()), text(found.cause()))
            }),
            arn: found.execution_arn,
        }))
    }

    async fn list(&self, limit: usize) -> Result<Vec<Execution>, ServiceError> {
        const OPERATION: &str = "ListExecutions";
        let mut executions = Vec::new();
        let mut next = None;
        while executions.len() < limit {
            let want = i32::try_from((limit - executions.len()).min(PAGE_EXECUTIONS)).unwrap_or(i32::MAX);
            let list = self.sfn.list_executions().state_machine_arn(&self.state_machine_arn);
            let page = list.max_results(want).set_next_token(next).send().await;
            let page = page.map_err(|error| service_error(OPERATION, error))?;
            for found in page.executions {
                executions.push(Execution {
                    status: status(OPERATION, &found.status)?,
                    started_at: time(OPERATION, &found.start_date)?,
                    stopped_at: found.stop_date.as_ref().map(|at| time(OPERATION, at)).transpose()?,
                    name: found.name,
                    arn: found.execution_arn,
                    input: None,
                    output: None,
                    error: None,
                });
            }
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        executions.truncate(limit);
        Ok(executions)
    }

    async fn stop(&self, name: &str, error: &str, cause: &str) -> Result<(), ServiceError> {
        let stop = self.sfn.stop_execution().execution_arn(self.arn(name)).error(error).cause(cause);
        stop.send().await.map(drop).map_err(|error| service_error("StopExecution", error))
    }

    async fn current_state(&self, name: &str) -> Result<Option<String>, ServiceError> {
        let history = self.sfn.get_execution_history().execution_arn(self.arn(name));
        let history = history.reverse_order(true).max_results(RECENT_EVENTS).include_execution_data(false);
        let history = history.send().await.map_err(|error| service_error("GetExecutionHistory", error))?;
        let entered = history.events.iter().find_map(|event| event.state_entered_event_details());
        Ok(entered.map(|entered| entered.name().to_owned()))
    }
}

pub(super) async fn find_state_machine(sfn: &Client, name: &str) -> Result<Option<String>, ServiceError> {
    let mut next = None;
    loop {
        let page = sfn.list_state_machines().set_next_token(next).send().await;
        let page = page.map_err(|error| service_error("ListStateMachines", error))?;
        if let Some(found) = page.state_machines.into_iter().find(|machine| machine.name() == name) {
            return Ok(Some(found.state_machine_arn));
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(None);
        }
    }
}

/// `arn:…:stateMachine:NAME` and an execution's name make `arn:…:execution:NAME:EXECUTION`.
fn execution_arn(state_machine_arn: &str, name: &str) -> String {
    format!("{}:{name}", state_machine_arn.replacen(":stateMachine:", ":execution:", 1))
}

fn status(operation: &'static str, status: &SfnStatus) -> Result<ExecutionStatus, ServiceError> {
    match status {
        // one that is to be redriven goes on
        SfnStatus::Running | SfnStatus::PendingRedrive => Ok(ExecutionStatus::Running),
        SfnStatus::Succeeded => Ok(ExecutionStatus::Succeeded),
        SfnStatus::Failed => Ok(ExecutionStatus::Failed),
        SfnStatus::TimedOut => Ok(ExecutionStatus::TimedOut),
        SfnStatus::Aborted => Ok(ExecutionStatus::Aborted),
        _ => Err(nonsense(operation, "a status that is known here")),
    }
}

fn time(operation: &'static str, at: &DateTime) -> Result<Timestamp, ServiceError> {
    timestamp(at).ok_or_else(|| nonsense(operation, "a readable date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_an_execution_follows_from_its_machine_and_name() {
        assert_eq!(
            execution_arn("arn:aws:states:eu-central-1:123456789012:stateMachine:lazaret-retro-job", "job-1"),
            "arn:aws:states:eu-central-1:123456789012:execution:lazaret-retro-job:job-1"
        );
    }
}
