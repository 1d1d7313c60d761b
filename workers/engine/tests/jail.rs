//! The engine in its jail: it scans all that it scans outside, and what it runs out of is never clean.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use lazaret_engine_protocol::{Limits, ScanVerdict};
use support::{TEST_FILES, TestEngine, eicar, run_as_image_user, zip};

/// Of all kinds, and spread over what is there.
const FOLDERS: &[&str] = &["/usr/bin", "/usr/lib/python3", "/usr/share/doc", "/usr/share/perl", "/usr/include", "/etc"];
const FILES_A_FOLDER: usize = 60;
const MAX_BYTES: u64 = 2 << 20; // the largest test file has 1.7 MB

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => files_below(&path, found),
            Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_BYTES => found.push(path),
            _ => {}
        }
    }
}

fn files() -> Vec<PathBuf> {
    let spread = FOLDERS.iter().flat_map(|folder| {
        let mut found = Vec::new();
        files_below(Path::new(folder), &mut found);
        let step = found.len().div_ceil(FILES_A_FOLDER).max(1);
        found.into_iter().step_by(step)
    });
    let mut files: Vec<PathBuf> = spread.collect();
    files_below(Path::new(TEST_FILES), &mut files);
    files
}

/// No worker may end for asking the kernel for something that an engine needs.
async fn scans_everything(test: TestEngine) {
    let workers = test.workers();
    let files = files();
    let mut infected = 0;
    for path in &files {
        let Ok(content) = fs::read(path) else { continue };
        match test.scan(&content).await {
            ScanVerdict::Failed { reason, detail } => panic!("{}: {reason:?}, {detail}", path.display()),
            ScanVerdict::Infected { .. } => infected += 1,
            ScanVerdict::Clean | ScanVerdict::Unscannable { .. } => {}
        }
    }
    println!("{} files, {infected} infected", files.len());
    assert_eq!(test.workers(), workers, "a worker was replaced");
    assert_eq!(infected, fs::read_dir(TEST_FILES).expect("installed").count());
}

#[tokio::test]
async fn all_test_files_and_hundreds_of_this_system_are_scanned_and_no_worker_ends() {
    scans_everything(TestEngine::start().await).await;
}

#[tokio::test]
async fn so_they_are_for_the_images_user() {
    if rustix::process::geteuid().is_root() {
        scans_everything(TestEngine::with(run_as_image_user).await).await;
    }
}

#[tokio::test]
async fn encodings_that_files_ask_for_are_there() {
    // With a module of its own each; the last two are loaded by nobody's sample.
    let test = TestEngine::start().await;
    let workers = test.workers();
    for encoding in ["shift_jis", "gb18030", "utf-7", "iso-2022-kr", "no-such-encoding", "../../../../tmp/evil"] {
        let html = format!(
            "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset={encoding}\"></head></html>"
        );
        assert_eq!(test.scan(html.as_bytes()).await, ScanVerdict::Clean, "{encoding}");
    }
    assert_eq!(test.workers(), workers);
}

/// Bytes that do not pack.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn a_scan_that_runs_out_of_memory_is_never_clean_and_the_next_is_fine() {
    let noise = noise(12 << 20);
    let nested = |last: &[u8]| zip(&[("noise", &noise), ("a.zip", &zip(&[("noise", &noise), ("last", last)]))]);
    let (sound, infected) = (nested(b"text"), nested(&eicar()));
    let limits = Limits { max_file_bytes: 25 << 20, max_member_bytes: 25 << 20, ..Limits::default() };
    for (memory_bytes, is_enough) in [(0, false), (8 << 20, false), (128 << 20, true)] {
        let test = TestEngine::with(|config| config.limits = Limits { memory_bytes, ..limits }).await;
        let verdict = test.scan(&sound).await;
        match verdict {
            ScanVerdict::Clean => assert!(is_enough, "{memory_bytes} bytes"),
            ScanVerdict::Failed { .. } => assert!(!is_enough, "{memory_bytes} bytes: {verdict:?}"),
            verdict => panic!("{memory_bytes} bytes: {verdict:?}"),
        }
        let verdict = test.scan(&infected).await;
        let found = matches!(verdict, ScanVerdict::Infected { .. });
        let failed = matches!(verdict, ScanVerdict::Failed { .. });
        assert!(found || (failed && !is_enough), "{memory_bytes} bytes: {verdict:?}");
        assert!(matches!(test.scan(&eicar()).await, ScanVerdict::Infected { .. }), "{memory_bytes} bytes");
    }
}

#[tokio::test]
async fn a_step_that_is_no_step_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    support::write_definitions(&directory.path().join("definitions"));
    let mut config = support::config(directory.path());
    config.allow_missing = vec!["door".to_owned()];
    let error = lazaret_engine_protocol::Engine::start(config).await.expect_err("no such step");
    assert!(error.to_string().contains("`door`"), "{error}");
}
