//! The few requests that are made without the SDK: to Cognito, and for its keys.
//!
//! Nothing here logs a body, at no level: it may be a password. (The SDK shows whole requests at `trace`.)

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::sdk::chain;

/// Cognito answers a login within a second, most of which is the hash of the password.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers are a few KB: three tokens, or a handful of keys.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why there is no answer. Never what was asked: that may be a password.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("`{0}` is no address")]
    Address(String),
    #[error("no answer: {0}")]
    NoAnswer(String),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// A small HTTP client, over TLS where the address says so.
#[derive(Debug, Clone)]
pub struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer_bytes_max: usize,
}

impl Web {
    /// # Errors
    /// If the system has no root certificates.
    pub fn new() -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, answer_bytes_max: ANSWER_BYTES_MAX })
    }

    /// The same for answers of that size at most, which is 64 KiB else.
    #[must_use]
    pub fn taking_answers_of(self, answer_bytes_max: usize) -> Self {
        Self { answer_bytes_max, ..self }
    }

    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, url: &str) -> Result<Answer, WebError> {
        self.send(request(Method::GET, url, &[], Bytes::new())?).await
    }

    /// # Errors
    /// If there is no answer.
    pub async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        header: (&'static str, &'static str),
        body: Vec<u8>,
    ) -> Result<Answer, WebError> {
        self.send(request(Method::POST, url, &[("content-type", content_type), header], body.into())?).await
    }

    /// # Errors
    /// If there is no answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Answer, WebError> {
        let exchange = async {
            let response = self.client.request(request.map(Full::new)).await;
            let response = response.map_err(|error| WebError::NoAnswer(chain(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), self.answer_bytes_max).collect().await;
            let body = body.map_err(|error| WebError::NoAnswer(chain(error.as_ref())))?;
            Ok(Answer { status, body: body.to_bytes() })
        };
        timeout(PATIENCE, exchange).await.map_err(|_| WebError::Timeout)?
    }
}

/// # Errors
/// If that is no address.
pub fn request(
    method: Method,
    url: &str,
    headers: &[(&'static str, &'static str)],
    body: Bytes,
) -> Result<Request<Bytes>, WebError> {
    let uri: Uri = url.parse().map_err(|_| WebError::Address(url.to_owned()))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for (name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(request)
}
