//! `docs/sandbox.md` lists the steps in the order of the code, and names tests and attempts that there are.

use std::fs;
use std::path::{Path, PathBuf};

use lazaret_engine_host::jail::Step;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The part of the page below this heading.
fn section<'page>(page: &'page str, heading: &str) -> &'page str {
    let (_, rest) = page.split_once(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no section `{heading}`"));
    rest.split("\n## ").next().unwrap_or(rest)
}

#[test]
fn the_page_lists_the_steps_in_the_order_of_the_code() {
    let page = read("../../docs/sandbox.md");
    for (heading, steps) in
        [("In the host", Step::HOST), ("As a worker is forked", Step::FORK), ("In the worker", Step::WORKER)]
    {
        let titles = section(&page, heading).lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned);
        let expected = steps.iter().enumerate().map(|(index, step)| format!("{}. `{}`", index + 1, step.name()));
        assert_eq!(titles.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{heading}");
    }
}

#[test]
fn each_step_has_a_file_of_its_name() {
    let jail = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jail");
    for step in [Step::HOST, Step::FORK, Step::WORKER].concat() {
        let files: [PathBuf; 2] =
            [format!("{}.rs", step.name()), format!("{}/mod.rs", step.name())].map(|file| jail.join(file));
        assert!(files.iter().any(|file| file.exists()), "{}", step.name());
    }
}

#[test]
fn what_the_page_says_to_show_a_step_is_there() {
    let page = read("../../docs/sandbox.md");
    let sources =
        ["tests/jail.rs", "tests/host.rs", "src/bin/lazaret-jailbreak/attempts.rs", "../engine/tests/jail.rs"]
            .map(read)
            .concat();
    let mut shown = 0;
    for part in page.split("Shown by ").skip(1) {
        let paragraph = part.split("\n\n").next().unwrap_or(part);
        for name in
            paragraph.split('`').skip(1).step_by(2).filter(|name| !name.contains(['/', '.']) && *name != "SIGSYS")
        {
            let is_there = sources.contains(&format!("fn {name}(")) || sources.contains(&format!("(\"{name}\", "));
            assert!(is_there, "`{name}` is neither a test nor an attempt");
            shown += 1;
        }
    }
    assert!(shown > 20, "{shown}");
}
