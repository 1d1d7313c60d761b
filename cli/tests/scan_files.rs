//! `lazaret scan` over files, with the real engine.

mod lab;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::{Lab, eicar, encrypted_zip, gzip, zip};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const EICAR: &str = "Eicar-Test-Signature";
/// A loaded machine takes its time; a test that waits for nothing ends all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// Result, reason, and (member, threat) of each finding.
fn essence(line: &Value) -> Value {
    let findings: Vec<_> = line["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| json!([finding["member"], finding["threat"], finding["engine"]]))
        .collect();
    json!([line["path"], line["result"], line["reason"], findings])
}

fn found(members: &[&str]) -> Vec<Value> {
    members.iter().map(|member| json!([member, EICAR, "clamav"])).collect()
}

#[test]
fn every_file_of_a_folder_has_its_verdict_and_its_line() {
    let lab = Lab::new();
    let nested = zip(&[("deep.zip", &zip(&[("very/deep.com", &eicar())])), ("plain.txt", b"plain")]);
    let torn = gzip(&vec![7; 100_000]);
    lab.put("a/eicar.com", &eicar());
    lab.put("a/nested.zip", &nested);
    lab.put("empty", b"");
    lab.put("encrypted.zip", &encrypted_zip(&[("secret.txt", b"who knows")]));
    lab.put("plain.txt", b"plain");
    lab.put("sound.gz", &gzip(b"sound"));
    lab.put("torn.gz", &torn[..torn.len() - 20]);
    lab.put("unreadable", b"closed");
    lab.put(OsStr::from_bytes(b"odd/\xff \x1b[2J\n\"name"), b"odd");
    lab.put("-dash", b"dash");
    let goods = lab.place("goods");
    std::fs::set_permissions(goods.join("unreadable"), PermissionsExt::from_mode(0o000)).expect("ours");
    symlink("..", goods.join("a/loop")).expect("linked");
    symlink("eicar.com", goods.join("a/link.com")).expect("linked");
    let pipe = goods.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o666.into(), 0).expect("a pipe");

    let run = lab.scan(&["goods", "--json"]);
    let none: Vec<Value> = Vec::new();
    let expected = [
        json!(["goods/-dash", "Clean", null, none]),
        json!(["goods/a/eicar.com", "Infected", null, found(&[""])]),
        json!(["goods/a/nested.zip", "Infected", null, found(&["deep.zip/very/deep.com"])]),
        json!(["goods/empty", "Clean", null, none]),
        json!(["goods/encrypted.zip", "Unscannable", "encrypted", none]),
        json!(["goods/odd/\\xff \u{1b}[2J\n\"name", "Clean", null, none]),
        json!(["goods/plain.txt", "Clean", null, none]),
        json!(["goods/sound.gz", "Clean", null, none]),
        json!(["goods/torn.gz", "Unscannable", "incomplete container", none]),
        json!(["goods/unreadable", "Error", "access denied", none]),
    ];
    let lines = run.lines();
    assert_eq!(lines.iter().map(essence).collect::<Vec<_>>(), expected, "{}", run.err);
    assert_eq!(run.code, Some(1));
    assert!(!run.out.contains('\u{1b}'), "nothing that a terminal obeys");
    assert!(run.err.contains("goods/pipe: left out, it is a pipe"), "{}", run.err);
    assert!(run.err.contains("2 infected") && run.err.contains("2 links not followed"), "{}", run.err);

    let keys = ["path", "result", "findings", "reason", "bytes", "sha256", "definitions", "milliseconds"];
    for (line, raw) in lines.iter().map(|line| (line, line.as_object().expect("an object"))) {
        assert_eq!(raw.len(), keys.len());
        assert!(keys.iter().all(|key| raw.contains_key(*key)), "{line}");
        let read = line["result"] != "Error";
        assert_eq!((line["sha256"].is_string(), line["definitions"].is_string()), (read, read), "{line}");
        assert!(line["bytes"].is_u64() && line["milliseconds"].is_u64(), "{line}");
    }
    let digest: String = Sha256::digest(&nested).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&lines[2]["sha256"], &lines[2]["bytes"]), (&json!(digest), &json!(nested.len())));
    assert!(lab.left().is_empty(), "{:?}", lab.left());
}

#[test]
fn the_code_is_clamscans() {
    let lab = Lab::new();
    lab.put("clean/a", b"plain");
    lab.put("clean/b", b"plain");
    lab.put("bad.com", &eicar());
    lab.put("locked.zip", &encrypted_zip(&[("a", b"b")]));
    let code = |arguments: &[&str]| lab.scan(arguments).code;
    assert_eq!(code(&["goods/clean"]), Some(0));
    assert_eq!(code(&["goods/bad.com"]), Some(1));
    assert_eq!(code(&["goods/locked.zip"]), Some(2));
    assert_eq!(code(&["goods/clean", "goods/missing"]), Some(2));
    assert_eq!(code(&["goods/missing", "goods"]), Some(1), "what was found outweighs what went wrong");
    assert_eq!(code(&["goods", "--definitions", "nowhere"]), Some(2));
    assert_eq!(code(&["goods", "--definitions", "bin"]), Some(2), "a directory without definitions");
    assert_eq!(code(&["goods", "--engine", "nowhere"]), Some(2));
    assert_eq!(code(&[]), Some(2));
    assert!(lab.left().is_empty(), "{:?}", lab.left());
}

