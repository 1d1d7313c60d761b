//! What a rule that matches means: the object is infected, or there is only something to note about it.
//!
//! The rule's author says so, most explicit first: metadata `lazaret`, which is this program's own, then metadata `severity`,
//! then a tag. A rule that says nothing means infected: that is what most rules are written for, and a file in doubt is not clean.

use yara_x::{MetaValue, Rule};

/// This program's own metadata. Another value than [`VALUES`] is an error when the rules are loaded.
pub const OWN_METADATA: &str = "lazaret";

/// What [`OWN_METADATA`] may say.
pub const VALUES: [&str; 3] = ["infected", "suspicious", "note"];

/// Metadata of many public rules. They have scales of their own (`"high"`, `80`), which say nothing here.
const SHARED_METADATA: &str = "severity";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Infected,
    /// Told beside a verdict, and never the reason for one.
    Note,
}

impl Severity {
    pub fn of(rule: &Rule<'_, '_>) -> Self {
        let said = |name: &str| {
            let mut values = rule.metadata().filter(|(found, _)| *found == name);
            values.find_map(|(_, value)| match value {
                MetaValue::String(text) => Self::from_text(text),
                _ => None,
            })
        };
        said(OWN_METADATA)
            .or_else(|| said(SHARED_METADATA))
            .or_else(|| rule.tags().find_map(|tag| Self::from_text(tag.identifier())))
            .unwrap_or(Self::Infected)
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "infected" => Some(Self::Infected),
            "suspicious" | "note" => Some(Self::Note),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(rule: &str) -> Severity {
        let rules = yara_x::compile(rule).expect("a rule");
        let rule = rules.iter().next().expect("one");
        Severity::of(&rule)
    }

    #[test]
    fn a_rule_that_says_nothing_of_its_own_means_infected() {
        for head in ["", ": trojan", "{ meta: severity = 10", "{ meta: severity = \"medium\"", "{ meta: lazaret = true"]
        {
            let open = if head.contains('{') { "" } else { "{" };
            assert_eq!(severity(&format!("rule r {head} {open} condition: true }}")), Severity::Infected, "{head}");
        }
    }

    #[test]
    fn tags_and_metadata_make_a_note() {
        for head in [
            ": suspicious {",
            ": office note {",
            "{ meta: severity = \"suspicious\"",
            "{ meta: severity = \"Note\"",
            "{ meta: lazaret = \"note\"",
        ] {
            assert_eq!(severity(&format!("rule r {head} condition: true }}")), Severity::Note, "{head}");
        }
    }

    #[test]
    fn the_most_explicit_wins() {
        let own = "rule r : suspicious { meta: severity = \"note\" lazaret = \"infected\" condition: true }";
        assert_eq!(severity(own), Severity::Infected);
        assert_eq!(
            severity("rule r : suspicious { meta: severity = \"infected\" condition: true }"),
            Severity::Infected
        );
    }
}
