//! A metric that has a name is told by some program, and none is told under a name that stands elsewhere.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const NAMES: &str = "workers/model/src/metrics/names.rs";

#[test]
fn every_metric_is_told_and_by_its_constant() {
    let names = fs::read_to_string(Path::new(ROOT).join(NAMES)).expect("the names");
    let constants: Vec<&str> = names
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .map(|line| line.split(':').next().expect("a name"))
        .collect();
    assert!(constants.len() > 30, "{constants:?}");
    let mut sources = Vec::new();
    for folder in ["api/src", "workers/agent/src", "workers/functions/src"] {
        read(&Path::new(ROOT).join(folder), &mut sources);
    }
    for (path, text) in &sources {
        assert!(
            !text.contains("Metric::count(\"") && !text.contains("\"CloudWatchMetrics\":"),
            "{path} names a metric"
        );
    }
    for constant in constants {
        let uses = |text: &String| text.matches(constant).count() > 1; // its import and its use
        assert!(sources.iter().any(|(_, text)| uses(text)), "nobody tells {constant}");
    }
}

fn read(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push((path.display().to_string(), fs::read_to_string(&path).expect("a source")));
        }
    }
}