#[test]
fn definitions_that_are_too_old_find_what_they_know_and_call_nothing_clean() {
    let lab = Lab::new();
    lab.put("bad.com", &eicar());
    lab.put("locked.zip", &encrypted_zip(&[("a", b"b")]));
    lab.put("plain", b"plain");
    lab.put("plain too", b"plain"); // nor is an answer remembered
    lab.age_definitions(Duration::from_secs(8 * 24 * 3600));
    let essences = |run: &lab::Run| run.lines().iter().map(essence).collect::<Vec<_>>();
    let infected = json!(["goods/bad.com", "Infected", null, found(&[""])]);
    let none: Vec<Value> = Vec::new();

    let run = lab.scan(&["goods", "--json", "--workers", "1"]);
    let stale = |path: &str| json!([path, "Error", "stale definitions", none]);
    let expected = [infected.clone(), stale("goods/locked.zip"), stale("goods/plain too"), stale("goods/plain")];
    assert_eq!(essences(&run), expected, "{}", run.err);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("8 days old, 7 days are allowed"), "{}", run.err);
    let run = lab.scan(&["goods/plain"]);
    assert_eq!((run.code, run.out.contains("Error stale definitions")), (Some(2), true), "{}", run.out);

    for allowed in ["0", "9d"] {
        let run = lab.scan(&["goods", "--json", "--definitions-max-age", allowed]);
        let clean = |path: &str| json!([path, "Clean", null, none]);
        let encrypted = json!(["goods/locked.zip", "Unscannable", "encrypted", none]);
        let expected = [infected.clone(), encrypted, clean("goods/plain too"), clean("goods/plain")];
        assert_eq!(essences(&run), expected, "{allowed}: {}", run.err);
        assert!(!run.err.contains("days old"), "{}", run.err);
    }
    let run = lab.scan(&["goods", "--definitions-max-age", "a week"]);
    assert!(run.code == Some(2) && run.err.contains("`a week`"), "{}", run.err);
}

#[test]
fn text_names_the_threat_and_its_member_and_infected_shows_nothing_else() {
    let lab = Lab::new();
    lab.put("a.zip", &zip(&[("in/side.com", &eicar())]));
    lab.put("b", b"plain");
    lab.put("c/b", b"plain");
    let run = lab.scan(&["goods", "-i", "--workers", "1"]);
    assert_eq!(run.out, format!("goods/a.zip: Infected {EICAR} (in/side.com)\n"), "{}", run.err);
    // one after the other, so that the second is known when it comes
    let run = lab.scan(&["goods/b", "goods/c"]);
    assert_eq!(run.out, "goods/b: Clean\ngoods/c/b: Clean\n");
    assert!(run.err.contains("1 known already"), "{}", run.err);
    let run = lab.scan(&["goods/b", "goods/c", "--no-cache"]);
    assert!(!run.err.contains("known already"), "{}", run.err);
    let run = lab.scan(&["goods/b", "--max-file-bytes", "4"]);
    assert_eq!((run.code, run.out.contains("Unscannable too large")), (Some(2), true), "{}", run.out);
}

#[test]
fn standard_input_is_scanned_to_its_end() {
    let lab = Lab::new();
    let mut command = lab.command(&["-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("run");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&zip(&[("in.com", &eicar())])).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("ended");
    let line: Value = serde_json::from_slice(&output.stdout).expect("one line");
    assert_eq!(essence(&line), json!(["-", "Infected", null, found(&["in.com"])]));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let lab = Lab::new();
    for number in 0..200 {
        lab.put(number.to_string(), number.to_string().as_bytes());
    }
    for json in [&["goods"][..], &["goods", "--json"]] {
        let mut child = lab.command(json).spawn().expect("run");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(!err.contains("panicked") && !err.contains("error:"), "{err}");
    }
    assert!(lab.left().is_empty(), "{:?}", lab.left());
}

#[test]
fn ctrl_c_and_sigterm_end_the_engine_and_leave_nothing() {
    let lab = Lab::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut command = lab.command(&["-"]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("run"); // nothing comes
        let pid = Pid::from_child(&child);
        until("the engine runs", || !children(pid).is_empty());
        let engine = children(pid)[0];
        until("its scratch is there", || !lab.left().is_empty());
        kill_process(pid, signal).expect("it runs");
        let input = child.stdin.take(); // open until the end
        let output = child.wait_with_output().expect("ended");
        drop(input);
        assert_eq!(output.status.code(), Some(130), "{signal:?}: {}", String::from_utf8_lossy(&output.stderr));
        until("the engine is gone", || rustix::process::test_kill_process(engine).is_err());
        assert!(lab.left().is_empty(), "{signal:?}: {:?}", lab.left());
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<Pid> = lists
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect();
    pids
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
