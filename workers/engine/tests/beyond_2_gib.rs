//! Files above the 2 GiB that libclamav takes at once: sparse ones, so that they cost no disk.

mod support;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{Detection, MAX_FILE_BYTES, ScanVerdict, UnscannableReason};
use support::{TestEngine, eicar};

const GIB: u64 = 1 << 30;

/// Three of these are more than libclamav takes.
const THIRD: u64 = 700 << 20;

fn sparse() -> File {
    tempfile::tempfile().expect("a file")
}

async fn scan(test: &TestEngine, file: File) -> (ScanVerdict, Duration) {
    let size = file.metadata().expect("open").len();
    let begun = Instant::now();
    (test.engine.scan(file.into(), size).await, begun.elapsed())
}

/// The one detection's member and threat.
fn only(verdict: &ScanVerdict) -> (&str, &str) {
    match verdict {
        ScanVerdict::Infected { detections, omitted: 0 } => match &detections[..] {
            [Detection { member, threat, .. }] => (member, threat),
            many => panic!("{many:?}"),
        },
        verdict => panic!("not infected: {verdict:?}"),
    }
}

/// A signature that may lie anywhere, as most of ClamAV's own; EICAR's is for the beginning of a file.
const ANYWHERE: &str = "lazaret test marker";

async fn start(scan_seconds: u64) -> TestEngine {
    let hex: String = ANYWHERE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("Lazaret.Test.Anywhere:0:*:{hex}\n");
    TestEngine::with(|config| {
        config.scan_seconds = scan_seconds;
        std::fs::write(config.definitions.join("anywhere.ndb"), signature).expect("written");
    })
    .await
}

#[tokio::test]
async fn a_sparse_object_of_5_gib_is_looked_through_within_its_time_and_never_clean() {
    // how long a window takes is known once the first is done: that one must end in time on a busy machine, too
    let test = start(20).await;
    let file = sparse();
    file.set_len(5 * GIB).expect("sparse");
    let (verdict, elapsed) = scan(&test, file).await;
    println!("{verdict:?} after {elapsed:?}");
    let ScanVerdict::Unscannable { reason: UnscannableReason::TooLarge, detail } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(detail.starts_with("5368709120 bytes and no container"), "{detail}");
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}: killed, not ended");
}

#[tokio::test]
async fn windows_overlap_so_that_nothing_lies_between_them() {
    let test = start(50).await;
    let mut file = sparse();
    file.set_len(MAX_FILE_BYTES + 1).expect("sparse");
    // Across the end of the first window.
    file.seek(SeekFrom::Start((256 << 20) - 7)).expect("sought");
    file.write_all(ANYWHERE.as_bytes()).expect("written");
    assert_eq!(only(&scan(&test, file).await.0), ("", "Lazaret.Test.Anywhere"));
}

/// A tar header for a member of so many bytes.
fn header(name: &str, bytes: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("short");
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    *header.as_bytes()
}

#[tokio::test]
async fn a_tar_above_2_gib_is_read_member_by_member() {
    let test = start(50).await;
    let archive = |last: &[u8]| {
        let mut file = sparse();
        for index in 0..3 {
            file.write_all(&header(&format!("{index}.log"), THIRD)).expect("written");
            file.seek(SeekFrom::Current(THIRD.cast_signed())).expect("sought");
        }
        file.write_all(&header("last/eicar.com", last.len() as u64)).expect("written");
        file.write_all(last).expect("written");
        let end = file.stream_position().expect("known").next_multiple_of(512) + 1_024;
        file.set_len(end).expect("padded");
        file
    };
    let (verdict, elapsed) = scan(&test, archive(&eicar())).await;
    assert_eq!(only(&verdict), ("last/eicar.com", "Eicar-Test-Signature"));
    println!("a tar of 2 GiB took {elapsed:?}");
}

#[tokio::test]
async fn a_zip_above_2_gib_is_read_member_by_member() {
    let test = start(50).await;
    let archive = |before: &[u8], last: &[u8]| {
        // A hole in front of everything is a legal prefix.
        let mut file = sparse();
        file.write_all(before).expect("written");
        file.seek(SeekFrom::Start(MAX_FILE_BYTES + 1)).expect("sought");
        file.write_all(&support::zip(&[("notes.txt", b"hello, reader"), ("last/eicar.com", last)])).expect("written");
        file
    };
    let (verdict, elapsed) = scan(&test, archive(b"", &eicar())).await;
    println!("a zip behind 2 GiB took {elapsed:?}");
    assert_eq!(only(&verdict), ("last/eicar.com", "Eicar-Test-Signature"));
    assert_eq!(scan(&test, archive(b"", &[b'x'; 68])).await.0, ScanVerdict::Clean, "nothing but zeros before it");
    let (verdict, _) = scan(&test, archive(ANYWHERE.as_bytes(), &[b'x'; 68])).await;
    assert_eq!(only(&verdict), ("(embedded)", "Lazaret.Test.Anywhere"));
    let hurried = start(6).await;
    let (verdict, _) = scan(&hurried, archive(b"no program and no archive", &[b'x'; 68])).await;
    assert!(matches!(verdict, ScanVerdict::Unscannable { reason: UnscannableReason::TooLarge, .. }), "{verdict:?}");
}
