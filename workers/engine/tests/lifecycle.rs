//! Starts, deaths and ends: the real program, asked by the real client.

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use futures::future::join_all;
use lazaret_engine_protocol::{Engine, FailureReason, ScanVerdict, StartError};
use rustix::fs::ftruncate;
use rustix::process::Signal;
use support::{IMAGE_USER, TestEngine, eicar, file, is_running, kill, pid, run_as_image_user, slow_zip, until, zip};

fn failure(verdict: &ScanVerdict) -> FailureReason {
    match verdict {
        ScanVerdict::Failed { reason, .. } => *reason,
        verdict => panic!("not failed: {verdict:?}"),
    }
}

#[tokio::test]
async fn says_what_it_loaded() {
    let test = TestEngine::start().await;
    let info = test.engine.info();
    assert_eq!((info.signatures, info.workers), (2, 2));
    assert!(info.engine_version.starts_with("ClamAV "), "{}", info.engine_version);
    assert_eq!(info.definitions_version.len(), 12);
    assert_eq!(info.definitions_built_seconds, None, "the test set has no header of ClamAV's");
}

#[tokio::test]
async fn an_engine_that_is_not_roots_starts_and_scans() {
    if !rustix::process::geteuid().is_root() {
        return; // then every other test here says the same
    }
    let test = TestEngine::with(run_as_image_user).await;
    let workers = test.workers();
    assert_eq!(workers.len(), 2);
    for process in workers.into_iter().chain([pid(test.engine.info().host_pid)]) {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let user = status.lines().find(|line| line.starts_with("Uid:")).expect("a user");
        assert!(user.split_whitespace().skip(1).all(|id| id == IMAGE_USER.to_string()), "{user}");
        let owner = fs::metadata(format!("/proc/{process}/environ")).expect("it runs").uid();
        assert_eq!(owner, 0, "the process can be dumped by its user");
    }
    for worker in test.workers() {
        let score = fs::read_to_string(format!("/proc/{worker}/oom_score_adj")).expect("it runs");
        assert_eq!(score.trim(), "1000");
    }
    assert_eq!(test.scan(b"nothing but text").await, ScanVerdict::Clean);
    assert!(matches!(test.scan(&zip(&[("eicar.com", &eicar())])).await, ScanVerdict::Infected { .. }));
}

