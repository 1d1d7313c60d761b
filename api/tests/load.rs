//! Many large uploads at once: whoever has no place is told to come again, and all get their verdict in bounded memory.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::client::{Connection, scan_head};
use common::cognito::good_token;
use common::processes::{Held, held, most_resident_bytes};
use common::program::{Program, eicar};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const UPLOADS: usize = 200;
const FILE_BYTES: usize = 10 << 20;
const MIB: u64 = 1 << 20;
/// What the server may hold of files: less than a tenth of what is sent in memory, less than a third on the disk.
const MEMORY_BYTES: u64 = 160 * MIB;
const DISK_BYTES: u64 = 640 * MIB;
/// What it may have besides: itself, and for each connection what is read ahead of a body.
const OWN_BYTES: u64 = 128 * MIB;

/// A file of 10 MiB that is no other's, so that no verdict is known before; every twentieth is infected.
fn beginning(number: usize) -> Vec<u8> {
    if number.is_multiple_of(20) {
        [eicar(), format!(" {number}").into_bytes()].concat()
    } else {
        format!("{number} ").into_bytes()
    }
}

/// Tries until there is a verdict, as a client should.
async fn upload(address: SocketAddr, token: &str, number: usize, filling: Bytes, refused: &AtomicU64) -> String {
    let beginning = beginning(number);
    let head = scan_head(token, FILE_BYTES);
    let request = [head.as_slice(), &beginning, &filling[beginning.len()..]];
    loop {
        let exchanged = match Connection::open(address).await {
            Ok(mut connection) => connection.exchange(&request).await,
            Err(error) => Err(error),
        };
        let reply = exchanged.unwrap_or_else(|error| panic!("upload {number} was lost: {error}"));
        match reply.status {
            200 => return reply.json()["result"].as_str().expect("a result").to_owned(),
            429 => {
                refused.fetch_add(1, Ordering::Relaxed);
                let seconds = reply.header("retry-after").and_then(|value| value.parse().ok()).expect("Retry-After");
                assert!((1..=60).contains(&seconds), "{seconds}");
                sleep(Duration::from_secs(seconds)).await;
            }
            other => panic!("upload {number} failed with {other}: {reply:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_large_uploads_at_once_get_verdicts_in_bounded_memory() {
    let program = Program::with(&[
        ("LAZARET_API_MEMORY_BYTES", &MEMORY_BYTES.to_string()),
        ("LAZARET_API_DISK_BYTES", &DISK_BYTES.to_string()),
    ])
    .await;
    let (server, scratch) = (program.child.id(), program.directory.path().join("scratch"));
    let idle_bytes = most_resident_bytes(server);
    let filling = Bytes::from(b"nothing to see here\n".repeat(FILE_BYTES / 20 + 1)).slice(..FILE_BYTES);
    let (token, refused) = (good_token(), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut uploads = JoinSet::new();
    for number in 0..UPLOADS {
        let (address, token, filling, refused) =
            (program.address, token.clone(), filling.clone(), Arc::clone(&refused));
        uploads.spawn(async move { (number, upload(address, &token, number, filling, &refused).await) });
    }
    let (mut done, mut most) = (0, Held::default());
    while done < UPLOADS {
        tokio::select! {
            Some(upload) = uploads.join_next() => {
                let (number, result) = upload.expect("no upload failed");
                assert_eq!(result, if number % 20 == 0 { "Infected" } else { "Clean" }, "upload {number}");
                done += 1;
            }
            () = sleep(Duration::from_millis(20)) => {
                let now = held(server, &scratch);
                most.memory_bytes = most.memory_bytes.max(now.memory_bytes);
                most.disk_bytes = most.disk_bytes.max(now.disk_bytes);
            }
        }
    }
    let (own_bytes, refused) = (most_resident_bytes(server), refused.load(Ordering::Relaxed));
    println!(
        "{UPLOADS} uploads of 10 MiB in {:.1} s, {refused} answers of 429; the server's own {} MiB at most ({} MiB when idle), files in memory {} MiB, on the disk {} MiB",
        begun.elapsed().as_secs_f64(),
        own_bytes / MIB,
        idle_bytes / MIB,
        most.memory_bytes / MIB,
        most.disk_bytes / MIB,
    );
    assert!(refused > 0, "there was no place for all of them at once, or nothing was shown");
    assert!(own_bytes <= OWN_BYTES, "the server's own: {own_bytes} bytes");
    assert!(most.memory_bytes <= MEMORY_BYTES, "files in memory: {} bytes", most.memory_bytes);
    assert!(most.disk_bytes <= DISK_BYTES, "files on the disk: {} bytes", most.disk_bytes);
    assert!(most.memory_bytes > MEMORY_BYTES / 2 && most.disk_bytes > 0, "this was no load: {most:?}");
    common::until(|| held(server, &scratch).memory_bytes == 0).await;
}
