//! The JSON that the API answers: the members of Docker's that docker-py and MiniStack read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::container::{Container, State};

/// Docker's way to say *never*.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// No image here has a digest.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// `GET /version`.
#[must_use]
pub fn version() -> Value {
    json!({"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": env!("CARGO_PKG_VERSION"), "Os": "linux",
        "Arch": std::env::consts::ARCH, "Platform": {"Name": env!("CARGO_PKG_NAME")}})
}

/// `GET /images/{name}/json`.
#[must_use]
pub fn image(reference: &str) -> Value {
    json!({"Id": NO_DIGEST, "RepoTags": [reference], "RepoDigests": [], "Config": {}})
}

/// One row of `GET /containers/json`.
#[must_use]
pub fn row(container: &Container) -> Value {
    let status = status(&container.state());
    json!({"Id": container.id, "Names": [format!("/{}", container.name)], "Image": container.spec.image,
        "ImageID": NO_DIGEST, "State": status, "Status": status, "Labels": labels(container),
        "Created": container.created.as_second()})
}

/// `GET /containers/{id}/json`.
#[must_use]
pub fn detail(container: &Container) -> Value {
    let state = container.state();
    let (pid, exit_code, started, finished) = match &state {
        State::Created => (0, 0, None, None),
        State::Running { pid, started } => (*pid, 0, Some(*started), None),
        State::Exited { exit_code, started, finished } => (0, *exit_code, Some(*started), Some(*finished)),
    };
    let status = status(&state);
    let network = json!({"IPAddress": container.address.to_string()});
    json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": container.created.to_string(),
        "Image": NO_DIGEST,
        "Config": {"Image": container.spec.image, "Env": container.spec.env, "Cmd": container.spec.cmd,
            "Labels": labels(container), "Tty": false},
        "HostConfig": {},
        "Mounts": [],
        "State": {"Status": status, "Running": status == "running", "Paused": false, "Restarting": false,
            "OOMKilled": false, "Dead": false, "Pid": pid, "ExitCode": exit_code, "Error": "",
            "StartedAt": time(started), "FinishedAt": time(finished)},
        "NetworkSettings": {"IPAddress": container.address.to_string(), "Ports": {}, "Networks": {"bridge": network}},
    })
}

/// Docker's word for it.
#[must_use]
pub fn status(state: &State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running { .. } => "running",
        State::Exited { .. } => "exited",
    }
}

fn labels(container: &Container) -> BTreeMap<String, String> {
    container.spec.labels.clone().unwrap_or_default()
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), |at| at.to_string())
}
