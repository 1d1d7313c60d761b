//! From patterns for keys to S3's filters, which know a prefix and a suffix and nothing else.
//!
//! What S3 sorts out need not be sent, paid for and looked at. It is no more than that: the agents hold every key against the
//! patterns again, so a filter may let too much through and never too little.

use lazaret_aws::buckets::{KeyRule, NOTIFICATION_RULES_MAX, NotificationFilter, NotificationRule};

/// The keys of one rule. Both may be empty: every key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFilter {
    pub prefix: String,
    pub suffix: String,
}

impl KeyFilter {
    /// Of `prefix*`, `*suffix` or `prefix*suffix`; `None` for other patterns, which S3 can't tell.
    fn of_pattern(pattern: &str) -> Option<Self> {
        let (prefix, suffix) = pattern.split_once('*')?;
        // what S3's guide calls safe: it wants all else encoded, in a way that has changed over the years
        let safe = |c: char| c.is_ascii_alphanumeric() || "!_.'()/-".contains(c);
        let plain = prefix.chars().chain(suffix.chars()).all(safe);
        plain.then(|| Self { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
    }

    /// As S3 sees it: whether some key could match both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let prefixes = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        let suffixes = self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix);
        prefixes && suffixes
    }

    /// Every key of `other` is one of `self`.
    pub fn covers(&self, other: &Self) -> bool {
        other.prefix.starts_with(&self.prefix) && other.suffix.ends_with(&self.suffix)
    }

    /// The keys of a bucket's rule.
    pub fn of_rule(rule: &NotificationRule) -> Self {
        Self { prefix: rule.prefix().to_owned(), suffix: rule.suffix().to_owned() }
    }

    /// As S3 spells it; `None` for every key.
    pub fn to_filter(&self) -> Option<NotificationFilter> {
        let rules = [("prefix", &self.prefix), ("suffix", &self.suffix)].into_iter();
        let rules = rules.filter(|(_, value)| !value.is_empty());
        let rules: Vec<_> =
            rules.map(|(name, value)| KeyRule { name: name.to_owned(), value: value.clone() }).collect();
        (!rules.is_empty()).then_some(NotificationFilter { key_rules: Some(rules) })
    }
}

impl std::fmt::Display for KeyFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.prefix.is_empty(), self.suffix.is_empty()) {
            (true, true) => f.write_str("every key"),
            (false, true) => write!(f, "keys `{}*`", self.prefix.escape_debug()),
            (true, false) => write!(f, "keys `*{}`", self.suffix.escape_debug()),
            (false, false) => write!(f, "keys `{}*{}`", self.prefix.escape_debug(), self.suffix.escape_debug()),
        }
    }
}

/// The filters for these patterns, at most `room`: one each if S3 can tell all of them and they do not overlap, else one for
/// every key.
pub fn filters(include: &[String], room: usize) -> Vec<KeyFilter> {
    let whole = || vec![KeyFilter::default()];
    let Some(mut filters) = include.iter().map(|p| KeyFilter::of_pattern(p)).collect::<Option<Vec<_>>>() else {
        return whole();
    };
    filters.sort();
    filters.dedup();
    let all = filters.clone();
    filters.retain(|one| !all.iter().any(|other| other != one && other.covers(one)));
    let overlap = filters.iter().enumerate().any(|(n, one)| filters[n + 1..].iter().any(|other| one.overlaps(other)));
    if filters.is_empty() || overlap || filters.len() > room.min(NOTIFICATION_RULES_MAX) { whole() } else { filters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        filters(&patterns, 10).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_s3_can_tell_is_left_to_s3() {
        assert_eq!(of(&["in/*"]), ["keys `in/*`"]);
        assert_eq!(of(&["*.jpg", "*.png"]), ["keys `*.jpg`", "keys `*.png`"]);
        assert_eq!(of(&["in/*.jpg", "out/*"]), ["keys `in/*.jpg`", "keys `out/*`"]);
        assert_eq!(of(&["in/*", "in/a/*", "in/*"]), ["keys `in/*`"], "the wider one is enough");
    }

    #[test]
    fn one_pattern_that_s3_cannot_tell_asks_for_every_key() {
        for patterns in
            [&[][..], &["*"], &["in/*", "a?b*"], &["exact.txt"], &["a*b*c"], &["in/*", "*.jpg"], &["a b/*"], &["ü/*"]]
        {
            assert_eq!(of(patterns), ["every key"], "{patterns:?}");
        }
        let many: Vec<String> = (0..11).map(|n| format!("p{n:02}/*")).collect();
        assert_eq!(filters(&many, 10), [KeyFilter::default()]);
        assert_eq!(filters(&many, 11).len(), 11);
    }

    #[test]
    fn filters_overlap_if_prefix_and_suffix_both_do() {
        let filter = |prefix: &str, suffix: &str| KeyFilter { prefix: prefix.into(), suffix: suffix.into() };
        assert!(filter("", "").overlaps(&filter("a", "b")));
        assert!(filter("a/", "").overlaps(&filter("", ".jpg")));
        assert!(filter("a/", ".jpg").overlaps(&filter("a/b/", "x.jpg")));
        assert!(!filter("a/", "").overlaps(&filter("b/", "")));
        assert!(!filter("a/", ".jpg").overlaps(&filter("a/", ".png")));
    }
}
