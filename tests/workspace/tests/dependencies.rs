//! Dependencies point one way, come from crates.io, and have licences that go together.

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which of our crates each of our crates may use, development dependencies left out.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lazaret-model", &[]),
    ("lazaret-aws", &["lazaret-model"]),
    ("lazaret-actions", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-protection", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-schedules", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-report", &["lazaret-model"]),
    ("lazaret-simulator", &["lazaret-model"]),
    ("lazaret-crawler", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-definitions", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-engine-protocol", &[]),
    ("lazaret-engine-host", &["lazaret-engine-protocol"]),
    ("lazaret-walker", &[]),
    ("lazaret-engine", &["lazaret-engine-protocol", "lazaret-engine-host", "lazaret-walker"]),
    (
        "lazaret-agent",
        &["lazaret-model", "lazaret-aws", "lazaret-actions", "lazaret-definitions", "lazaret-engine-protocol"],
    ),
    (
        "lazaret-functions",
        &[
            "lazaret-model",
            "lazaret-aws",
            "lazaret-actions",
            "lazaret-protection",
            "lazaret-schedules",
            "lazaret-definitions",
            "lazaret-report",
        ],
    ),
    ("lazaret-api", &["lazaret-model", "lazaret-aws", "lazaret-agent"]),
    (
        "lazaret-cli",
        &[
            "lazaret-model",
            "lazaret-aws",
            "lazaret-report",
            "lazaret-actions",
            "lazaret-protection",
            "lazaret-schedules",
            "lazaret-crawler",
            "lazaret-definitions",
            "lazaret-engine-protocol",
            "lazaret-agent",
        ],
    ),
    ("lazaret-local-runner", &[]),
    ("lazaret-e2e", &["lazaret-model", "lazaret-aws"]),
    ("lazaret-workspace-tests", &[]),
];

/// Licences that may stand alone. Of an `OR`, one side must be here.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
    "bzip2-1.0.6", // BSD's, with the wish to be named
];

/// Licences of what may be linked with libclamav (GPL-2.0 only): all of the above but Apache-2.0 alone, and GPL-2.0 itself.
fn goes_with_gpl_2(licence: &str) -> bool {
    licence != "Apache-2.0" && LICENCES.contains(&licence) || licence.starts_with("GPL-2.0")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo metadata, with the lock file as it is")
}

/// The lines of `cargo tree`, one a package.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    // what was shown before is marked
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Everything that `root` links when it is built alone: `cargo tree`, since `cargo metadata` shows the features of the whole
/// workspace together (the engine's protocol has a client part that brings tokio, which only the agent asks for).
fn linked(root: &str) -> BTreeSet<String> {
    let lines = tree(&["--package", root, "--edges", "normal", "--format", "{p}"]);
    lines.iter().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn programs_and_tests_are_built_with_the_same_features() {
    let with = |edges| tree(&["--workspace", "--edges", edges, "--format", "{p} {f}"]);
    let (programs, tests) = (with("normal,build"), with("normal,build,dev"));
    let twice: Vec<_> = programs.difference(&tests).collect();
    assert!(twice.is_empty(), "built twice, and the AWS SDK with them; see tests/workspace/Cargo.toml: {twice:?}");
    assert!(programs.iter().any(|line| line.starts_with("aws-sdk-s3 ")), "{programs:?}");
}

#[test]
fn our_crates_use_only_what_lies_below_them() {
    let metadata = metadata();
    let ours: BTreeSet<String> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let listed: BTreeSet<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(ours, listed, "a new crate needs its place in ALLOWED");
    for package in metadata.workspace_packages() {
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == package.name.as_str()).expect("listed above");
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            assert!(
                !ours.contains(&dependency.name) || allowed.contains(&dependency.name.as_str()),
                "{} may not use {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn only_the_engine_links_libclamav() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let linked = linked(package.name.as_str());
        assert_eq!(linked.contains("clamav-sys"), package.name.as_str() == "lazaret-engine", "{}", package.name);
    }
}

#[test]
fn the_engine_knows_no_aws_no_http_and_no_tokio() {
    for name in linked("lazaret-engine") {
        let foreign =
            name.starts_with("aws-") || ["hyper", "tokio", "http", "rustls", "lazaret-model"].contains(&name.as_str());
        assert!(!foreign, "the engine links {name}");
    }
}

#[test]
fn the_model_does_no_io() {
    for name in linked("lazaret-model") {
        let foreign = name.starts_with("aws-") || ["tokio", "rustix", "futures", "hyper"].contains(&name.as_str());
        assert!(!foreign, "the model links {name}");
    }
}

#[test]
fn every_crate_comes_from_crates_io() {
    for package in metadata().packages {
        let from = package.source.as_ref().map(|source| source.repr.clone());
        let crates_io = from
            .as_deref()
            .is_none_or(|source| source.contains("index.crates.io") || source.contains("crates.io-index"));
        assert!(crates_io, "{} comes from {from:?}", package.name);
    }
}

#[test]
fn the_engine_for_rules_is_a_workspace_of_its_own_and_links_no_libclamav() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/yara/Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo metadata, with the lock file as it is");
    assert!(metadata.packages.iter().any(|package| package.name.as_str() == "yara-x"));
    for package in &metadata.packages {
        assert_ne!(package.name.as_str(), "clamav-sys");
        assert!(!package.name.starts_with("aws-"), "{}", package.name);
    }
    assert_licences(&metadata);
}

fn assert_licences(metadata: &Metadata) {
    for package in metadata.packages.iter().filter(|package| package.source.is_some()) {
        let expression = package.license.clone().unwrap_or_default();
        if package.name.as_str() != "clamav-sys" {
            assert!(satisfied(&expression, &|licence| LICENCES.contains(&licence)), "{}: `{expression}`", package.name);
        }
    }
}

#[test]
fn licences_go_together() {
    let metadata = metadata();
    assert_licences(&metadata);
    let linked = linked("lazaret-engine");
    for package in metadata.packages.iter().filter(|package| linked.contains(package.name.as_str())) {
        let expression = package.license.clone().unwrap_or_default();
        assert!(satisfied(&expression, &goes_with_gpl_2), "{} beside libclamav: `{expression}`", package.name);
    }
}

/// Whether an SPDX expression (`OR` and `AND`, one level of brackets, `/` for `OR` as old crates write it) can be met.
fn satisfied(expression: &str, accepted: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut depth = 0;
    let mut clauses = vec![String::new()];
    for word in expression.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            "AND" if depth == 0 => clauses.push(String::new()),
            _ => {
                let clause = clauses.last_mut().expect("never empty");
                clause.push_str(word);
                clause.push(' ');
            }
        }
    }
    clauses
        .iter()
        .all(|clause| clause.split(" OR ").any(|licence| licence.split(" AND ").all(|part| accepted(part.trim()))))
}

#[test]
fn licence_expressions_are_understood() {
    let only_mit = |licence: &str| licence == "MIT";
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR Apache-2.0", true),
        ("Unlicense/MIT", true),
        ("MIT AND ISC", false),
        ("(MIT OR Apache-2.0) AND MIT", true),
        ("(MIT OR Apache-2.0) AND ISC", false),
        ("", false),
    ] {
        assert_eq!(satisfied(expression, &only_mit), expected, "{expression}");
    }
}
