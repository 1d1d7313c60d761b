//! The two-bucket flow: from a verdict in a staging bucket to the production bucket.

use std::fmt::Write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::object::ObjectRef;
use crate::result::ResultRow;
use crate::verdict::Verdict;

/// Names the version of a staging bucket that a production object is a copy of, in its metadata.
pub const SOURCE_METADATA: &str = "lazaret-source";

/// The name of a verdict's record and of the execution that acts on it: the same for every agent that comes to the same
/// verdict on the same version. Safe as an execution's name and in a key.
pub fn record_name(object: &ObjectRef, verdict: &Verdict) -> String {
    // the version id alone names a version for ever; without one the date tells apart what was stored twice
    let version = match object.version_id.as_deref() {
        Some(id) if id != "null" => id.to_owned(),
        _ => format!("{} {}", object.etag, object.last_modified),
    };
    let mut hash = Sha256::new();
    for part in [object.bucket.as_str(), object.key.as_str(), version.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut name = format!("{}-", verdict.name());
    for byte in &hash.finalize()[..20] {
        write!(name, "{byte:02x}").expect("writing to a string");
    }
    name
}

/// Whether a text may be a [`record_name`]: it becomes part of a key.
pub fn is_record_name(text: &str) -> bool {
    let named = text.split_once('-').filter(|(verdict, _)| verdict.chars().all(|c| c.is_ascii_alphabetic()));
    named.is_some_and(|(_, digits)| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where clean objects of a staging bucket go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    pub bucket: String,
    /// Put in front of every key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

impl Destination {
    /// The key in the production bucket. Above S3's 1,024 bytes there is none.
    pub fn key(&self, staging_key: &str) -> Option<String> {
        let key = format!("{}{staging_key}", self.prefix);
        (key.len() <= 1024).then_some(key)
    }
}

/// The input of an execution of `promote-object`, and of each step of its function. What counts is the record: all else is for
/// whoever reads the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionInput {
    /// A [`record_name`].
    pub record: String,
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    pub verdict: String,
}

/// What came of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromotionOutcome {
    /// The scanned version stands in production, and no longer in staging.
    Promoted,
    /// A later version of the same key stands in production already. This one is no longer in staging.
    Superseded,
    Quarantined,
    /// Infected, and deleted, as its bucket's policy says.
    Deleted,
    /// It stays in staging, tagged.
    Held,
    /// It was deleted before it could be acted on.
    Gone,
}

/// Whether a verdict on a version that let it pass counts more than `infected`, which is another one on the same version. It does
/// only if it is the later one, and a Clean also only if it rests on the same definitions or on newer ones.
///
/// Two agents may be at one version with different definitions, and the one with the older may be done last. What was allowed was
/// found, and its owner said so: that needs no newer definitions.
pub fn outweighs(passing: &ResultRow, infected: &ResultRow) -> bool {
    let by_definitions = || {
        let (one, other) = (&passing.evidence.definitions, &infected.evidence.definitions);
        match (one, other, built_at(passing), built_at(infected)) {
            (Some(one), Some(other), _, _) if one == other => true,
            (_, _, Some(one), Some(other)) => one > other,
            _ => false,
        }
    };
    passing.scanned_at >= infected.scanned_at && (passing.verdict != Verdict::Clean || by_definitions())
}

/// When the definitions of a row were built, in seconds.
fn built_at(row: &ResultRow) -> Option<i64> {
    let age = i64::try_from(row.evidence.definitions_age_seconds?).ok()?;
    Some(row.scanned_at.as_second().saturating_sub(age))
}

/// The stamp that a production object carries: bucket, version and date of the staging version that it is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStamp {
    pub bucket: String,
    pub version_id: String,
    pub last_modified: Timestamp,
    /// Of an upload in parts, whose date is that of its begin: when it was complete at the latest.
    pub complete_by: Option<Timestamp>,
}

impl SourceStamp {
    /// Of a version that its id pins; None for others, which are never promoted.
    pub fn of(object: &ObjectRef) -> Option<Self> {
        let version_id = object.version_id.clone().filter(|id| id != "null")?;
        let (bucket, last_modified) = (object.bucket.clone(), object.last_modified);
        Some(Self { bucket, version_id, last_modified, complete_by: None })
    }

    /// As metadata carries it.
    pub fn text(&self) -> String {
        let parts = self.complete_by.map(|at| format!(" {at}")).unwrap_or_default();
        format!("{} {} {}{parts}", self.bucket, self.version_id, self.last_modified)
    }

