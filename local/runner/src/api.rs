//! The routes: the dozen calls of Docker's API that MiniStack makes. Anything else is a 404 that says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::container::{Container, Spec, StartError, State as Life};
use crate::registry::{CreateError, Registry};
use crate::{logs, view};

/// Docker's own patience if a stop names none.
const DEFAULT_STOP_SECONDS: u64 = 10;

/// The API, with and without the version in front that every client but a first `GET /version` sends.
pub fn router(registry: Registry) -> Router {
    let routes = Router::new()
        .route("/_ping", get(|| async { "OK" }))
        .route("/version", get(|| async { Json(view::version()) }))
        .route("/containers/json", get(list))
        .route("/containers/create", post(create))
        .route("/containers/{id}", delete(remove))
        .route("/containers/{id}/json", get(inspect))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}/stop", post(stop))
        .route("/containers/{id}/kill", post(kill))
        .route("/containers/{id}/wait", post(wait))
        .route("/containers/{id}/logs", get(log))
        .route("/images/create", post(pull))
        .route("/images/{*name}", get(image));

    Router::new().nest("/{version}", routes.clone()).merge(routes).fallback(unknown).with_state(registry)
}

/// A refusal, in Docker's form.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1}))).into_response()
    }
}

/// Path segments; the version in front, where there is one, is not read.
#[derive(Deserialize)]
struct Id {
    id: String,
}

fn find(registry: &Registry, id: &Id) -> Result<Arc<Container>, Refusal> {
    registry.find(&id.id).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("No such container: {}", id.id)))
}

/// docker-py writes a flag as `1`, `true` or `True`.
fn flag(value: Option<&String>) -> bool {
    value.is_some_and(|text| matches!(text.as_str(), "1" | "true" | "True"))
}

type Parameters = Query<BTreeMap<String, String>>;

async fn list(State(registry): State<Registry>, query: Parameters) -> Result<Json<Value>, Refusal> {
    let filters: Filters = match query.get("filters") {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("filters: {error}")))?
        }
        None => Filters::default(),
    };
    let all = flag(query.get("all")) || !filters.status.is_empty();
    let rows = registry.all().into_iter().filter(|container| {
        let status = view::status(&container.state());
        (all || status == "running") && filters.match_all(container, status)
    });
    Ok(Json(rows.map(|container| view::row(&container)).collect()))
}

/// The filters that MiniStack uses. Another would be ignored in silence, and select too much: so it is an error.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filters {
    #[serde(default)]
    label: Vec<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    name: Vec<String>,
}

impl Filters {
    fn match_all(&self, container: &Container, status: &str) -> bool {
        let has = |wanted: &String| {
            let (key, value) =
                wanted.split_once('=').map_or((wanted.as_str(), None), |(key, value)| (key, Some(value)));
            let label = container.spec.labels.as_ref().and_then(|labels| labels.get(key));
            label.is_some_and(|label| value.is_none_or(|value| value == label))
        };
        self.label.iter().all(has)
            && (self.status.is_empty() || self.status.iter().any(|wanted| wanted == status))
            && (self.name.is_empty() || self.name.iter().any(|wanted| container.name.contains(wanted.as_str())))
    }
}

async fn create(State(registry): State<Registry>, query: Parameters, Json(spec): Json<Spec>) -> Response {
    match registry.create(query.get("name").cloned(), spec) {
        Ok(container) => (StatusCode::CREATED, Json(json!({"Id": container.id, "Warnings": []}))).into_response(),
        Err(error) => {
            let status = match error {
                CreateError::Image(_) => StatusCode::NOT_FOUND,
                CreateError::Name(_) => StatusCode::BAD_REQUEST,
                CreateError::Conflict(_) => StatusCode::CONFLICT,
            };
            Refusal(status, error.to_string()).into_response()
        }
    }
}

async fn inspect(State(registry): State<Registry>, Path(id): Path<Id>) -> Result<Json<Value>, Refusal> {
    Ok(Json(view::detail(&*find(&registry, &id)?)))
}

async fn start(State(registry): State<Registry>, Path(id): Path<Id>) -> Result<StatusCode, Refusal> {
    match find(&registry, &id)?.start().await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StartError::AlreadyStarted) => Ok(StatusCode::NOT_MODIFIED),
        Err(error) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn stop(State(registry): State<Registry>, Path(id): Path<Id>, query: Parameters) -> Result<StatusCode, Refusal> {
    let seconds = query.get("t").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_STOP_SECONDS);
    find(&registry, &id)?.stop(Duration::from_secs(seconds)).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn kill(State(registry): State<Registry>, Path(id): Path<Id>, query: Parameters) -> Result<StatusCode, Refusal> {
    let container = find(&registry, &id)?;
    match query.get("signal").map_or("KILL", |name| name.trim_start_matches("SIG")) {
        "KILL" | "9" => container.kill().await,
        "TERM" | "15" => container.terminate(),
        other => {
            return Err(Refusal(StatusCode::BAD_REQUEST, format!("signal {other} is not passed on by this runner")));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn wait(State(registry): State<Registry>, Path(id): Path<Id>) -> Result<Json<Value>, Refusal> {
    let container = find(&registry, &id)?;
    Ok(Json(json!({"StatusCode": container.wait().await})))
}

async fn log(State(registry): State<Registry>, Path(id): Path<Id>, query: Parameters) -> Result<Response, Refusal> {
    let container = find(&registry, &id)?;
    let tail = query.get("tail").and_then(|text| text.parse().ok());
    let body = logs::stream(container, flag(query.get("follow")), tail)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("read the log: {error}")))?;
    Ok(([("content-type", "application/vnd.docker.raw-stream")], body).into_response())
}

async fn remove(
    State(registry): State<Registry>,
    Path(id): Path<Id>,
    query: Parameters,
) -> Result<StatusCode, Refusal> {
    let container = find(&registry, &id)?;
    if matches!(container.state(), Life::Running { .. }) {
        if !flag(query.get("force")) {
            return Err(Refusal(StatusCode::CONFLICT, "the container is running: stop it first".to_owned()));
        }
        container.kill().await;
    }
    registry.remove(&container);
    Ok(StatusCode::NO_CONTENT)
}

async fn pull(State(registry): State<Registry>, query: Parameters) -> Result<Json<Value>, Refusal> {
    let reference = query.get("fromImage").map(String::as_str).unwrap_or_default();
    registry.image(reference).map_err(|error| Refusal(StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(Json(json!({"status": "images are local programs here: nothing to pull"})))
}

#[derive(Deserialize)]
struct ImagePath {
    name: String,
}

/// Names hold slashes, and a wildcard must be the last part of a route: so the `/json` behind it is cut off here.
async fn image(State(registry): State<Registry>, Path(path): Path<ImagePath>) -> Result<Json<Value>, Refusal> {
    let refusal = |text: String| Refusal(StatusCode::NOT_FOUND, text);
    let reference = path.name.strip_suffix("/json").ok_or_else(|| refusal(format!("no such route: {}", path.name)))?;
    registry.image(reference).map_err(|error| refusal(error.to_string()))?;
    Ok(Json(view::image(reference)))
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("{} is no part of Docker's API that this runner has", uri.path()))
}
