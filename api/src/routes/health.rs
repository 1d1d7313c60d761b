//! `GET /api/health`: whether this server is to be sent requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::describe::Operation;
use crate::schema::words;

/// A load balancer asks for it every few seconds: it is neither counted nor logged.
pub const PATH: &str = "/api/health";

const READY: &str = "ready";

words! {
    /// The answer to a health check.
    pub struct Health {
        /// `ready`; `no-definitions`, if there are none or they are too old to prove anything; `draining`, when it was told to end;
        /// `broken`, when the engine is gone.
        pub status: String,
        /// The version of the definitions in force.
        pub definitions: Option<String>,
    }
}

pub fn operation() -> Operation {
    Operation::new("GET", PATH, "Tells whether this server is ready")
        .describing("It is with definitions loaded that are not too old, until it is told to end.")
        .open()
        .answering::<Health>(200, "Ready")
        .answering::<Health>(503, "Not ready")
}

/// Tells whether this server is ready.
pub async fn health(State(app): State<Arc<App>>) -> Response {
    let definitions = app.judge.scanner.definitions().map(|stamp| stamp.version);
    let status = match () {
        () if app.standing.broken().is_some() => "broken",
        () if !app.standing.serving() => "draining",
        () if definitions.is_none() => "no-definitions",
        () => READY,
    };
    let code = if status == READY { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Health { status: status.to_owned(), definitions })).into_response()
}
