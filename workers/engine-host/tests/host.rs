//! What a worker does to its host costs the file that it had, and nothing else; what is missing is said.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{FailureReason, ScanVerdict};
use support::{EvilEngine, Place, is_root, until};

fn failure(verdict: &ScanVerdict) -> FailureReason {
    match verdict {
        ScanVerdict::Failed { reason, .. } => *reason,
        verdict => panic!("not failed: {verdict:?}"),
    }
}

/// What a worker may do while it has a file, and why it is then replaced.
const MISBEHAVIOURS: &[(&str, &str)] = &[
    ("answer another request", "sent a wrong answer"),
    ("answer too much", "sent an unreadable answer"),
    ("answer rubbish", "sent a wrong answer"),
    ("greet", "sent a wrong answer"),
    ("send many descriptors", "sent an unreadable answer"),
    ("send a descriptor unasked", "sent a wrong answer"),
    ("send a directory", "sent a descriptor of what is no file"),
    ("announce a descriptor", "sent a wrong answer"),
    ("panic", "died (exit status 101)"),
    ("exit", "died (exit status 0)"),
    ("use memory", "died (signal "), // an allocation that fails ends a Rust program
];

#[test]
fn a_worker_that_misbehaves_is_replaced_and_costs_its_file() {
    let place = Place::new();
    let mut engine = EvilEngine::start(&place);
    for (order, why) in MISBEHAVIOURS {
        let before = engine.workers();
        match engine.scan(order) {
            ScanVerdict::Failed { reason: FailureReason::EngineCrashed, detail } => {
                assert!(detail.contains(why), "{order}: {detail}");
            }
            verdict => panic!("{order}: {verdict:?}"),
        }
        for _ in 0..4 {
            assert_eq!(engine.scan("say clean"), ScanVerdict::Clean, "after `{order}`");
        }
        let after = engine.workers();
        assert!(after.len() == 2 && after != before, "{order}: {before:?}, {after:?}");
    }
    engine.end();
}

#[test]
fn a_worker_that_goes_on_speaking_after_its_answer_is_replaced() {
    let place = Place::new();
    for order in ["answer twice", "answer often"] {
        let mut engine = EvilEngine::start(&place);
        let before = engine.workers();
        assert_eq!(engine.scan(order), ScanVerdict::Clean, "the first answer is the answer");
        until("the worker is replaced", || engine.workers().len() == 2 && engine.workers() != before);
        for _ in 0..4 {
            assert_eq!(engine.scan("say clean"), ScanVerdict::Clean);
        }
        engine.end();
    }
}

#[test]
fn a_worker_that_hangs_is_killed_in_time() {
    let place = Place::new();
    let mut engine = EvilEngine::with(&place, |_| {}, &["--scan-seconds", "1"]);
    let start = Instant::now();
    assert_eq!(failure(&engine.scan("hang")), FailureReason::EngineTimeout);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(engine.scan("say clean"), ScanVerdict::Clean);
    engine.end();
}

#[test]
fn scratch_is_empty_before_the_next_file_whatever_was_left() {
    let place = Place::new();
    let mut engine = EvilEngine::start(&place);
    let leavings = ["leave many files", "leave many directories", "leave deep directories", "close directories"];
    for order in leavings {
        assert_eq!(engine.scan(order), ScanVerdict::Clean, "{order}");
        for _ in 0..2 {
            assert_eq!(engine.scan("say clean"), ScanVerdict::Clean, "after `{order}`");
        }
        for worker in 0..2 {
            let directory = place.scratch().join(format!("worker-{worker}"));
            assert_eq!(fs::read_dir(directory).expect("readable").count(), 0, "{order}");
        }
    }
    engine.end();
}

#[test]
fn a_file_above_the_limit_ends_the_worker() {
    let place = Place::new();
    let mut engine = EvilEngine::start(&place);
    assert_eq!(engine.scan("write a large file"), ScanVerdict::Clean);
    engine.end();
    let mut engine = EvilEngine::with(&place, |limits| limits.max_member_bytes = 1 << 20, &[]);
    assert_eq!(failure(&engine.scan("write a large file")), FailureReason::EngineCrashed);
    assert_eq!(engine.scan("say clean"), ScanVerdict::Clean);
    engine.end();
}

#[test]
fn a_step_that_the_system_lacks_is_an_error_unless_it_is_allowed() {
    let place = Place::new();
    for step in ["landlock", "seccomp", "identity"] {
        if step == "identity" && !is_root() {
            continue; // there is nobody to become, and nothing to lack
        }
        let Err(text) = EvilEngine::on_old_kernel(&place, step, &[]) else { panic!("started without {step}") };
        assert!(text.contains(&format!("lacks `{step}`")), "{text}");
        assert!(text.contains(&format!("`--allow-missing {step}`")), "{text}");
        assert!(text.contains("LAZARET_JAIL_ALLOW_MISSING"), "{text}");

        let others = ["landlock", "seccomp", "identity"].into_iter().filter(|other| *other != step);
        let others = others.collect::<Vec<_>>().join(",");
        assert!(EvilEngine::on_old_kernel(&place, step, &["--allow-missing", &others]).is_err(), "{others} allowed");

        let allowed = EvilEngine::on_old_kernel(&place, step, &["--allow-missing", step]);
        let mut engine = allowed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(engine.ready.jail_missing, [step]);
        assert_eq!(engine.scan("say clean"), ScanVerdict::Clean);
        let log = engine.end();
        assert!(log.contains("THE JAIL IS INCOMPLETE") && log.contains(step), "{log}");
    }
    let engine = EvilEngine::with(&place, |_| {}, &["--allow-missing", "landlock,seccomp,identity"]);
    assert_eq!(engine.ready.jail_missing, [""; 0], "what may be missing is still used where it is there");
    engine.end();
}
