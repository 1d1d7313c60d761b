//! `GET /api/Scan/JobStatus`: how a scan stands that was answered by 202.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::answer::{Accepted, ScanAnswer};
use crate::app::App;
use crate::describe::Operation;
use crate::jobs::Status;
use crate::problem::Problem;
use crate::tokens::Caller;

/// Which scan.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Which {
    reference_id: String,
}

pub fn operation() -> Operation {
    let uuid = json!({"type": "string", "format": "uuid"});
    Operation::new("GET", "/api/Scan/JobStatus", "Tells how a scan stands that was answered by 202")
        .asking("query", "referenceId", true, uuid, "What the 202 said")
        .answering::<ScanAnswer>(200, "The verdict")
        .answering::<Accepted>(202, "The scan goes on")
        .failing(&[
            (400, "There is no referenceId"),
            (401, "No valid access token"),
            (404, "This user has no such scan"),
            (500, "The scan failed, or was lost"),
            (503, "Answers can't be read at the moment"),
        ])
}

/// Tells how a scan stands.
pub async fn job_status(
    State(app): State<Arc<App>>,
    caller: Caller,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let no_reference = || Problem::bad_request("there is no referenceId");
    let Query(Which { reference_id }) = which.map_err(|_| no_reference())?;
    let reference: Uuid = reference_id.parse().map_err(|_| no_reference())?;
    Ok(match app.jobs.status(reference, &caller).await? {
        Status::Pending => (StatusCode::ACCEPTED, Json(Accepted::new(reference))).into_response(),
        Status::Answer(answer) => Json(answer).into_response(),
        Status::Problem(problem) => (StatusCode::INTERNAL_SERVER_ERROR, Json(problem)).into_response(),
    })
}
