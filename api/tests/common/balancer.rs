//! A load balancer with the ways of AWS's: it keeps connections, checks health, and ends what it does not send requests to any more only
//! once its requests are answered.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, timeout};

use super::client::{Connection, Reply, send};

/// Between two checks of each target's health.
const CHECK: Duration = Duration::from_millis(200);

/// Listens for as long as the test runs.
#[derive(Clone)]
pub struct Balancer {
    pub address: SocketAddr,
    targets: Arc<Mutex<Targets>>,
}

#[derive(Default)]
struct Targets {
    registered: Vec<SocketAddr>,
    /// Those whose last check failed get no request.
    unhealthy: Vec<SocketAddr>,
    turn: usize,
    idle: HashMap<SocketAddr, Vec<Connection>>,
}

impl Balancer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let this = Self { address, targets: Arc::default() };
        let accepting = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let balancer = accepting.clone();
                tokio::spawn(async move { balancer.serve(stream).await });
            }
        });
        let checking = this.clone();
        tokio::spawn(async move {
            let mut checks = interval(CHECK);
            loop {
                checks.tick().await;
                checking.check().await;
            }
        });
        this
    }

    pub fn register(&self, target: SocketAddr) {
        self.targets().registered.push(target);
    }

    /// No request goes there from now on; those that did are answered.
    pub fn deregister(&self, target: SocketAddr) {
        let mut targets = self.targets();
        targets.registered.retain(|other| *other != target);
        targets.idle.remove(&target);
    }

    pub fn is_healthy(&self, target: SocketAddr) -> bool {
        !self.targets().unhealthy.contains(&target)
    }

    async fn check(&self) {
        let registered = self.targets().registered.clone();
        for target in registered {
            // one that does not listen any more does not answer
            let check = async {
                TcpStream::connect(target).await.is_ok()
                    && send(target, "GET", "/api/health", &[], b"").await.status == 200
            };
            let healthy = timeout(Duration::from_secs(2), check).await.unwrap_or(false);
            let mut targets = self.targets();
            targets.unhealthy.retain(|other| *other != target);
            if !healthy {
                targets.unhealthy.push(target);
            }
        }
    }

    /// One connection of a client: request after request, each to the next target.
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_until(b'\n', &mut request).await? == 0 {
                    return Ok(());
                }
            }
            let head = String::from_utf8_lossy(&request).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let begin = request.len();
            request.resize(begin + length.unwrap_or(0), 0);
            stream.read_exact(&mut request[begin..]).await?;
            let answer = match self.forward(&request).await {
                Ok(reply) => format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n\r\n", reply.status, reply.body.len())
                    .into_bytes()
                    .into_iter()
                    .chain(reply.body)
                    .collect(),
                // as AWS's: it is not tried again elsewhere, since it may have done something
                Err(_) => b"HTTP/1.1 502 -\r\nContent-Length: 0\r\n\r\n".to_vec(),
            };
            stream.write_all(&answer).await?;
        }
    }

    async fn forward(&self, request: &[u8]) -> io::Result<Reply> {
        let (target, idle) = self.next().ok_or(io::ErrorKind::NotConnected)?;
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(target).await?,
        };
        let reply = connection.exchange(&[request]).await?;
        let mut targets = self.targets();
        if reply.header("connection") != Some("close") && targets.registered.contains(&target) {
            targets.idle.entry(target).or_default().push(connection);
        }
        Ok(reply)
    }

    fn next(&self) -> Option<(SocketAddr, Option<Connection>)> {
        let targets = &mut *self.targets();
        let healthy: Vec<_> = targets.registered.iter().filter(|target| !targets.unhealthy.contains(target)).collect();
        targets.turn += 1;
        let target = **healthy.get(targets.turn % healthy.len().max(1))?;
        Some((target, targets.idle.get_mut(&target).and_then(Vec::pop)))
    }

    fn targets(&self) -> MutexGuard<'_, Targets> {
        self.targets.lock().expect("not poisoned")
    }
}