#[tokio::test]
async fn without_definitions_there_is_no_engine() {
    let directory = tempfile::tempdir().expect("a directory");
    let definitions = directory.path().join("definitions");
    let start = || async {
        match Engine::start(support::config(directory.path())).await.expect_err("nothing to scan with") {
            StartError::Exited { message } => message,
            error => panic!("{error}"),
        }
    };
    let missing = start().await;
    assert!(missing.contains("cannot read the definitions directory `/"), "{missing}");
    assert!(missing.contains(&format!("{}`", definitions.display())), "{missing}");
    fs::create_dir(&definitions).expect("made");
    for content in [None, Some(("readme.txt", "no definitions")), Some(("none.ndb", ""))] {
        if let Some((name, text)) = content {
            fs::write(definitions.join(name), text).expect("written");
        }
        let empty = start().await;
        assert!(empty.contains(&format!("{}`", definitions.display())), "{content:?}: {empty}");
    }
    fs::write(definitions.join("damaged.ndb"), "neither:a\u{0}signature\n").expect("written");
    let damaged = start().await;
    assert!(damaged.contains("libclamav cannot load the definitions"), "{damaged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_scans_at_once_each_get_their_own_answer() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    let scans = (0..200).map(|number| {
        let (test, eicar) = (&test, &eicar);
        async move {
            let name = format!("member-{number}");
            let content: &[u8] = if number % 2 == 0 { eicar } else { b"nothing of note" };
            (number, name.clone(), test.scan(&zip(&[(&name, content)])).await)
        }
    });
    for (number, name, verdict) in join_all(scans).await {
        match verdict {
            ScanVerdict::Infected { detections, .. } if number % 2 == 0 => assert_eq!(detections[0].member, name),
            ScanVerdict::Clean if number % 2 == 1 => {}
            verdict => panic!("{name}: {verdict:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_costs_one_file() {
    let test = TestEngine::with(|config| config.workers = 1).await;
    let slow = slow_zip();
    let (during, after) = (test.scan(&slow), async {
        test.scanning(1).await;
        let [worker] = test.workers()[..] else { panic!("one worker") };
        // This file waits in the host behind the slow one.
        let eicar = eicar();
        let waiting = test.scan(&eicar);
        kill(worker, Signal::KILL);
        let verdict = waiting.await;
        assert_ne!(test.workers(), [worker]);
        verdict
    });
    let (during, after) = tokio::join!(during, after);
    assert_eq!(failure(&during), FailureReason::EngineCrashed, "{during:?}");
    assert!(matches!(after, ScanVerdict::Infected { .. }), "{after:?}");
    assert_eq!(test.scan(b"text").await, ScanVerdict::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_while_it_is_scanned_costs_one_verdict() {
    let test = TestEngine::with(|config| config.workers = 1).await;
    let slow = slow_zip();
    let object = file(&slow);
    let during = test.engine.scan(object.try_clone().expect("a descriptor").into(), slow.len() as u64);
    let cut = async {
        test.scanning(1).await;
        ftruncate(&object, 0).expect("cut");
    };
    let (during, ()) = tokio::join!(during, cut);
    // SIGBUS where libclamav reads what is gone, an error where it hands it to the kernel.
    let reason = failure(&during);
    assert!([FailureReason::EngineCrashed, FailureReason::EngineFailed].contains(&reason), "{during:?}");
    assert_eq!(test.scan(b"text").await, ScanVerdict::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_takes_too_long_is_killed() {
    let test = TestEngine::with(|config| config.scan_seconds = 1).await;
    let verdict = test.scan(&slow_zip()).await;
    assert_eq!(failure(&verdict), FailureReason::EngineTimeout, "{verdict:?}");
    assert_eq!(test.scan(b"text").await, ScanVerdict::Clean);
    assert_eq!(test.workers().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_dies_fails_what_it_had_and_is_replaced() {
    let test = TestEngine::start().await;
    let slow = slow_zip();
    let host = test.engine.info().host_pid;
    let workers = test.workers();
    let (during, also, ()) = tokio::join!(test.scan(&slow), test.scan(&slow), async {
        test.scanning(2).await;
        kill(pid(host), Signal::KILL);
    });
    for verdict in [during, also] {
        assert_eq!(failure(&verdict), FailureReason::EngineCrashed, "{verdict:?}");
    }
    assert!(matches!(test.scan(&eicar()).await, ScanVerdict::Infected { .. }));
    assert_ne!(test.engine.info().host_pid, host);
    assert_eq!(test.engine.broken(), None);
    until("the workers end with their host", || !workers.iter().any(|worker| is_running(*worker))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_be_replaced_breaks_the_engine_and_nothing_turns_clean() {
    let test = TestEngine::with(|config| config.restarts = 2).await;
    fs::remove_dir_all(test.directory.path().join("definitions")).expect("removed");
    kill(pid(test.engine.info().host_pid), Signal::KILL);
    until("the engine gives up", || test.engine.broken().is_some()).await;
    let why = test.engine.broken().expect("broken");
    assert!(why.contains("3 times in a row") && why.contains("cannot read the definitions directory"), "{why}");
    assert_eq!(test.scan(b"text").await, ScanVerdict::failed(FailureReason::EngineFailed, why));
    test.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_running_scans_finish() {
    let test = TestEngine::with(|config| config.workers = 1).await;
    let zeros = vec![0_u8; 200 << 20];
    let packed = zip(&[("zeros", &zeros), ("eicar.com", &eicar())]);
    let host = test.engine.info().host_pid;
    let (verdict, ()) = tokio::join!(test.scan(&packed), async {
        test.scanning(1).await;
        kill(pid(host), Signal::TERM);
    });
    assert!(matches!(verdict, ScanVerdict::Infected { .. }), "{verdict:?}");
    until("the host ends", || !is_running(pid(host))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_leaves_no_process_and_no_file() {
    let test = TestEngine::start().await;
    let (host, workers) = (pid(test.engine.info().host_pid), test.workers());
    let packed = zip(&[("zeros", &vec![0_u8; 200 << 20]), ("eicar.com", &eicar())]);
    let (verdict, ()) = tokio::join!(test.scan(&packed), async {
        test.scanning(1).await;
        test.engine.shutdown().await;
    });
    assert!(matches!(verdict, ScanVerdict::Infected { .. }), "what runs is finished: {verdict:?}");
    assert!(!is_running(host) && !workers.iter().any(|worker| is_running(*worker)));
    assert_eq!(fs::read_dir(test.scratch()).expect("readable").count(), 0);
    assert_eq!(failure(&test.scan(b"text").await), FailureReason::EngineFailed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_ends_with_its_last_handle() {
    let test = TestEngine::start().await;
    let (host, workers) = (pid(test.engine.info().host_pid), test.workers());
    drop(test.engine);
    until("host and workers end", || !is_running(host) && !workers.iter().any(|worker| is_running(*worker))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_has_only_its_socket() {
    let test = TestEngine::start().await;
    for worker in test.workers() {
        let descriptors = match fs::read_dir(format!("/proc/{worker}/fd")) {
            Ok(descriptors) => descriptors,
            // A worker is not dumpable, so for anybody but root its list is closed.
            Err(error) => {
                assert!(!rustix::process::geteuid().is_root(), "{error}");
                assert_eq!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied,
                    "a worker's descriptors are open to its user"
                );
                eprintln!("NOT CHECKED: which descriptors worker {worker} has; only root can list them");
                continue;
            }
        };
        let mut names: Vec<String> =
            descriptors.map(|entry| entry.expect("readable").file_name().into_string().expect("a number")).collect();
        names.sort();
        assert_eq!(names, ["0", "1", "2", "3"]);
    }
}

#[test]
fn libclamav_reads_its_numbers_by_the_programs_own_sscanf() {
    // the loader says what it binds to what; the program then ends, for want of an agent
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_lazaret-engine"))
        .env("LD_DEBUG", "bindings")
        .env("LD_BIND_NOW", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&said.stderr);
    let bound =
        said.lines().find(|line| line.contains("libclamav") && line.contains("symbol `sscanf'")).expect("bound");
    let to = bound.split(" to ").nth(1).expect("to what");
    assert!(to.contains("lazaret-engine"), "{bound}");
}
