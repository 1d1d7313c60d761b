//! Each step of the jail holds: a malicious worker tries what it forbids, without the jail, under that step alone, and in the jail.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use support::{Place, is_root, is_running, until};

/// An attempt, what becomes of it without a jail, under single steps alone, and in the whole jail.
struct Row {
    attempt: &'static str,
    /// `None` where that is the kernel's affair: which of its parts are there.
    free: Option<&'static str>,
    alone: &'static [(&'static str, &'static str)],
    jailed: &'static str,
}

const fn row(
    attempt: &'static str,
    free: &'static str,
    alone: &'static [(&'static str, &'static str)],
    jailed: &'static str,
) -> Row {
    Row { attempt, free: Some(free), alone, jailed }
}

/// A call that seccomp alone stops.
const fn call(attempt: &'static str) -> Row {
    Row { attempt, free: None, alone: &[("seccomp", "SIGSYS")], jailed: "SIGSYS" }
}

/// As root sees it. Where two steps stand in the way of one attempt, each holds alone.
const ROWS: &[Row] = &[
    row("nothing", "done", &[], "done"),
    row("write-scratch", "done", &[("landlock", "done")], "done"),
    // files
    row("read-file", "done", &[("landlock", "EACCES")], "EACCES"),
    row("read-host-environment", "done", &[("landlock", "EACCES"), ("identity", "EACCES")], "EACCES"),
    row("read-host-memory", "done", &[("landlock", "EACCES"), ("identity", "EACCES")], "EACCES"),
    row("read-own-maps", "done", &[("landlock", "EACCES")], "EACCES"),
    row("read-neighbour", "done", &[("landlock", "EACCES")], "EACCES"),
    row("read-descriptor", "EBADF", &[], "EBADF"), // `descriptors` is part of each fork
    row("write-outside", "done", &[("landlock", "EACCES"), ("identity", "EACCES")], "EACCES"),
    row("write-through-link", "done", &[("landlock", "EACCES"), ("identity", "EACCES")], "EACCES"),
    row("make-symbolic-link", "done", &[("landlock", "EACCES"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("make-hard-link", "done", &[("landlock", "EXDEV"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("move-outside", "done", &[("landlock", "EACCES"), ("identity", "EACCES"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("make-device", "done", &[("landlock", "EACCES"), ("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    // programs and processes
    row("run-program", "exit status: 0", &[("landlock", "EACCES"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("run-from-memory", "exit status: 0", &[("seccomp", "SIGSYS")], "SIGSYS"),
    row("fork", "done", &[("identity,resource_limits", "EAGAIN"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("start-thread", "done", &[("identity,resource_limits", "EAGAIN"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("trace-host", "done", &[("landlock", "EPERM"), ("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("signal-host", "done", &[("landlock", "EPERM"), ("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    // the network
    row("socket-inet", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    row("socket-unix", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    row("socket-netlink", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    row("connect-tcp", "done", &[("landlock", "EACCES"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("listen-tcp", "done", &[("landlock", "EACCES"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("connect-abstract", "done", &[("landlock", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("send-elsewhere", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    // what can be used up
    row("many-files", "done", &[("resource_limits", "EMFILE")], "EMFILE"),
    row("large-file", "done", &[("resource_limits", "SIGXFSZ")], "SIGXFSZ"),
    row("large-memory", "done", &[("resource_limits", "ENOMEM")], "ENOMEM"),
    row("locked-memory", "done", &[("identity,resource_limits", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("raise-limit", "done", &[("identity,resource_limits", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("dump-core", "SIGSEGV and a core", &[("dumpable", "SIGSEGV")], "SIGSEGV"),
    // memory that is run
    row("map-executable", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    row("make-executable", "done", &[("seccomp", "SIGSYS")], "SIGSYS"),
    // power
    row("become-root", "done", &[("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("mount", "done", &[("landlock", "EPERM"), ("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    row("chroot", "done", &[("identity", "EPERM"), ("seccomp", "SIGSYS")], "SIGSYS"),
    call("new-user-namespace"),
    // parts of the kernel
    call("bpf"),
    call("perf-event"),
    call("userfaultfd"),
    call("io-uring"),
    call("keyring"),
    call("personality"),
    call("terminal"),
    call("priority-futex"),
    call("share-state"),
    call("undump"),
    call("other-calls"),
    Row { attempt: "copy-in-kernel", free: None, alone: &[("seccomp", "ENOSYS")], jailed: "ENOSYS" },
    // What is left: names and sizes of files can be asked for, wherever they lie.
    row("stat-outside", "done", &[("landlock", "done")], "done"),
];

#[test]
fn every_step_holds_alone_and_all_of_them_together() {
    if !is_root() {
        return eprintln!("NOT CHECKED: what each step stops of root; only root can");
    }
    let place = Place::new();
    let mut wrong = Vec::new();
    // In a container that keeps things from its root, attempts may fail without a jail as well.
    let is_free = support::has_roots_power();
    if !is_free {
        eprintln!("NOT CHECKED: that the attempts succeed without a jail; this root has not all of its power");
    }
    for row in ROWS {
        let free = row.free.filter(|_| is_free).map(|outcome| ("none", outcome));
        for (steps, expected) in free.into_iter().chain(row.alone.iter().copied()).chain([("whole", row.jailed)]) {
            let outcome = place.jailbreak(row.attempt, steps);
            if outcome != expected {
                wrong.push(format!("{} under {steps}: {outcome}, not {expected}", row.attempt));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// It parses nothing, and yet has nothing that it does not need.
const HOST: &[(&str, &str)] = &[
    ("write-scratch", "done"),
    ("fork", "done"),
    ("read-file", "EACCES"),
    ("read-own-maps", "EACCES"),
    ("make-symbolic-link", "SIGSYS"),
    ("make-hard-link", "SIGSYS"),
    ("make-device", "SIGSYS"),
    ("run-program", "SIGSYS"),
    ("run-from-memory", "SIGSYS"),
    ("trace-host", "SIGSYS"),
    ("socket-inet", "SIGSYS"),
    ("socket-unix", "SIGSYS"),
    ("socket-netlink", "SIGSYS"),
    ("connect-tcp", "SIGSYS"),
    ("dump-core", "SIGSEGV"),
    ("mount", "SIGSYS"),
    ("chroot", "SIGSYS"),
    ("new-user-namespace", "SIGSYS"),
    ("bpf", "SIGSYS"),
    ("perf-event", "SIGSYS"),
    ("userfaultfd", "SIGSYS"),
    ("io-uring", "SIGSYS"),
    ("keyring", "SIGSYS"),
    ("personality", "SIGSYS"),
];

#[test]
fn the_host_is_confined_as_well() {
    let place = Place::new();
    let outcomes = HOST.iter().map(|(attempt, expected)| (attempt, place.jailbreak(attempt, "host"), expected));
    let wrong: Vec<_> = outcomes.filter(|(_, outcome, expected)| outcome != *expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_engine_that_only_matches_opens_no_file() {
    let place = Place::new();
    for (attempt, expected) in
        [("nothing", "done"), ("write-scratch", "SIGSYS"), ("read-file", "SIGSYS"), ("large-memory", "ENOMEM")]
    {
        assert_eq!(place.jailbreak(attempt, "match"), expected, "{attempt}");
    }
}

/// The deployed image's case: there is nobody to become, and `identity` changes nothing.
#[test]
fn the_whole_jail_holds_for_workers_of_a_host_that_is_not_root() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for row in ROWS {
        let outcome = place.jailbreak_as_image_user(row.attempt, "whole");
        if outcome != row.jailed {
            wrong.push(format!("{}: {outcome}, not {}", row.attempt, row.jailed));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_variable_reaches_a_worker() {
    let place = Place::new();
    let read = |steps: &str| {
        let mut command = place.command("read-secret", steps);
        support::outcome(command.env("LAZARET_SECRET", "of the agent"))
    };
    assert_eq!(read("none"), "done", "the secret lies in memory");
    assert_eq!(read("whole"), "entity not found", "the host overwrites it");
    let refused = read("environment");
    assert!(refused.contains("`environment` failed"), "a worker that finds any does not start: {refused}");
}

#[test]
fn a_worker_ends_with_its_host() {
    let place = Place::new();
    for (steps, survives) in [("none", true), ("parent_death", false), ("whole", false)] {
        let mut host = place.command("outlive-host", steps).stdout(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(host.stdout.take().expect("piped")).read_line(&mut line).expect("the worker's number");
        let worker = line.trim().parse().expect("a number");
        assert!(!host.wait().expect("ends").success(), "it killed itself");
        if survives {
            assert!(is_running(worker), "without the step it stays");
            support::kill(worker);
        }
        until("the worker ends", || !is_running(worker));
    }
}

#[test]
fn a_worker_goes_first_when_memory_runs_out_and_the_host_does_not() {
    let place = Place::new();
    let engine = support::EvilEngine::start(&place);
    let score = |process: u32| {
        std::fs::read_to_string(format!("/proc/{process}/oom_score_adj")).expect("it runs").trim().to_owned()
    };
    assert_eq!(score(engine.host()), score(std::process::id()));
    for worker in engine.workers() {
        assert_eq!(score(worker), "1000");
    }
}

#[test]
fn a_worker_has_no_group_no_capability_and_no_way_to_gain_any() {
    let place = Place::new();
    let engine = support::EvilEngine::start(&place);
    let status = |process: u32, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("known");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for worker in engine.workers() {
        for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(worker, name), "0000000000000000", "{name}");
        }
        assert_eq!((status(worker, "NoNewPrivs"), status(worker, "Seccomp")), ("1".to_owned(), "2".to_owned()));
        if is_root() {
            assert_eq!(status(worker, "Uid"), "65534 65534 65534 65534");
            assert_eq!(status(worker, "Gid"), "65534 65534 65534 65534");
            assert_eq!((status(worker, "Groups"), status(worker, "CapBnd")), (String::new(), "0".repeat(16)));
        }
    }
    let host = engine.host();
    assert_eq!((status(host, "NoNewPrivs"), status(host, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    if is_root() {
        // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP
        for name in ["CapEff", "CapBnd"] {
            assert_eq!(status(host, name), format!("{:016x}", 0b1_1110_1011), "{name}");
        }
    }
}
