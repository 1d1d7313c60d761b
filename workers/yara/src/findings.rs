//! What the rules found in one file and its members, in bounds.

use std::collections::BTreeSet;

use lazaret_engine_protocol::Detection;
use lazaret_engine_protocol::verdict::MAX_DETECTIONS;
use yara_x::Rule;

use crate::severity::Severity;

/// The engine's name in reports.
pub const ENGINE: &str = "yara";

/// Findings of a kind, each once.
#[derive(Debug, Default)]
pub struct Findings {
    pub detections: BTreeSet<Detection>,
    /// How many more there were than a reply can carry.
    pub omitted: u64,
}

impl Findings {
    pub fn is_empty(&self) -> bool {
        self.detections.is_empty()
    }

    fn add(&mut self, detection: Detection) {
        if self.detections.len() < MAX_DETECTIONS {
            self.detections.insert(detection);
        } else if !self.detections.contains(&detection) {
            self.omitted += 1;
        }
    }
}

/// What all rules said about a file, or about the members of one.
#[derive(Debug, Default)]
pub struct Report {
    pub infected: Findings,
    pub notes: Findings,
}

impl Report {
    /// `member` is the path inside an archive, escaped; empty for the file itself.
    pub fn add(&mut self, rule: &Rule<'_, '_>, member: &str) {
        let detection = Detection {
            member: member.to_owned(),
            threat: threat(rule.namespace(), rule.identifier()),
            engine: ENGINE.to_owned(),
        };
        match Severity::of(rule) {
            Severity::Infected => self.infected.add(detection),
            Severity::Note => self.notes.add(detection),
        }
    }
}

/// `YARA.<file>.<rule>`. The file, because two files may have a rule of the same name, and to find it. `YARA.`, as in ClamAV, because
/// an object's tag has this name alone: it tells the owner's own rule from ClamAV's signatures, and no signature has the same.
fn threat(namespace: &str, rule: &str) -> String {
    format!("YARA.{}.{rule}", namespace.escape_debug())
}
