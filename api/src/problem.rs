//! Why a request got no verdict, and how it is told.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

use crate::answer::{ProblemAnswer, ScanResult};

/// All that can be wrong with a request, or with us. The texts go to the caller: nothing of ours stands in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    BadRequest(String),
    /// Not which half of a login, nor what of a token.
    #[error("{0}")]
    Unauthorized(&'static str),
    #[error("there is nothing here of that name")]
    NotFound,
    #[error("it has more than {limit_bytes} bytes, which is the limit")]
    TooLarge { limit_bytes: u64 },
    #[error("{why}")]
    TooMany { cause: Cause, why: &'static str, retry_after_seconds: u64 },
    #[error("{0}")]
    Internal(&'static str),
    #[error("{0}")]
    Unavailable(&'static str),
}

/// Of what there was too much: a 429 has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Requests that wait for the engine.
    Queue,
    /// Bodies on their way.
    Receiving,
    /// Files, in memory and on the disk.
    Room,
    /// Logins, of which too many failed or are under way.
    Logins,
}

/// A task that is full has room again in about the time of a scan.
const FULL_RETRY_SECONDS: u64 = 2;
/// Definitions are loaded within a minute, and another task takes over within one.
const UNAVAILABLE_RETRY_SECONDS: u64 = 10;

impl Problem {
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::BadRequest(why.into())
    }

    /// Of whatever there is a bounded number: places, memory, disk.
    pub fn full(cause: Cause, why: &'static str) -> Self {
        Self::TooMany { cause, why, retry_after_seconds: FULL_RETRY_SECONDS }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let answer = ProblemAnswer {
            detected_infections: Vec::new(),
            error_message: self.to_string(),
            result: ScanResult::Error,
        };
        let mut response = (self.status(), Json(answer)).into_response();
        if let Self::TooMany { cause, .. } = self {
            response.extensions_mut().insert(cause); // for whoever counts
        }
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany { retry_after_seconds, .. } => {
                headers.insert(RETRY_AFTER, retry_after_seconds.into());
            }
            Self::Unavailable(_) => {
                headers.insert(RETRY_AFTER, UNAVAILABLE_RETRY_SECONDS.into());
            }
            _ => {}
        }
        response
    }
}
