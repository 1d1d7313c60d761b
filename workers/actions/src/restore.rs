//! Restore: puts a copy in quarantine back where it was, on its owner's word. And delete: takes it away for good.
//!
//! Its content is allowed first, so that no scan takes it a second time; then it is copied; only then does it leave quarantine.
//! Its bytes are hashed on the way, and never looked at: what is allowed is what was judged.

use std::fmt::Write;

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::objects::{CopyTarget, ObjectHead, PutCondition};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::quarantine::record_key;
use lazaret_model::tags::{Tag, TagKeys, merge_tags, verdict_tags};
use lazaret_model::{AllowedContent, ObjectRef, QuarantineRecord, Verdict, layout};
use sha2::{Digest, Sha256};

use crate::error::is_gone;
use crate::retry;

/// Versions of one key that are deleted: an agent leaves one, a second one after a crash.
const VERSIONS_MAX: usize = 100;
/// Writers of the same allowed content that come first.
const CONFLICTS_MAX: usize = 10;

/// Why a copy was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("there is an object already where it goes")]
    Exists,
    #[error(
        "the copy's SHA-256 is {found}, and what was judged had {recorded}: this is not what was found, and is left where it is"
    )]
    OtherContent { found: String, recorded: String },
    #[error("nobody knows what was found in it, so it can't be allowed, and the next scan would take it again")]
    NoThreats,
    #[error("reading the copy: {0}")]
    Read(#[source] StoreError),
    #[error("allowing its content: {0}")]
    Allow(#[source] StoreError),
    #[error("the list of what is allowed of this content can't be read: {0}")]
    BadAllowed(serde_json::Error),
    #[error("looking where it goes: {0}")]
    Look(#[source] StoreError),
    #[error("its content is allowed, and it could not be put back: {0}")]
    Copy(#[source] StoreError),
}

/// What is put back, and where.
#[derive(Debug, Clone, Copy)]
pub struct Restore<'a> {
    /// The copy, with its version.
    pub copy: &'a ObjectHead,
    pub record: &'a QuarantineRecord,
    pub bucket: &'a str,
    pub key: &'a str,
    pub overwrite: bool,
    pub tag_keys: &'a TagKeys,
    /// Where what is allowed is written down.
    pub results_bucket: &'a str,
    pub at: Timestamp,
    pub by: &'a str,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// In hex.
    pub sha256: String,
    pub threats: Vec<String>,
    /// An earlier attempt had put it there.
    pub already: bool,
    /// The verdict could not be tagged: ten tags are its owner's.
    pub untagged: bool,
}

/// Allows the content, and copies it back with its owner's headers, metadata and tags. The copy in quarantine stays: see [`remove`].
///
/// # Errors
/// Where the copy is not what was judged, the place is taken, or a step failed. All of it may be tried again.
pub async fn restore(store: &dyn ObjectStore, order: Restore<'_>) -> Result<Restored, RestoreError> {
    let findings = order.record.row.verdict.findings().to_vec();
    let mut threats: Vec<String> = findings.iter().map(|finding| finding.threat.clone()).collect();
    threats.sort();
    threats.dedup();
    if threats.is_empty() {
        return Err(RestoreError::NoThreats);
    }
    let there = retry::store(|| store.head(order.bucket, order.key, None)).await.map_err(RestoreError::Look)?;
    let taken = there.filter(|_| !order.overwrite);
    if taken.as_ref().is_some_and(|there| there.object.size != order.copy.object.size) {
        return Err(RestoreError::Exists);
    }
    let sha256 = digest(store, &order.copy.object).await.map_err(RestoreError::Read)?;
    if let Some(recorded) = order.record.row.evidence.sha256.clone().filter(|recorded| *recorded != sha256) {
        return Err(RestoreError::OtherContent { found: sha256, recorded });
    }
    let already = match taken {
        None => false,
        Some(there) => match is_restored(store, &there.object, &sha256, order.tag_keys).await {
            true => true,
            false => return Err(RestoreError::Exists),
        },
    };
    allow(store, order, &sha256, &threats).await?;
    let verdict = Verdict::InfectedAllowed { findings };
    let merged = merge_tags(order.tag_keys, &order.record.tags, &verdict_tags(order.tag_keys, &verdict, order.at));
    let untagged = merged.is_none();
    if !already {
        let tags = merged.unwrap_or_else(|| order.record.tags.clone());
        copy_back(store, order, &tags).await?;
    }
    Ok(Restored { sha256, threats, already, untagged })
}

async fn copy_back(store: &dyn ObjectStore, order: Restore<'_>, tags: &[Tag]) -> Result<(), RestoreError> {
    let condition = if order.overwrite { PutCondition::Always } else { PutCondition::Absent };
    let Restore { bucket, key, .. } = order;
    let target = CopyTarget { bucket, key, tags, headers: Some(&order.record.headers), condition };
    match retry::store(|| store.copy(&order.copy.object, target)).await {
        Ok(_) => Ok(()),
        // somebody was faster; or our own attempt, whose answer was lost, which the next one sees
        Err(StoreError::PreconditionFailed) if !order.overwrite => Err(RestoreError::Exists),
        Err(error) => Err(RestoreError::Copy(error)),
    }
}

/// Whether an earlier attempt got there and no further: the same bytes, with our tag.
async fn is_restored(store: &dyn ObjectStore, there: &ObjectRef, sha256: &str, keys: &TagKeys) -> bool {
    let Ok(tags) = retry::store(|| store.tags(there)).await else { return false };
    let allowed = tags.iter().any(|tag| tag.key == keys.result && tag.value == "InfectedAllowed");
    allowed && digest(store, there).await.is_ok_and(|found| found == sha256)
}

/// SHA-256 of exactly this version, in hex.
async fn digest(store: &dyn ObjectStore, object: &ObjectRef) -> Result<String, StoreError> {
    // one whole read an attempt: what broke off is begun anew
    retry::store(|| async {
        let mut hash = Sha256::new();
        let mut fetched = store.fetch(object).await?;
        while let Some(chunk) = fetched.body.chunk().await? {
            hash.update(&chunk);
        }
        let mut digits = String::with_capacity(64);
        for byte in &hash.finalize()[..] {
            write!(digits, "{byte:02x}").expect("writing to a string");
        }
        Ok(digits)
    })
    .await
}

/// Adds the signatures to those that this content may match.
async fn allow(
    store: &dyn ObjectStore,
    order: Restore<'_>,
    sha256: &str,
    threats: &[String],
) -> Result<(), RestoreError> {
    let (bucket, key) = (order.results_bucket, layout::allowed_key(sha256));
    for _ in 0..CONFLICTS_MAX {
        let stored = retry::store(|| store.get(bucket, &key)).await.map_err(RestoreError::Allow)?;
        let mut all = threats.to_vec();
        if let Some(stored) = &stored {
            let before: AllowedContent = serde_json::from_slice(&stored.bytes).map_err(RestoreError::BadAllowed)?;
            all.extend(before.threats.iter().cloned());
            all.sort();
            all.dedup();
            if all == before.threats {
                return Ok(());
            }
        }
        let allowed = AllowedContent { sha256: sha256.to_owned(), threats: all, at: order.at, by: order.by.to_owned() };
        let bytes = Bytes::from(serde_json::to_vec_pretty(&allowed).expect("words of the model are always JSON"));
        let condition = stored.as_ref().map_or(PutCondition::Absent, |stored| PutCondition::Over(&stored.etag));
        match store.put(bucket, &key, bytes, "application/json", condition).await {
            Ok(_) => return Ok(()),
            // somebody else wrote, or an attempt of ours whose answer was lost
            Err(StoreError::PreconditionFailed | StoreError::Transient(_)) => {}
            Err(error) => return Err(RestoreError::Allow(error)),
        }
    }
    Err(RestoreError::Allow(StoreError::Transient("somebody else writes it again and again".into())))
}

/// A copy that could not be taken out of quarantine.
#[derive(Debug, thiserror::Error)]
#[error("deleting `{}`: {source}", .key.escape_debug())]
pub struct RemoveError {
    /// The copy's, or its record's.
    pub key: String,
    pub version_id: Option<String>,
    pub source: StoreError,
}

impl RemoveError {
    /// Whether S3 did not let it be deleted, by a right or by Object Lock: it answers the same to both.
    pub fn is_denied(&self) -> bool {
        matches!(self.source, StoreError::AccessDenied(_))
    }
}

/// Deletes all versions of a copy, then its record.
///
/// # Errors
/// At the first version that stays. The record goes last, so that no copy stands without one.
pub async fn remove(store: &dyn ObjectStore, bucket: &str, key: &str) -> Result<(), RemoveError> {
    for key in [key.to_owned(), record_key(key)] {
        let failed = |version_id: Option<String>| {
            let key = key.clone();
            move |source| RemoveError { key, version_id, source }
        };
        for _ in 0..VERSIONS_MAX {
            let head = retry::store(|| store.head(bucket, &key, None)).await.map_err(failed(None))?;
            let Some(object) = head.map(|head| head.object) else { break };
            match retry::store(|| store.delete(&object)).await {
                Ok(()) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(failed(object.version_id.clone())(error)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{FailingStore, FakeObject, FakeStore};
    use lazaret_model::quarantine::quarantine_key;
    use lazaret_model::{Evidence, Finding, ResultRow};

    use super::*;
    use crate::quarantine::quarantine;

    const CONTENT: &str = "infected";

    fn at() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().expect("a timestamp")
    }

    fn hex(text: &str) -> String {
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    struct Lab {
        store: FakeStore,
        row: ResultRow,
        key: String,
    }

    impl Lab {
        async fn new(tags: usize) -> Self {
            let store = FakeStore::new().with_versioned_bucket("b").with_versioned_bucket("q").with_bucket("r");
            let mut object = FakeObject::new(CONTENT).content_type("text/plain").metadata("mine", "m");
            for n in 0..tags {
                object = object.tag(&format!("t{n}"), "v");
            }
            store.insert_object("b", "k ü", object);
            let threats = ["B.Threat", "A.Threat"];
            let finding =
                |threat: &&str| Finding { member: String::new(), threat: (*threat).into(), engine: "clamav".into() };
            let row = ResultRow {
                object: store.pinned_ref("b", "k ü"),
                verdict: Verdict::Infected { findings: threats.iter().map(finding).collect() },
                action: None,
                scanned_at: at(),
                evidence: Evidence { sha256: Some(hex(CONTENT)), ..Evidence::default() },
            };
            let key = quarantine_key(&row.object);
            quarantine(&store, &TagKeys::default(), &row, "q", &key).await.expect("moved");
            Self { store, row, key }
        }

        async fn restore(&self, store: &dyn ObjectStore, overwrite: bool) -> Result<Restored, RestoreError> {
            let copy = store.head("q", &self.key, None).await.expect("asked").expect("a copy");
            let record = self.store.bytes("q", &record_key(&self.key)).expect("a record");
            let record: QuarantineRecord = serde_json::from_slice(&record).expect("JSON");
            let order = Restore {
                copy: &copy,
                record: &record,
                bucket: "b",
                key: &self.row.object.key,
                overwrite,
                tag_keys: &TagKeys::default(),
                results_bucket: "r",
                at: at(),
                by: "somebody",
            };
            restore(store, order).await
        }

        fn allowed(&self) -> Option<AllowedContent> {
            let bytes = self.store.bytes("r", &layout::allowed_key(&hex(CONTENT)))?;
            Some(serde_json::from_slice(&bytes).expect("JSON"))
        }
    }

    #[tokio::test]
    async fn it_is_allowed_comes_back_as_it_was_and_leaves_quarantine() {
        let lab = Lab::new(2).await;
        let restored = lab.restore(&lab.store, false).await.expect("restored");
        assert_eq!((restored.already, restored.untagged), (false, false));
        let allowed = lab.allowed().expect("allowed");
        assert_eq!((allowed.threats, allowed.by.as_str()), (vec!["A.Threat".into(), "B.Threat".into()], "somebody"));
        let head = lab.store.head("b", "k ü", None).await.expect("asked").expect("there");
        assert_eq!(head.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(head.headers.metadata.keys().collect::<Vec<_>>(), ["mine"]);
        let tags = lab.store.tags_of("b", "k ü");
        let of = |key: &str| tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
        assert_eq!((of("t1"), of("scan-result")), (Some("v"), Some("InfectedAllowed")));
        assert_eq!(of("date-scanned"), Some("2026-11-22T10:00:00Z"));
        remove(&lab.store, "q", &lab.key).await.expect("removed");
        assert_eq!((lab.store.version_count("q", &lab.key), lab.store.keys("q", "").len()), (0, 0));
    }

    #[tokio::test]
    async fn ten_tags_of_the_owners_come_back_and_are_enough() {
        let lab = Lab::new(10).await;
        assert!(lab.restore(&lab.store, false).await.expect("restored").untagged);
        assert_eq!(lab.store.tags_of("b", "k ü").len(), 10);
    }

    #[tokio::test]
    async fn another_content_than_was_judged_is_neither_allowed_nor_restored() {
        let lab = Lab::new(0).await;
        lab.store.overwrite("q", &lab.key, "tampered");
        let error = lab.restore(&lab.store, true).await.expect_err("tampered");
        assert!(matches!(error, RestoreError::OtherContent { .. }), "{error}");
        assert_eq!((lab.allowed(), lab.store.exists("b", "k ü")), (None, false));
    }

    #[tokio::test]
    async fn what_stands_there_is_not_overwritten_unless_told_so() {
        for newer in ["other!!!", "a longer one"] {
            let lab = Lab::new(0).await;
            lab.store.insert("b", "k ü", newer);
            let error = lab.restore(&lab.store, false).await.expect_err("taken");
            assert!(matches!(error, RestoreError::Exists), "{error}");
            assert_eq!((lab.allowed(), lab.store.bytes("b", "k ü")), (None, Some(newer.into())));
            lab.restore(&lab.store, true).await.expect("restored");
            assert_eq!(lab.store.bytes("b", "k ü").expect("there"), CONTENT);
        }
    }

    #[tokio::test]
    async fn an_attempt_that_broke_off_is_taken_up() {
        let lab = Lab::new(0).await;
        let failing = FailingStore::new(lab.store.clone());
        failing.faults.fail("copy", 1, StoreError::AccessDenied("no".into()));
        let error = lab.restore(&failing, false).await.expect_err("denied").to_string();
        assert!(error.contains("is allowed, and it could not be put back"), "{error}");
        assert!(lab.allowed().is_some(), "first of all");
        assert!(!lab.restore(&failing, false).await.expect("restored").already);
        let versions = lab.store.version_count("b", "k ü");
        assert!(lab.restore(&failing, false).await.expect("once more").already);
        assert_eq!(lab.store.version_count("b", "k ü"), versions);
    }

    #[tokio::test]
    async fn what_was_allowed_before_stays_allowed() {
        let lab = Lab::new(0).await;
        let before = AllowedContent { sha256: hex(CONTENT), threats: vec!["Z".into()], at: at(), by: "x".into() };
        lab.store.insert("r", &layout::allowed_key(&hex(CONTENT)), serde_json::to_vec(&before).expect("JSON"));
        lab.restore(&lab.store, false).await.expect("restored");
        assert_eq!(lab.allowed().expect("allowed").threats, ["A.Threat", "B.Threat", "Z"]);
    }

    #[tokio::test]
    async fn the_record_stays_as_long_as_the_copy() {
        let lab = Lab::new(0).await;
        lab.store.overwrite("q", &lab.key, "twice");
        let failing = FailingStore::new(lab.store.clone());
        failing.faults.fail("delete", 2, StoreError::AccessDenied("locked".into()));
        let error = remove(&failing, "q", &lab.key).await.expect_err("locked");
        assert!(error.is_denied() && error.version_id.is_some() && error.key == lab.key);
        assert!(lab.store.exists("q", &lab.key) && lab.store.exists("q", &record_key(&lab.key)));
        remove(&failing, "q", &lab.key).await.expect("removed");
        assert_eq!(lab.store.keys("q", ""), Vec::<String>::new());
    }
}
