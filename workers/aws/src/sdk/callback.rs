//! Task tokens of Step Functions.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use serde_json::Value;

use super::fault::{Fault, service_error};
use crate::ServiceError;
use crate::token::{Taken, TaskCallback};

/// Characters that SendTaskFailure takes as a cause (Step Functions API reference).
const CAUSE_CHARACTERS: usize = 32_768;
/// The same for the error's name.
const ERROR_CHARACTERS: usize = 256;

/// Whoever waits for one token.
#[derive(Clone)]
pub struct SfnCallback {
    sfn: Client,
    token: String,
}

impl SfnCallback {
    pub(super) fn new(sfn: Client, token: String) -> Self {
        Self { sfn, token }
    }

    fn taken<T>(&self, operation: &'static str, sent: Result<T, impl Into<Fault>>) -> Result<Taken, ServiceError> {
        match sent.map_err(|error| error.into().without(&self.token)) {
            Ok(_) => Ok(Taken::Yes),
            Err(fault) if is_over(fault.code()) => Ok(Taken::NoLongerWaiting),
            Err(fault) => Err(service_error(operation, fault)),
        }
    }
}

fn is_over(code: &str) -> bool {
    matches!(code, "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken")
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[async_trait]
impl TaskCallback for SfnCallback {
    async fn heartbeat(&self) -> Result<Taken, ServiceError> {
        self.taken("SendTaskHeartbeat", self.sfn.send_task_heartbeat().task_token(&self.token).send().await)
    }

    async fn succeed(&self, output: &Value) -> Result<Taken, ServiceError> {
        let send = self.sfn.send_task_success().task_token(&self.token).output(output.to_string());
        self.taken("SendTaskSuccess", send.send().await)
    }

    async fn fail(&self, error: &str, cause: &str) -> Result<Taken, ServiceError> {
        let send = self.sfn.send_task_failure().task_token(&self.token);
        let send = send.error(cut(error, ERROR_CHARACTERS)).cause(cut(cause, CAUSE_CHARACTERS));
        self.taken("SendTaskFailure", send.send().await)
    }
}

impl fmt::Debug for SfnCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SfnCallback").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_nobody_waits_for_is_no_error() {
        assert!(["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"].into_iter().all(is_over));
        assert!(!is_over("ThrottlingException"));
    }

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö");
    }
}