    /// None if somebody else wrote it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (bucket, version_id) = (words.next()?.to_owned(), words.next()?.to_owned());
        let last_modified = words.next()?.parse().ok()?;
        let complete_by = words.next().map(str::parse).transpose().ok()?;
        words.next().is_none().then_some(Self { bucket, version_id, last_modified, complete_by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ETag, StorageClass};
    use crate::result::Evidence;

    fn object(version: Option<&str>, second: i64) -> ObjectRef {
        ObjectRef {
            bucket: "staging".into(),
            key: "a/ü b".into(),
            version_id: version.map(str::to_owned),
            etag: ETag::from("e"),
            size: 1,
            last_modified: Timestamp::from_second(second).expect("a time"),
            storage_class: StorageClass::standard(),
        }
    }

    #[test]
    fn a_version_has_one_name_for_each_verdict() {
        let name = record_name(&object(Some("v"), 1), &Verdict::Clean);
        assert_eq!(name, record_name(&object(Some("v"), 2), &Verdict::Clean), "its date does not matter");
        assert_ne!(name, record_name(&object(Some("w"), 1), &Verdict::Clean));
        assert_ne!(name, record_name(&object(Some("v"), 1), &Verdict::Infected { findings: Vec::new() }));
        assert_ne!(record_name(&object(None, 1), &Verdict::Clean), record_name(&object(None, 2), &Verdict::Clean));
        assert!(is_record_name(&name) && name.len() <= 80, "{name}");
        for bad in ["", "Clean-", "Clean-../../settings/policies", &format!("{name}0"), &name.replace("Clean", "Cl/an")]
        {
            assert!(!is_record_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_stamp_reads_what_it_wrote_and_nothing_else() {
        let stamp = SourceStamp::of(&object(Some("v.1_x"), 7)).expect("pinned");
        assert_eq!(SourceStamp::parse(&stamp.text()), Some(stamp.clone()));
        let in_parts = SourceStamp { complete_by: Some(Timestamp::UNIX_EPOCH), ..stamp };
        assert_eq!(SourceStamp::parse(&in_parts.text()), Some(in_parts));
        assert_eq!(SourceStamp::of(&object(Some("null"), 7)), None);
        assert_eq!(SourceStamp::of(&object(None, 7)), None);
        for text in
            ["", "a b", "a b c", "a b 2026-01-01T00:00:00Z d", "a b 2026-01-01T00:00:00Z 2026-01-01T00:00:00Z e"]
        {
            assert_eq!(SourceStamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_clean_verdict_outweighs_infected_only_by_definitions_that_are_known_not_to_be_older() {
        let row = |verdict: Verdict, scanned: i64, definitions: Option<&str>, built: Option<i64>| ResultRow {
            object: object(Some("v"), 0),
            verdict,
            action: None,
            scanned_at: Timestamp::from_second(scanned).expect("a time"),
            evidence: Evidence {
                definitions: definitions.map(str::to_owned),
                definitions_age_seconds: built.map(|built| u64::try_from(scanned - built).expect("built before")),
                ..Evidence::default()
            },
        };
        let infected = row(Verdict::Infected { findings: Vec::new() }, 100_000, Some("b"), Some(50_000));
        for (definitions, built, passes) in [
            (Some("b"), None, true),
            (Some("c"), Some(60_000), true),
            (Some("a"), Some(40_000), false),
            (Some("b again"), Some(50_000), false),
            (Some("c"), None, false),
            (None, None, false),
        ] {
            let clean = |scanned| row(Verdict::Clean, scanned, definitions, built);
            assert_eq!(outweighs(&clean(100_100), &infected), passes, "{definitions:?}");
            assert!(!outweighs(&clean(99_000), &infected), "a later scan counts more");
        }
        let allowed = Verdict::InfectedAllowed { findings: Vec::new() };
        assert!(outweighs(&row(allowed.clone(), 100_100, Some("a"), Some(40_000)), &infected));
        assert!(!outweighs(&row(allowed, 99_000, Some("b"), Some(50_000)), &infected));
        let unknown = row(Verdict::Infected { findings: Vec::new() }, 0, None, None);
        assert!(!outweighs(&row(Verdict::Clean, 100, None, None), &unknown));
    }

    #[test]
    fn a_key_too_long_for_s3_has_no_place_in_production() {
        let to = Destination { bucket: "b".into(), prefix: "in/".into() };
        assert_eq!(to.key("x").as_deref(), Some("in/x"));
        assert_eq!(to.key(&"x".repeat(1022)), None);
    }
}
