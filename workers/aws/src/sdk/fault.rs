//! How the errors of the SDK become ours.

use std::error::Error;
use std::fmt;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serde::Deserialize;

use crate::{ServiceError, StoreError};

/// What an answer says of its failure.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    /// The service's own code, `NoSuchKey`.
    code: Option<String>,
    /// Of HTTP.
    status: Option<u16>,
    message: String,
    /// No answer, or none that could be read.
    broken: bool,
}

impl Fault {
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same with `secret` (a task token, which a service may quote) left out of the message.
    #[must_use]
    pub fn without(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.message = self.message.replace(secret, "…");
        }
        self
    }

    /// Of an answer in JSON: `{"__type": "…#Code", "message"}`.
    pub fn of_json(status: u16, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Words {
            #[serde(rename = "__type", default)]
            kind: String,
            #[serde(alias = "Message", default)]
            message: String,
        }
        let Words { kind, message } = serde_json::from_slice(body).unwrap_or_default();
        let code = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let message = match (code.as_str(), message.as_str()) {
            ("", "") => format!("HTTP {status}"),
            ("", text) | (text, "") => text.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        Self { code: (!code.is_empty()).then_some(code), status: Some(status), message, broken: false }
    }

    /// Of what could not be asked, and will not be the next time.
    pub fn local(message: String) -> Self {
        Self { message, ..Self::default() }
    }

    /// Of a question that has no answer.
    pub fn broken(message: String) -> Self {
        Self { message, broken: true, ..Self::default() }
    }

    /// The service's words without its code.
    pub fn words(&self) -> &str {
        let words = self.message.strip_prefix(self.code()).unwrap_or(&self.message);
        words.strip_prefix(": ").unwrap_or(&self.message)
    }

    pub fn retryable(&self) -> bool {
        // throttling and expired credentials come with any status; the SDK fetches new credentials for the next call
        const CODES: [&str; 20] = [
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "BandwidthLimitExceeded",
            "KmsThrottled",
            "KmsThrottlingException",
            "OverLimit",
            "RequestTimeout",
            "RequestTimeoutException",
            "RequestTimeTooSkewed",
            "IncompleteBody",
            "OperationAborted",
            // two conditional PUTs at once: which one holds, S3 says to the next try
            "ConditionalRequestConflict",
            "ExpiredToken",
            "ExpiredTokenException",
        ];
        self.broken || matches!(self.status, Some(408 | 429 | 500..)) || CODES.contains(&self.code())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        if let SdkError::ServiceError(service) = &error {
            let meta = service.err().meta();
            let code = meta.code().map(str::to_owned);
            let message = match (meta.code(), meta.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(text), None) | (None, Some(text)) => text.to_owned(),
                (None, None) => format!("HTTP {}", status.unwrap_or_default()),
            };
            return Self { code, status, message, broken: false };
        }
        // a request that could not even be built will not be built the next time
        let broken = !matches!(error, SdkError::ConstructionFailure(_));
        Self { code: None, status, message: chain(&error), broken }
    }
}

/// An error with all its sources, as one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let line = error.to_string();
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        source = error.source();
    }
    text
}

/// What a failure of S3 means. `bucket` is the one that was named.
pub(super) fn store_error(fault: impl Into<Fault>, bucket: &str) -> StoreError {
    let fault = fault.into();
    match fault.code() {
        "NoSuchBucket" => return StoreError::NoSuchBucket(bucket.to_owned()),
        "InvalidObjectState" | "ObjectNotInActiveTierError" => return StoreError::Archived,
        "PreconditionFailed" => return StoreError::PreconditionFailed,
        _ if fault.retryable() => return StoreError::Transient(fault.message),
        _ => {}
    }
    match fault.status {
        // 405: the version that was named is a delete marker
        Some(404 | 405) => StoreError::NotFound,
        Some(412) => StoreError::PreconditionFailed,
        Some(401 | 403) => StoreError::AccessDenied(fault.message),
        Some(301 | 307) => StoreError::Permanent(format!("the bucket lies in another region ({})", fault.message)),
        _ => StoreError::Permanent(fault.message),
    }
}

