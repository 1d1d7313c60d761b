//! The runner as MiniStack meets it: a program behind a socket.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Runner, eventually, lives, pid_in};

#[test]
fn exit_codes_are_the_real_ones() {
    let runner = Runner::start();
    for (name, script, code) in [
        ("zero", "exit 0", 0),
        ("seven", "exit 7", 7),
        ("killed", "kill -KILL $$", 137),
        ("aborted", "kill -ABRT $$", 134),
    ] {
        runner.start_container(name, script);
        assert_eq!(runner.wait(name), code, "{name}");
        let state = &runner.get(&format!("/containers/{name}/json"))["State"];
        assert_eq!((&state["Status"], &state["ExitCode"]), (&Value::from("exited"), &Value::from(code)));
    }
}

#[test]
fn a_missing_program_exits_as_in_a_shell() {
    let runner = Runner::start();
    runner.create("lost", "missing", "", &[]);
    assert_eq!(runner.post("/containers/lost/start"), 204);
    assert_eq!(runner.wait("lost"), 127);
    assert!(runner.logs("lost", "").contains("no-such-program"));
}

#[test]
fn unknown_images_and_names_outside_the_directory_are_refused() {
    let runner = Runner::start();
    let create = |name: &str, image: &str| {
        runner.call("POST", &format!("/containers/create?name={name}"), &format!(r#"{{"Image":"{image}"}}"#)).0
    };
    assert_eq!(create("a", "nobody/knows:1"), 404);
    assert_eq!(create("..%2Fescape", "shell"), 400);
    assert_eq!(create("twice", "shell"), 201);
    assert_eq!(create("twice", "shell"), 409);
    assert_eq!(runner.call("GET", "/images/shell:local/json", "").0, 200);
    assert_eq!(runner.call("GET", "/images/nobody/knows:1/json", "").0, 404);
}

#[test]
fn stop_asks_first_and_kills_what_does_not_listen() {
    let runner = Runner::start();
    runner.start_container("polite", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    runner.start_container("deaf", "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    for name in ["polite", "deaf"] {
        eventually("the trap is set", || runner.logs(name, "").contains("ready"));
    }
    assert_eq!(runner.post("/containers/polite/stop?t=20"), 204);
    assert_eq!(runner.wait("polite"), 3);
    assert!(runner.logs("polite", "").contains("bye"));

    let begin = Instant::now();
    assert_eq!(runner.post("/containers/deaf/stop?t=1"), 204);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(runner.wait("deaf"), 137);
}

#[test]
fn nothing_of_a_container_outlives_its_first_process() {
    let runner = Runner::start();
    let pid_file = runner.file("orphan.pid");
    let script = format!("setsid sh -c 'echo $$ > {}; exec sleep 600' & sleep 0.3", pid_file.display());
    runner.start_container("parent", &script);
    let orphan = pid_in(&pid_file);
    assert_eq!(runner.wait("parent"), 0);
    assert!(!lives(orphan));
}

#[test]
fn the_image_wins_over_the_task_and_the_runner_leaks_nothing() {
    let runner = Runner::start();
    let env = ["WHO=the task", "GREETING=hello host.docker.internal:4566", "EMPTY="];
    runner.create("env", "marked:local", "env; pwd", &env);
    assert_eq!(runner.post("/containers/env/start"), 204);
    assert_eq!(runner.wait("env"), 0);
    let log = runner.logs("env", "");
    let work = runner.file("work/env");
    for line in [
        "WHO=the image".to_owned(),
        "GREETING=hello 127.0.0.1:4566".to_owned(),
        "EMPTY=".to_owned(),
        format!("WHERE={}/scratch", work.display()),
        format!("{}", work.display()),
    ] {
        assert!(log.lines().any(|found| found == line), "{line} in\n{log}");
    }
    let told = |name: &str| log.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("told");
    let address: std::net::Ipv4Addr = told("LAZARET_LOCAL_ADDRESS").parse().expect("an address");
    assert!(address.is_loopback());
    assert_eq!(told("LISTEN"), format!("{address}:8080"));
    assert!(!log.contains("SECRET_OF_THE_RUNNER"));
    eventually("the scratch directory is gone", || !work.exists());
}

#[test]
fn the_log_can_be_followed_tailed_and_stays_when_the_container_is_removed() {
    let runner = Runner::start();
    runner.start_container("talker", "echo one; sleep 0.3; echo two >&2; sleep 0.3; echo three");
    assert_eq!(runner.logs("talker", "follow=1&stdout=1&stderr=1"), "one\ntwo\nthree\n");
    assert_eq!(runner.logs("talker", "tail=2"), "two\nthree\n");
    assert_eq!(runner.call("DELETE", "/containers/talker?v=True", "").0, 204);
    assert_eq!(runner.call("GET", "/containers/talker/json", "").0, 404);
    assert_eq!(std::fs::read_to_string(runner.file("logs/talker.log")).expect("the log"), "one\ntwo\nthree\n");
}

#[test]
fn the_list_is_filtered_by_label_and_shows_what_runs() {
    let runner = Runner::start();
    runner.start_container("runs", "exec sleep 600");
    runner.start_container("ran", "exit 0");
    runner.wait("ran");
    let names = |query: &str| -> Vec<String> {
        let rows = runner.get(&format!("/containers/json?{query}"));
        rows.as_array().expect("rows").iter().map(|row| row["Names"][0].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(""), ["/runs"]);
    assert_eq!(names("all=1"), ["/runs", "/ran"]);
    assert_eq!(names("all=1&filters=%7B%22label%22%3A%5B%22test%3Dran%22%5D%7D"), ["/ran"]);
    assert!(runner.file("running/runs.pid").exists());
    assert!(!runner.file("running/ran.pid").exists());
    assert_eq!(runner.call("DELETE", "/containers/runs", "").0, 409);
    let pid = runner.pid("runs");
    assert_eq!(runner.call("DELETE", "/containers/runs?force=1", "").0, 204);
    assert!(!lives(pid));
}

#[test]
fn what_a_container_used_is_noted() {
    let runner = Runner::start();
    runner.start_container("eater", "head -c 60000000 /dev/zero | tail -c 60000000 > /dev/null; exit 4");
    assert_eq!(runner.wait("eater"), 4);
    let text = std::fs::read_to_string(runner.file("usage.jsonl")).expect("usage.jsonl");
    let line: Value = serde_json::from_str(text.trim()).expect("one JSON line");
    assert_eq!((&line["name"], &line["image"], &line["exitCode"]), (&"eater".into(), &"shell:local".into(), &4.into()));
    assert!(line["maxRssKib"].as_i64().expect("a peak") > 55_000, "{line}");
    assert!(line["seconds"].as_f64().expect("seconds") > 0.0);
}

#[test]
fn forty_containers_run_at_once() {
    let runner = Runner::start();
    std::thread::scope(|scope| {
        for number in 0..40 {
            let runner = &runner;
            scope.spawn(move || {
                let name = format!("many-{number}");
                // Each waits for all: none could end if they ran one after the other.
                let script = "until [ $(ls ../../running | wc -l) -ge 40 ] || [ -e ../../all ]; do sleep 0.1; done; \
                              touch ../../all; exit 9";
                runner.start_container(&name, script);
                assert_eq!(runner.wait(&name), 9);
            });
        }
    });
    assert!(runner.file("all").exists());
}

#[test]
fn a_runner_that_is_asked_to_end_takes_its_containers_along() {
    let mut runner = Runner::start();
    runner.start_container("sleeper", "trap '' TERM; sleep 600");
    let pid = runner.pid("sleeper");
    runner.signal("-TERM");
    assert!(!lives(pid), "all containers are gone before the runner is");
    assert!(!runner.file("docker.sock").exists());
}

#[test]
fn a_runner_that_is_killed_takes_its_containers_along() {
    let mut runner = Runner::start();
    let pid_file = runner.file("grandchild.pid");
    runner
        .start_container("sleeper", &format!("setsid sh -c 'echo $$ > {}; exec sleep 600' & wait", pid_file.display()));
    let (pid, grandchild) = (runner.pid("sleeper"), pid_in(&pid_file));
    assert!(lives(pid) && lives(grandchild));
    runner.signal("-KILL");
    eventually("the kernel told the supervisor", || !lives(pid) && !lives(grandchild));
}
