//! Bad rules, slow rules, deaths and the jail: the real program, asked by the real client.

mod support;

use std::time::{Duration, Instant};

use lazaret_engine_protocol::{FailureReason, ScanVerdict, UnscannableReason};
use rustix::process::{Signal, kill_process};
use support::{TestEngine, finding, infected, pid, refused, status, ticks, until};

const RULES: &str = r#"rule found { strings: $text = "found" condition: $text }"#;

/// On a mebibyte of `a` this takes hours: as many steps at each place as it may repeat.
const SLOW: &str = r#"
    rule found { strings: $text = "found" condition: $text }
    rule slow { strings: $slow = /a(a|b|c){1,2000}d/ condition: $slow }
"#;

fn slow_file() -> Vec<u8> {
    vec![b'a'; 1 << 20]
}

fn failure(verdict: &ScanVerdict) -> FailureReason {
    match verdict {
        ScanVerdict::Failed { reason, .. } => *reason,
        verdict => panic!("not failed: {verdict:?}"),
    }
}

#[tokio::test]
async fn without_sound_rules_the_program_does_not_start() {
    let none = refused(&[("README", "no rules")]).await;
    assert!(none.contains("/rules` holds no rules"), "{none}");
    let broken = refused(&[("a.yar", RULES), ("b.yar", "rule broken {\n condition:\n  nonsense\n}")]).await;
    assert!(broken.contains("b.yar:3: unknown identifier `nonsense`"), "{broken}");
}

#[tokio::test]
async fn workers_are_in_the_jail_and_nothing_has_a_second_thread() {
    let test = TestEngine::start(RULES).await;
    assert_eq!(test.scan(b"found").await.verdict, infected([finding("", "found")]));
    let workers = test.workers();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        assert_eq!(status(worker, "Seccomp"), "2");
        assert_eq!(status(worker, "NoNewPrivs"), "1");
        assert_eq!(status(worker, "Threads"), "1");
    }
    assert_eq!(status(pid(test.engine.info().host_pid), "Threads"), "1", "the host forks");
}

#[tokio::test]
async fn what_does_not_fit_in_the_memory_is_never_clean() {
    let test = TestEngine::with(RULES, |config| config.limits.memory_bytes = 64 << 20).await;
    let fits = vec![0; 32 << 20];
    assert_eq!(test.scan(&fits).await.verdict, ScanVerdict::Clean);
    let large = vec![0; (32 << 20) + 1];
    let ScanVerdict::Unscannable { reason, detail } = test.scan(&large).await.verdict else { panic!("not read") };
    assert_eq!((reason, detail.as_str()), (UnscannableReason::TooLarge, "33554433 bytes, and the rules take 33554432"));
    let examined = test.scan_bundle(&[("large", &large), ("small", b"text")]).await;
    let ScanVerdict::Unscannable { reason, detail } = examined.verdict else { panic!("not read") };
    assert!(reason == UnscannableReason::LimitsExceeded && detail.starts_with("large: 33554433 bytes"), "{detail}");
    let examined = test.scan_bundle(&[("large", &large), ("small", b"found")]).await;
    assert_eq!(examined.verdict, infected([finding("small", "found")]), "the members after it are read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_takes_too_long_is_killed() {
    let test = TestEngine::with(SLOW, |config| config.scan_seconds = 1).await;
    let started = Instant::now();
    let verdict = test.scan(&slow_file()).await.verdict;
    assert_eq!(failure(&verdict), FailureReason::EngineTimeout, "{verdict:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(test.scan(b"found").await.verdict, infected([finding("", "found")]));
    assert_eq!(test.workers().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_costs_one_file() {
    let test = TestEngine::with(SLOW, |config| config.workers = 1).await;
    let slow = slow_file();
    let [worker] = test.workers()[..] else { panic!("one worker") };
    let idle = ticks(worker);
    let (during, after) = tokio::join!(test.scan(&slow), async {
        until("the worker scans", || ticks(worker) > idle + 10).await;
        // This file waits in the host behind the slow one.
        let waiting = test.scan(b"found");
        kill_process(worker, Signal::KILL).expect("it runs");
        waiting.await
    });
    assert_eq!(failure(&during.verdict), FailureReason::EngineCrashed, "{during:?}");
    assert_eq!(after.verdict, infected([finding("", "found")]));
    assert_ne!(test.workers(), [worker]);
}
