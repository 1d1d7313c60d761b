//! Signatures that matched, each path and signature once.

use std::collections::HashSet;

/// Findings of one class that are kept; the rest is counted. A reply carries fewer still.
const KEPT: usize = 4_096;

/// A signature that matched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The path of the member as text, empty for the file itself.
    pub member: String,
    pub signature: String,
}

/// Findings of one class, in the order they were found.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Found>,
    known: HashSet<Found>,
    /// Those beyond what is kept; may count one twice.
    pub omitted: u64,
}

impl Findings {
    pub fn add(&mut self, found: Found) {
        if self.known.contains(&found) {
            return;
        }
        if self.kept.len() >= KEPT {
            self.omitted += 1;
            return;
        }
        self.known.insert(found.clone());
        self.kept.push(found);
    }

    /// Takes all of another's.
    pub fn append(&mut self, other: Self) {
        self.omitted += other.omitted;
        for found in other.kept {
            self.add(found);
        }
    }

    pub fn kept(&self) -> &[Found] {
        &self.kept
    }

    pub fn first(&self) -> Option<&Found> {
        self.kept.first()
    }
}
