//! `docs/objects.md` names the tests that show what it says: each is there.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_test_that_the_page_names_exists() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/objects.md")).expect("the page");
    let mut sources = String::new();
    for folder in ["workers", "cli", "tests/e2e"] {
        read(&Path::new(ROOT).join(folder), &mut sources);
    }
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let last = line.trim_end_matches(" |").rsplit_once(" | ").expect("a row has columns").1;
        for name in last.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(sources.contains(&format!("fn {name}(")), "no test is called `{name}`");
        }
    }
    assert!(named > 30, "{named} names were found: has the table changed its form?");
}

fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
