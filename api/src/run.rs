//! Run: one server from its first request to its last.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::app::App;
use crate::routes::{crowded, router};
use crate::serve::{Routes, serve};

/// The engine gave up for good. Another task is needed.
#[derive(Debug, thiserror::Error)]
#[error("the engine is gone: {0}")]
pub struct EngineGone(pub String);

/// Serves until `shutdown`; then it tells whoever checks its health, goes on for the grace, stops listening, and finishes what is in hand.
///
/// # Errors
/// If the engine is gone: then it ends at once.
pub async fn run(app: Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), EngineGone> {
    let settings = app.config.connections.clone();
    let stop = CancellationToken::new();
    let serving = {
        let routes = Routes { all: router(&app), crowded: crowded(&app) };
        let (settings, stop) = (settings.clone(), stop.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { serve(listener, routes, &settings, stop).await }))
    };
    let broken = tokio::select! {
        () = shutdown => None,
        why = app.standing.until_broken() => Some(why),
    };
    match &broken {
        None => {
            info!("Told to end: what is in hand is finished");
            app.standing.drain();
            sleep(settings.grace).await;
        }
        Some(why) => error!(why, "The engine is gone"),
    }
    stop.cancel();
    let end = async {
        let _ = serving.await;
        app.background.close();
        app.background.wait().await;
    };
    if timeout(settings.drain, end).await.is_err() {
        warn!("Not all that was in hand was finished in time");
    }
    broken.map_or(Ok(()), |why| Err(EngineGone(why)))
}
