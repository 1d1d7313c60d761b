//! The few requests that this server makes itself: to Cognito, and for its keys.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

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
pub struct Web(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Web {
    /// # Errors
    /// If the system has no root certificates.
    pub fn new() -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, url: &str) -> Result<Answer, WebError> {
        self.send(Method::GET, url, &[], Bytes::new()).await
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
        self.send(Method::POST, url, &[("content-type", content_type), header], body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: Bytes,
    ) -> Result<Answer, WebError> {
        let uri: Uri = url.parse().map_err(|_| WebError::Address(url.to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| no_answer(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok(Answer { status, body: body.map_err(|error| no_answer(error.as_ref()))?.to_bytes() })
        };
        timeout(PATIENCE, exchange).await.map_err(|_| WebError::Timeout)?
    }
}

fn no_answer(error: &dyn std::error::Error) -> WebError {
    WebError::NoAnswer(lazaret_agent::error::chain(error))
}
