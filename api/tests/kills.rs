//! Workers of the engine die under load: what they had is an error, and nothing else is lost.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::client::{Connection, scan_head};
use common::cognito::good_token;
use common::processes::scan_workers;
use common::program::{Program, eicar};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{sleep, timeout};

const KILLS: u64 = 20;
const CLIENTS: u64 = 8;
const WORKERS: usize = 2;
/// Some 20 ms of scanning, so that most kills meet a scan.
const FILE_BYTES: usize = 2 << 20;

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    errors: AtomicU64,
}

/// Scans one file after another, no two the same and every fifth infected, until it is told to stop.
async fn client(address: SocketAddr, number: u64, stop: Arc<AtomicBool>, counts: Arc<Counts>) {
    let token = good_token();
    let mut connection = Connection::open(address).await.expect("connected");
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let infected = round % 5 == 0;
        let mut body = if infected { eicar() } else { Vec::new() };
        body.extend_from_slice(format!(" {number} {round} ").as_bytes());
        body.resize(FILE_BYTES, b'x');
        let exchanged = connection.exchange(&[&scan_head(&token, body.len()), &body]).await;
        let reply = exchanged.unwrap_or_else(|error| panic!("a request was lost: {error}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        counts.answered.fetch_add(1, Ordering::SeqCst);
        match answer["result"].as_str() {
            Some("Error") => {
                let why = answer["errorMessage"].as_str().expect("a reason");
                assert!(why.contains("engine crashed"), "{why}");
                counts.errors.fetch_add(1, Ordering::SeqCst);
            }
            Some(result) => assert_eq!(result, if infected { "Infected" } else { "Clean" }),
            None => panic!("no result: {answer}"),
        }
    }
}

/// Waits for `count` workers none of which is `gone`.
async fn workers(program: &Program, count: usize, gone: &[u32]) -> Vec<u32> {
    let look = async {
        loop {
            let workers = scan_workers(program.child.id());
            if workers.len() == count && !workers.iter().any(|worker| gone.contains(worker)) {
                return workers;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(30), look).await.expect("dead workers are replaced")
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_workers_killed_under_load_cost_no_answer_and_no_more_errors_than_workers() {
    let program = Program::start().await;
    let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
    let clients =
        (0..CLIENTS).map(|number| tokio::spawn(client(program.address, number, stop.clone(), counts.clone())));
    let clients: Vec<_> = clients.collect();
    let host = {
        let answered = || counts.answered.load(Ordering::SeqCst) >= CLIENTS;
        common::until(answered).await;
        common::processes::children(program.child.id())
    };
    let mut gone = Vec::new();
    for kill in 0..KILLS {
        let workers = workers(&program, WORKERS, &gone).await;
        // one and the other by turns, with answers between two kills: a new one has scanned by then
        let victim = workers[usize::try_from(kill).expect("small") % WORKERS];
        let pid = i32::try_from(victim).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::KILL).expect("it runs");
        gone.push(victim);
        let seen = counts.answered.load(Ordering::SeqCst);
        common::until(|| counts.answered.load(Ordering::SeqCst) >= seen + CLIENTS).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every request was answered");
    }
    let (answered, errors) = (counts.answered.load(Ordering::SeqCst), counts.errors.load(Ordering::SeqCst));
    println!("{KILLS} workers killed: {answered} answers, {errors} of them errors");
    assert!(errors <= KILLS, "{errors} errors of {KILLS} killed workers: some other scan was lost");
    assert!(errors >= KILLS / 4, "{errors} errors: workers were killed when they had nothing to do");
    assert_eq!(common::processes::children(program.child.id()), host, "the host lives on");
    let mut connection = Connection::open(program.address).await.expect("connected");
    let body = eicar();
    let reply = connection.exchange(&[&scan_head(&good_token(), body.len()), &body]).await.expect("an answer");
    assert_eq!(reply.json()["result"], Value::from("Infected"), "it is as good as new");
}
