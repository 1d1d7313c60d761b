//! Runs ECS containers as local processes behind the part of Docker's API that the local cloud calls.
//!
//! MiniStack starts an ECS task by talking to a Docker engine. This is one without images, namespaces or cgroups: a
//! container is a process with its own process group, environment, scratch directory and loopback address. It listens on
//! a Unix socket only, and it is a tool for a developer's machine: whoever can open the socket can run the programs of
//! the image list.
//!
//! * [`config`]: the variables.
//! * [`images`]: which program an image name stands for.
//! * [`container`]: one container: create, start, stop, wait.
//! * [`supervise`]: the process around a container that makes all of it die together, and measures it.
//! * [`registry`]: all containers, found by id or name.
//! * [`api`]: the routes; [`view`]: the JSON they answer; [`logs`]: the log stream.
//! * [`usage`]: what each finished container used, for the benchmarks.

pub mod api;
pub mod config;
pub mod container;
pub mod images;
pub mod logs;
pub mod registry;
pub mod supervise;
pub mod usage;
pub mod view;

use std::future::Future;

use anyhow::Context as _;
use tokio::net::UnixListener;

pub use config::Config;
use registry::Registry;

/// Serves until `shutdown` ends, then kills every container and returns when the last is gone.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    config.create_directories()?;
    let socket = config.socket.clone();
    // A socket file outlives its server; an answering one means that a runner is there, and it keeps its socket.
    if tokio::net::UnixStream::connect(&socket).await.is_ok() {
        anyhow::bail!("a runner is already listening on {}", socket.display());
    }
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove the stale socket {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&socket).with_context(|| format!("listen on {}", socket.display()))?;
    let registry = Registry::new(config);
    tracing::info!(socket = %socket.display(), "Serving containers on `{}`", socket.display());
    let served = tokio::select! {
        served = axum::serve(listener, api::router(registry.clone())) => served,
        () = shutdown => Ok(()),
    };
    registry.kill_all().await;
    // Gone already is as good as removed.
    let _ = std::fs::remove_file(&socket);
    served.context("serve")
}
