//! An answer to every request, whatever happens in it; a line in the log; and no reset before the answer is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, EXPECT, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use lazaret_aws::trace::{self, Ending, Origin};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug, error, info, info_span};
use uuid::Uuid;

use super::health::PATH as HEALTH;
use crate::app::App;
use crate::problem::Problem;

/// What is read of a body that nobody wants any more: a client that still sends has no eye for an answer, and a connection that is closed
/// meanwhile is reset, answer and all.
const LINGER_BYTES: u64 = 64 << 20;
const LINGER: Duration = Duration::from_secs(5);

const TRACE: &str = "x-amzn-trace-id";

/// Around every route. All that is logged of a request stands in its span, with whoever called and, of a scan, the reference that he is told.
pub async fn attend(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().escape_debug().to_string());
    // the load balancer gives each request one, which its access log has as well
    let header = request.headers().get(TRACE).and_then(|header| header.to_str().ok());
    let segment = trace::begin("lazaret-api", header, Origin::Caller);
    let span = info_span!("request", trace.id = %segment.trace_id(), user = Empty, reference = Empty);
    // who waits for a word before he sends has sent nothing
    let lingers = !request.headers().contains_key(EXPECT);
    let request = request.map(|body| if lingers { Body::new(Lingering::of(body)) } else { body });
    // a task of its own: a fault of ours costs this request an answer of 500, not its connection
    let work = AbortOnDropHandle::new(tokio::spawn(segment.around(next.run(request)).instrument(span.clone())));
    let mut response = work.await.unwrap_or_else(|error| {
        error!(parent: &span, %error, "A request's task ended early");
        Problem::Internal("the server failed").into_response()
    });
    let (status, duration_ms) = (response.status(), begun.elapsed().as_millis() as u64);
    if path == HEALTH {
        debug!(parent: &span, %method, path, status = status.as_u16(), duration_ms, "Answered");
    } else {
        app.tally.answered(status, response.extensions().get().copied());
        info!(parent: &span, %method, path, status = status.as_u16(), duration_ms, "Answered");
    }
    if path != HEALTH {
        segment.end(ending(status));
    }
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn ending(status: StatusCode) -> Ending {
    match status.as_u16() {
        ..400 => Ending::Done,
        429 => Ending::Throttled,
        400..500 => Ending::Error,
        _ => Ending::Fault,
    }
}

/// Writes down who calls. His name is what he chose.
pub fn note_user(user: &str) {
    Span::current().record("user", display(user.escape_debug()));
}

/// Writes down what a scan is called in its answer.
pub fn note_reference(reference: &Uuid) {
    Span::current().record("reference", display(reference));
}

/// Of every answer.
const FIXED: [(HeaderName, &str); 2] = [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// A body the rest of which is read and thrown away where a route left it.
struct Lingering {
    /// `None` once it is at its end.
    body: Option<Body>,
}

impl Lingering {
    fn of(body: Body) -> Self {
        Self { body: (!body.is_end_stream()).then_some(body) }
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(throw_away(body));
        }
    }
}

async fn throw_away(body: Body) {
    let mut stream = body.into_data_stream();
    let read = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER, read).await; // then it is closed as it is
}
