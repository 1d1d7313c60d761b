//! Servers are replaced one after the other behind a load balancer, under load: no request is lost.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::balancer::Balancer;
use common::client::{Connection, scan_head};
use common::cognito::good_token;
use common::program::{Program, eicar};
use tokio::time::sleep;

const CLIENTS: u64 = 6;
/// From the word to the load balancer to the word to the server.
const DEREGISTRATION: Duration = Duration::from_millis(500);

/// Scans one file after another, of a few bytes and of a few MiB, every third infected, until it is told to stop.
async fn client(address: SocketAddr, number: u64, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let token = good_token();
    let mut connection = Connection::open(address).await.expect("connected");
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let infected = round % 3 == 0;
        let mut body = if infected { eicar() } else { Vec::new() };
        body.extend_from_slice(format!(" {number} {round} ").as_bytes());
        body.resize(if round % 4 == 0 { 3 << 20 } else { 4 << 10 }, b'x');
        let exchanged = connection.exchange(&[&scan_head(&token, body.len()), &body]).await;
        let reply = exchanged.unwrap_or_else(|error| panic!("client {number} lost request {round}: {error}"));
        assert_eq!(reply.status, 200, "client {number}, request {round}: {reply:?}");
        assert_eq!(reply.json()["result"], if infected { "Infected" } else { "Clean" });
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Requests that are answered before and after each step, so that each step is under load.
async fn some_answers(answered: &AtomicU64) {
    let seen = answered.load(Ordering::SeqCst);
    common::until(|| answered.load(Ordering::SeqCst) >= seen + 4 * CLIENTS).await;
}

async fn ended_well(mut program: Program) {
    assert!(program.until_ended().await.success(), "{}", program.log());
    assert!(!program.log().contains("Not all that was in hand was finished"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_replaced_one_after_the_other_under_load_lose_no_request() {
    // it hears SIGTERM up to two seconds before the load balancer sees it by itself
    let start = async || Program::with(&[("LAZARET_API_GRACE_SECONDS", "2")]).await;
    let (first, second) = (start().await, start().await);
    let balancer = Balancer::start().await;
    balancer.register(first.address);
    balancer.register(second.address);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients =
        (0..CLIENTS).map(|number| tokio::spawn(client(balancer.address, number, stop.clone(), answered.clone())));
    let clients: Vec<_> = clients.collect();
    some_answers(&answered).await;

    // as ECS does it: another one first, then no more requests for the old one, then SIGTERM
    let third = start().await;
    balancer.register(third.address);
    some_answers(&answered).await;
    balancer.deregister(first.address);
    sleep(DEREGISTRATION).await;
    first.tell_to_end();
    ended_well(first).await;
    some_answers(&answered).await;

    // the other way: SIGTERM comes first, and the load balancer finds out by its checks
    let fourth = start().await;
    balancer.register(fourth.address);
    some_answers(&answered).await;
    second.tell_to_end();
    common::until(|| !balancer.is_healthy(second.address)).await;
    ended_well(second).await;
    some_answers(&answered).await;

    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request was lost");
    }
    println!("two servers replaced: {} requests, all answered", answered.load(Ordering::SeqCst));
}