/// What a failure of any other service means.
pub(super) fn service_error(operation: &'static str, fault: impl Into<Fault>) -> ServiceError {
    const NOT_FOUND: [&str; 5] = [
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ExecutionDoesNotExist",
        "StateMachineDoesNotExist",
        "ClusterNotFoundException",
    ];
    let fault = fault.into();
    let not_found = NOT_FOUND.contains(&fault.code());
    ServiceError { operation, retryable: !not_found && fault.retryable(), not_found, message: fault.message }
}

/// An answer that breaks the service's own rules.
pub(super) fn nonsense(operation: &'static str, what: &str) -> ServiceError {
    ServiceError { operation, message: format!("an answer without {what}"), retryable: false, not_found: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, code: &str) -> Fault {
        Fault {
            code: (!code.is_empty()).then(|| code.to_owned()),
            status: Some(status),
            message: "text".into(),
            broken: false,
        }
    }

    #[test]
    fn every_failure_of_s3_has_its_meaning() {
        let text = || "text".to_owned();
        for (status, code, expected) in [
            (404, "NoSuchBucket", StoreError::NoSuchBucket("b".into())),
            (404, "NoSuchKey", StoreError::NotFound),
            (404, "NoSuchVersion", StoreError::NotFound),
            (404, "", StoreError::NotFound),
            (405, "MethodNotAllowed", StoreError::NotFound),
            (412, "PreconditionFailed", StoreError::PreconditionFailed),
            (412, "", StoreError::PreconditionFailed),
            (409, "ConditionalRequestConflict", StoreError::Transient(text())),
            (403, "InvalidObjectState", StoreError::Archived),
            (403, "AccessDenied", StoreError::AccessDenied(text())),
            (403, "", StoreError::AccessDenied(text())),
            (503, "SlowDown", StoreError::Transient(text())),
            (500, "InternalError", StoreError::Transient(text())),
            (400, "RequestTimeout", StoreError::Transient(text())),
            (400, "ExpiredToken", StoreError::Transient(text())),
            (403, "RequestTimeTooSkewed", StoreError::Transient(text())),
            (400, "InvalidArgument", StoreError::Permanent(text())),
        ] {
            assert_eq!(store_error(fault(status, code), "b"), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_connection_that_broke_may_be_tried_again() {
        let broken = Fault { broken: true, message: "dispatch failure".into(), ..Fault::default() };
        assert!(store_error(broken.clone(), "b").retryable());
        assert!(service_error("ListTasks", broken).retryable);
    }

    #[test]
    fn a_service_error_says_whether_to_try_again_and_whether_the_thing_is_there() {
        for (status, code, retryable, not_found) in [
            (400, "AWS.SimpleQueueService.NonExistentQueue", false, true),
            (400, "QueueDoesNotExist", false, true),
            (400, "ExecutionDoesNotExist", false, true),
            (400, "ThrottlingException", true, false),
            (403, "OverLimit", true, false),
            (500, "ServerException", true, false),
            (400, "ValidationException", false, false),
        ] {
            let error = service_error("Operation", fault(status, code));
            assert_eq!((error.retryable, error.not_found), (retryable, not_found), "{code}");
        }
    }

    #[test]
    fn an_answer_in_json_is_read_by_its_code_whatever_stands_before_it() {
        let fault = Fault::of_json(400, br#"{"__type":"com.amazon#LimitExceededException","message":"too many: 3"}"#);
        assert_eq!((fault.code(), fault.words()), ("LimitExceededException", "too many: 3"));
        assert_eq!(fault.message(), "LimitExceededException: too many: 3");
        assert_eq!(Fault::of_json(502, b"<html>").message(), "HTTP 502");
        assert!(Fault::of_json(502, b"<html>").retryable() && Fault::broken("gone".into()).retryable());
        assert!(!Fault::local("no region".into()).retryable());
    }

    #[test]
    fn a_task_token_never_stands_in_a_message() {
        let quoted = Fault { message: "value 'AQC9' at 'taskToken'".into(), ..Fault::default() };
        assert_eq!(quoted.without("AQC9").message(), "value '…' at 'taskToken'");
    }
}
