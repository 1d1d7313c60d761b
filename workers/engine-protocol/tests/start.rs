//! How the client starts a host, with shell scripts in its place.

use std::fs;
use std::path::Path;
use std::process::Command;

use lazaret_engine_protocol::{Engine, EngineConfig, StartError};

fn config(directory: &Path, script: &str) -> EngineConfig {
    let (text, program) = (directory.join("script"), directory.join("host"));
    fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("written");
    // Not written here: a fork of another test would hold it open for writing, and it could not be run ("text busy").
    let installed = Command::new("install").arg("--mode=755").args([&text, &program]).status().expect("runs");
    assert!(installed.success());
    EngineConfig::new(program, directory.join("definitions"), directory.join("scratch"))
}

#[tokio::test]
async fn an_engine_that_ends_is_reported_with_its_last_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path(), "echo first >&2; echo 'no definitions in /there' >&2; exit 1");
    let error = Engine::start(config).await.expect_err("ends");
    assert_eq!(error.to_string(), "the engine ended at its start: no definitions in /there");
}

#[tokio::test]
async fn an_engine_that_ends_in_silence_is_reported_with_its_status() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = Engine::start(config(directory.path(), "exit 7")).await.expect_err("ends");
    assert_eq!(error.to_string(), "the engine ended at its start: exit status: 7");
}

#[tokio::test]
async fn an_engine_that_is_never_ready_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!("echo $$ > {}/pid; exec sleep 600", directory.path().display());
    let config = EngineConfig { start_seconds: 1, ..config(directory.path(), &script) };
    let error = Engine::start(config).await.expect_err("never ready");
    assert!(matches!(error, StartError::Timeout { seconds: 1 }), "{error}");
    let pid = fs::read_to_string(directory.path().join("pid")).expect("written by the script");
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "killed and waited for");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Engine::start(EngineConfig::new("/nowhere/engine", "/d", "/s")).await.expect_err("not there");
    assert_eq!(error.to_string(), "cannot start the engine `/nowhere/engine`");
}

#[tokio::test]
async fn the_host_gets_no_variables_and_no_descriptors_of_the_agent() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display();
    let script = format!("/usr/bin/env > {path}/variables; ls /proc/self/fd > {path}/descriptors; exit 1");
    let error = Engine::start(config(directory.path(), &script)).await.expect_err("ends");
    assert_eq!(error.to_string(), "the engine ended at its start: exit status: 1");
    let variables = fs::read_to_string(directory.path().join("variables")).expect("written by the script");
    let of_the_shell = ["PWD=", "SHLVL=", "_=", "OLDPWD="];
    let others: Vec<_> =
        variables.lines().filter(|line| !of_the_shell.iter().any(|name| line.starts_with(name))).collect();
    assert!(std::env::vars().count() > 5, "this process has variables");
    assert_eq!(others, Vec::<&str>::new());
    let descriptors = fs::read_to_string(directory.path().join("descriptors")).expect("written by the script");
    // What cargo left open for any child of this test is not the client's doing.
    let others = Command::new("ls").arg("/proc/self/fd").output().expect("runs").stdout;
    assert_eq!(descriptors.split_whitespace().count(), String::from_utf8_lossy(&others).split_whitespace().count());
}
