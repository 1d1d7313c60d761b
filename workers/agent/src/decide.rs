//! Decide: what a verdict means under the bucket's policy, and what `Gone` really was.

use jiff::Timestamp;
use lazaret_actions::uncover::{UNCOVERED, older_version};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::policy::Policy;
use lazaret_model::quarantine::quarantine_key;
use lazaret_model::tags::{Tag, TagKeys};
use lazaret_model::verdict::{ErrorReason, GoneReason};
use lazaret_model::{
    Action, ActionKind, ActionOutcome, DefinitionsStamp, Evidence, Finding, ObjectRef, ResultRow, Verdict,
};
use tracing::info;

use crate::retry;

/// The engine that a finding names that was read from the tags of a quarantined object.
const FROM_QUARANTINE: &str = "quarantine";

/// What a verdict rests on. [`Basis::default`] is for objects that no engine saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis {
    pub sha256: Option<[u8; 32]>,
    pub definitions: Option<DefinitionsStamp>,
    pub notes: Vec<Finding>,
    pub cached: bool,
}

impl Basis {
    /// As a row carries it.
    pub fn evidence(self, at: Timestamp) -> Evidence {
        Evidence {
            definitions_age_seconds: self.definitions.as_ref().and_then(|stamp| stamp.age_seconds(at)),
            definitions: self.definitions.map(|stamp| stamp.version),
            sha256: self.sha256.map(|digest| hex(&digest)),
            milliseconds: None, // known when the row is whole
            notes: self.notes,
            cached: self.cached,
        }
    }
}

/// A digest as programs print it.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is needed to decide.
pub struct Decide<'a> {
    pub store: &'a dyn ObjectStore,
    pub policy: &'a Policy,
    /// None where nothing is ever moved.
    pub quarantine_bucket: Option<&'a str>,
}

impl Decide<'_> {
    /// The row of an object with its verdict, what that rests on, and what is to be done.
    ///
    /// `asked` is the object as its packet names it. The quarantine key is derived from that and not from `read`, the same
    /// object with the version id that the fetch learned: an agent that comes too late to fetch knows only `asked`, and must
    /// find the copy.
    pub fn row(&self, asked: &ObjectRef, read: ObjectRef, verdict: Verdict, basis: Basis) -> ResultRow {
        let verdict = self.policy.review(verdict);
        let kind = self.quarantine_bucket.and_then(|bucket| self.policy.decide(asked, &read, &verdict, bucket));
        let action = kind.map(Action::pending);
        let scanned_at = Timestamp::now();
        ResultRow { object: read, verdict, action, scanned_at, evidence: basis.evidence(scanned_at) }
    }

    /// The row of an object that is no longer where it was: in quarantine, or gone indeed.
    ///
    /// Another agent may have moved it a moment ago. That one wrote the packet's part before it moved, so the write of our
    /// row meets that part and merges; the look here is for what no part of this packet tells of any more.
    pub async fn row_of_gone(&self, asked: &ObjectRef, reason: GoneReason) -> ResultRow {
        let row = |verdict, action| ResultRow {
            object: asked.clone(),
            verdict,
            action,
            scanned_at: Timestamp::now(),
            evidence: Evidence::default(),
        };
        let Some(bucket) = self.quarantine_bucket else { return row(Verdict::Gone { reason }, None) };
        let to_key = quarantine_key(asked);
        let look = async {
            let tags = retry::store(|| self.store.tags_at(bucket, &to_key)).await?;
            // `Overwritten` is also what an older version looks like that came up when it was moved
            let overwritten = tags.is_some() && reason == GoneReason::Overwritten;
            let uncovered = overwritten && older_version(self.store, asked).await?;
            Ok::<_, StoreError>(tags.map(|tags| (tags, uncovered)))
        };
        let (verdict, action) = match look.await {
            Ok(Some((tags, uncovered))) => {
                info!("The object stands in quarantine already");
                let kind = ActionKind::Move { to_bucket: bucket.to_owned(), to_key };
                let verdict = Verdict::Infected { findings: vec![finding(&self.policy.tag_keys, &tags)] };
                let outcome = if uncovered { ActionOutcome::Failed(UNCOVERED.to_owned()) } else { ActionOutcome::Done };
                (verdict, Some(Action { kind, outcome }))
            }
            Ok(None) => (Verdict::Gone { reason }, None),
            Err(error) => {
                let detail = format!("it is {reason}, and the quarantine could not be asked for it: {error}");
                (Verdict::Error { reason: ErrorReason::FetchFailed, detail }, None)
            }
        };
        row(verdict, action)
    }
}

/// The finding that the tags of a quarantined object tell of. The keys may have been renamed since.
fn finding(keys: &TagKeys, tags: &[Tag]) -> Finding {
    let default = TagKeys::default();
    let threat = [&keys.virus, &default.virus]
        .into_iter()
        .find_map(|key| tags.iter().find(|tag| tag.key == *key))
        .map_or_else(|| "unknown".to_owned(), |tag| tag.value.clone());
    Finding { member: String::new(), threat, engine: FROM_QUARANTINE.to_owned() }
}
