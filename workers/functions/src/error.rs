//! What a function fails with: a name that Step Functions catches, and a text for a person.

use lambda_runtime::Diagnostic;
use lazaret_aws::{ServiceError, StoreError};
use lazaret_model::Failure;

/// A failure of a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    pub failure: Failure,
    /// For whoever looks at the execution: what is wrong, and what to do about it.
    pub message: String,
}

impl FunctionError {
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self { failure: Failure::BadInput, message: message.into() }
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self { failure: Failure::Permanent, message: message.into() }
    }

    pub fn untrusted(message: impl Into<String>) -> Self {
        Self { failure: Failure::Untrusted, message: message.into() }
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self { failure: Failure::Transient, message: message.into() }
    }

    pub(crate) fn retry_if(retryable: bool, message: String) -> Self {
        if retryable { Self::transient(message) } else { Self::permanent(message) }
    }

    /// For `map_err`: a call of S3 failed while this was done (`reading the plan`).
    pub fn store(doing: impl std::fmt::Display) -> impl FnOnce(StoreError) -> Self {
        move |error| Self::retry_if(error.retryable(), format!("{doing}: {error}"))
    }
}

impl From<ServiceError> for FunctionError {
    fn from(error: ServiceError) -> Self {
        Self::retry_if(error.retryable, error.to_string())
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        Self { error_type: error.failure.name().to_owned(), error_message: error.message }
    }
}
