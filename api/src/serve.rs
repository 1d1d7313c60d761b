//! Serve: connections, each within its bounds, and their end without one lost request.
//!
//! hyper's own server, and not axum's, for what the latter can't be told: how long a request's head may take, how large it may be, and how
//! many connections there may be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::address::Peer;
use crate::config::ConnectionSettings;

/// Headers of a request; a load balancer adds five to a client's ten. More: 431.
const HEADERS_MAX: usize = 64;
/// Bytes of all of them, a token among them. More: 431.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// What is read ahead of a body, for each connection.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections beyond the most. Each is told so and closed, after one request: health checks come on connections of their own, and a task that a
/// crowd keeps from answering them would be replaced, which helps nobody.
const SPARE: usize = 128;
/// How long one of these may take for its request's head.
const SPARE_IDLE: Duration = Duration::from_secs(5);
/// After an accept that failed, which is a want of descriptors if anything.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered: to most connections, and to those that are too many.
#[derive(Clone)]
pub struct Routes {
    pub all: Router,
    pub crowded: Router,
}

/// Serves until `stop`, then ends each connection after the request that it has in hand. Returns when they are all gone.
pub async fn serve(listener: TcpListener, routes: Routes, settings: &ConnectionSettings, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let (places, spare) = (Arc::new(Semaphore::new(settings.most)), Arc::new(Semaphore::new(SPARE)));
    loop {
        let accepted = async {
            let spare = Arc::clone(&spare).acquire_owned().await.expect("never closed");
            (listener.accept().await, spare)
        };
        let ((stream, peer), spare) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            (accepted, spare) = accepted => match accepted {
                Ok(accepted) => (accepted, spare),
                Err(error) => {
                    warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let connection = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => Connection { router: routes.all.clone(), idle: settings.idle, kept: true, _place: place },
            Err(_) => Connection { router: routes.crowded.clone(), idle: SPARE_IDLE, kept: false, _place: spare },
        };
        connections.spawn(connection.attend(stream, peer, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection from its start to its end.
struct Connection {
    router: Router,
    /// For the head of a request.
    idle: Duration,
    /// Whether another request may come.
    kept: bool,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn attend(self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let _ = stream.set_nodelay(true); // answers are small
        let service = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            service.call(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.idle)
            .keep_alive(self.kept)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "A connection ended early");
        }
    }
}
