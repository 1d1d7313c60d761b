//! Promote: the version that was scanned, copied to production and then deleted from staging.
//!
//! Every step may be repeated, and several may be at it: what stands in production says in its metadata of which version it is
//! a copy, and a copy is made only over what was seen there. Only a version id pins bytes for ever (an ETag is an MD5 digest, which
//! can be forged), so a version without one is never promoted.

use std::cmp::Ordering;

use jiff::Timestamp;
use lazaret_aws::objects::{CopyTarget, ObjectHead, PutCondition};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::headers::{ObjectHeaders, USER_METADATA_BYTES};
use lazaret_model::object::ETag;
use lazaret_model::promotion::{Destination, SOURCE_METADATA, SourceStamp};
use lazaret_model::tags::{Tag, TagKeys, merge_tags, verdict_tags};
use lazaret_model::{ObjectRef, ResultRow};
use tracing::info;

use crate::error::{PromoteError, is_gone, is_pinned};
use crate::retry;

/// Looks at both places before it is given up for now: each further one is somebody else's write in between.
const ROUNDS: usize = 5;

/// Where a copy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub bucket: String,
    pub key: String,
    pub version_id: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promoted {
    /// It stands there, and no longer in staging.
    Done(Place),
    /// A later version of the same key stands there; it is no longer in staging.
    Superseded(Place),
    /// It stays in staging.
    Held(HeldReason),
    /// It was deleted before it could be copied.
    Gone,
}

/// Why a version whose verdict lets it go to production stays in staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldReason {
    #[error("a staging bucket must be versioned, and this object has no version id")]
    NotVersioned,
    #[error("its key with the prefix of the production bucket is above the 1,024 bytes of S3")]
    KeyTooLong,
    #[error("its production bucket is its staging bucket")]
    IntoItself,
    #[error("it is archived: restore it, and start the promotion again")]
    Archived,
    #[error("production holds another version of this key, and which of them is the later one cannot be told")]
    OrderUnclear,
}

/// Promotes the version that the row is of. Whether its verdict lets it go is the caller's to know.
///
/// # Errors
/// If a call failed. Nothing is deleted from staging unless the copy was looked at.
pub async fn promote(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    to: &Destination,
) -> Result<Promoted, PromoteError> {
    if !is_pinned(&row.object) {
        return Ok(Promoted::Held(HeldReason::NotVersioned));
    }
    if to.bucket == row.object.bucket {
        return Ok(Promoted::Held(HeldReason::IntoItself));
    }
    let Some(key) = to.key(&row.object.key) else { return Ok(Promoted::Held(HeldReason::KeyTooLong)) };
    let promotion = Promotion { store, keys, row, bucket: &to.bucket, key: &key };
    for _ in 0..ROUNDS {
        if let Some(promoted) = promotion.round().await? {
            return Ok(promoted);
        }
        info!(object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(), "Staging or production changed meanwhile; looking again");
    }
    Err(PromoteError::Unsettled { bucket: to.bucket.clone() })
}

/// Where production holds a copy of the version that the row is of, if it does.
///
/// # Errors
/// If production could not be asked.
pub async fn promoted_copy(
    store: &dyn ObjectStore,
    row: &ResultRow,
    to: &Destination,
) -> Result<Option<Place>, PromoteError> {
    let (true, Some(key)) = (is_pinned(&row.object), to.key(&row.object.key)) else { return Ok(None) };
    let there = look(store, &to.bucket, &key).await?;
    Ok(there.filter(|there| is_copy_of(there, &row.object)).map(place))
}

struct Promotion<'a> {
    store: &'a dyn ObjectStore,
    keys: &'a TagKeys,
    row: &'a ResultRow,
    bucket: &'a str,
    key: &'a str,
}

impl Promotion<'_> {
    /// One look at both places, and what follows from it. None if they changed before it could be done.
    async fn round(&self) -> Result<Option<Promoted>, PromoteError> {
        let asked = &self.row.object;
        // first the source: where that is gone because of another execution, the copy is there by now
        let source = retry::store(|| self.store.head(&asked.bucket, &asked.key, asked.version_id.as_deref())).await;
        let source = match source {
            Ok(source) => source,
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(PromoteError::ReadSource { bucket: asked.bucket.clone(), error }),
        };
        let there = look(self.store, self.bucket, self.key).await?;
        let Some(source) = source else { return Ok(Some(self.of_gone(there))) };
        if source.object.storage_class.is_archived() {
            return Ok(Some(Promoted::Held(HeldReason::Archived)));
        }
        let stored = self.stored(&source.object);
        match there.as_ref().map(|there| standing(there, &source, stored)) {
            Some(Standing::Ours) => {
                let there = there.map(place);
                return self.leave_staging(&source, there.map(Promoted::Done)).await;
            }
            Some(Standing::Later) => {
                let there = there.map(place);
                return self.leave_staging(&source, there.map(Promoted::Superseded)).await;
            }
            Some(Standing::Unclear) => return Ok(Some(Promoted::Held(HeldReason::OrderUnclear))),
            Some(Standing::Other) | None => {}
        }
        self.copy(&source, stored, there.as_ref()).await
    }

    /// When the version was stored. A listing and S3 itself have no more of an upload in parts than its begin; that it was complete when it
    /// was scanned is certain.
    fn stored(&self, source: &ObjectRef) -> Stored {
        let (begin, row) = (source.last_modified, self.row);
        if is_in_parts(&source.etag) {
            return Stored { from: begin, complete_by: Some(row.scanned_at.max(begin)) };
        }
        Stored { from: moment(begin, row.object.last_modified), complete_by: None }
    }

    async fn copy(
        &self,
        source: &ObjectHead,
        stored: Stored,
        over: Option<&ObjectHead>,
    ) -> Result<Option<Promoted>, PromoteError> {
        let own = match retry::store(|| self.store.tags(&source.object)).await {
            Ok(own) => own,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(PromoteError::ReadTags { bucket: source.object.bucket.clone(), error }),
        };
        let tags = self.tags(own);
        let headers = stamped(&source.headers, &source.object, stored);
        let condition = over.map_or(PutCondition::Absent, |over| PutCondition::Over(over.object.etag.as_str()));
        let to = CopyTarget { bucket: self.bucket, key: self.key, tags: &tags, headers: headers.as_ref(), condition };
        let copied = match retry::store(|| self.store.copy(&source.object, to)).await {
            Ok(copied) => copied,
            Err(StoreError::Archived) => return Ok(Some(Promoted::Held(HeldReason::Archived))),
            Err(StoreError::NotFound | StoreError::PreconditionFailed) => return Ok(None),
            Err(error) => {
                let (from, to) = (source.object.bucket.clone(), self.bucket.to_owned());
                return Err(PromoteError::Copy { from, to, error });
            }
        };
        let seen = retry::store(|| self.store.head(self.bucket, self.key, copied.version_id.as_deref())).await;
        let seen = seen.map_err(|error| PromoteError::LookAtTarget { bucket: self.bucket.to_owned(), error })?;
        let Some(seen) = seen else {
            // S3 has made it, and whoever takes what comes there was quick: a second copy would be a second delivery
            let (bucket, key, version_id) = (self.bucket.to_owned(), self.key.to_owned(), copied.version_id);
            return self.leave_staging(source, Some(Promoted::Done(Place { bucket, key, version_id }))).await;
        };
        if seen.object.etag != copied.etag {
            return Ok(None);
        }
        if seen.object.size != source.object.size {
            let (bucket, expected, found) = (self.bucket.to_owned(), source.object.size, seen.object.size);
            return Err(PromoteError::NotWhole { bucket, expected, found });
        }
        self.leave_staging(source, Some(Promoted::Done(place(seen)))).await
    }

    /// The owner's, and the verdict's as far as there is room: ten tags of the owner's go without.
    fn tags(&self, own: Vec<Tag>) -> Vec<Tag> {
        let ours = verdict_tags(self.keys, &self.row.verdict, self.row.scanned_at);
        merge_tags(self.keys, &own, &ours).unwrap_or(own)
    }

    async fn leave_staging(
        &self,
        source: &ObjectHead,
        promoted: Option<Promoted>,
    ) -> Result<Option<Promoted>, PromoteError> {
        match retry::store(|| self.store.delete(&source.object)).await {
            Ok(()) => Ok(promoted),
            Err(error) if is_gone(&error) => Ok(promoted),
            Err(error) => Err(PromoteError::DeleteSource { bucket: source.object.bucket.clone(), error }),
        }
    }

    /// What was done with a version that is no longer in staging, as far as production tells.
    fn of_gone(&self, there: Option<ObjectHead>) -> Promoted {
        let asked = &self.row.object;
        let Some(there) = there else { return Promoted::Gone };
        let stamp = stamp_of(&there);
        let later = |stamp: &SourceStamp| {
            let order = Stored::of(stamp).order(self.stored(asked));
            stamp.bucket == asked.bucket && order == Some(Ordering::Greater)
        };
        match stamp {
            _ if is_copy_of(&there, asked) => Promoted::Done(place(there)),
            Some(stamp) if later(&stamp) => Promoted::Superseded(place(there)),
            // its owner's metadata left no room for a stamp
            None if there.object.etag == asked.etag && there.object.size == asked.size => Promoted::Done(place(there)),
            _ => Promoted::Gone,
        }
    }
}

/// What stands in production, as seen from a version in staging.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// A copy of this very version.
    Ours,
    /// A copy of a later version of the same key, or the same bytes.
    Later,
    Unclear,
    /// Anything that this version may be written over.
    Other,
}

fn standing(there: &ObjectHead, source: &ObjectHead, stored: Stored) -> Standing {
    if is_copy_of(there, &source.object) {
        return Standing::Ours;
    }
    // a copy of this very version that is not whole is written over
    let another = |stamp: &SourceStamp| {
        stamp.bucket == source.object.bucket && Some(&stamp.version_id) != source.object.version_id.as_ref()
    };
    let Some(stamp) = stamp_of(there).filter(another) else { return Standing::Other };
    let same_bytes = there.object.etag == source.object.etag && there.object.size == source.object.size;
    match Stored::of(&stamp).order(stored) {
        Some(Ordering::Less) => Standing::Other,
        Some(Ordering::Greater) => Standing::Later,
        _ if same_bytes => Standing::Later,
        _ => Standing::Unclear,
    }
}

/// When a version was stored, as far as that is known.
#[derive(Debug, Clone, Copy)]
struct Stored {
    from: Timestamp,
    /// Of an upload in parts, of which S3 tells the begin: what others stored in between may be older or newer.
    complete_by: Option<Timestamp>,
}

impl Stored {
    fn of(stamp: &SourceStamp) -> Self {
        Self { from: stamp.last_modified, complete_by: stamp.complete_by }
    }

    /// None where it can't be told.
    fn order(self, other: Self) -> Option<Ordering> {
        let (end, other_end) = (self.complete_by.unwrap_or(self.from), other.complete_by.unwrap_or(other.from));
        if order(self.from, other_end) == Ordering::Greater {
            Some(Ordering::Greater)
        } else if order(end, other.from) == Ordering::Less {
            Some(Ordering::Less)
        } else {
            None
        }
    }
}

fn is_copy_of(there: &ObjectHead, object: &ObjectRef) -> bool {
    let same =
        |stamp: &SourceStamp| stamp.bucket == object.bucket && Some(&stamp.version_id) == object.version_id.as_ref();
    stamp_of(there).as_ref().is_some_and(same) && there.object.size == object.size
}

fn stamp_of(there: &ObjectHead) -> Option<SourceStamp> {
    there.headers.metadata.get(SOURCE_METADATA).and_then(|text| SourceStamp::parse(text))
}

fn is_in_parts(etag: &ETag) -> bool {
    etag.as_str().contains('-')
}

/// When a version was stored: S3's own second, and within it what the record says. An event tells milliseconds, and whoever forges
/// one can move a version within its second and no further.
fn moment(stored: Timestamp, told: Timestamp) -> Timestamp {
    let second = stored.as_second();
    let milliseconds = told.as_millisecond().saturating_sub(second.saturating_mul(1000)).clamp(0, 999);
    Timestamp::from_millisecond(second.saturating_mul(1000) + milliseconds).unwrap_or(stored)
}

/// The order of two moments. Within a second it is known only if both say more than the second.
fn order(one: Timestamp, other: Timestamp) -> Ordering {
    let (a, b) = (one.as_millisecond(), other.as_millisecond());
    let known = a % 1000 != 0 && b % 1000 != 0;
    match one.as_second().cmp(&other.as_second()) {
        Ordering::Equal if known => a.cmp(&b),
        seconds => seconds,
    }
}

/// The owner's headers with our stamp in place of any that they had brought. None, if there is no room and nothing to take out: S3 then
/// copies them itself.
fn stamped(own: &ObjectHeaders, object: &ObjectRef, stored: Stored) -> Option<ObjectHeaders> {
    let mut headers = own.clone();
    headers.metadata.retain(|name, _| !name.eq_ignore_ascii_case(SOURCE_METADATA));
    let forged = headers.metadata.len() < own.metadata.len();
    let Stored { from: last_modified, complete_by } = stored;
    let stamp = SourceStamp { last_modified, complete_by, ..SourceStamp::of(object)? };
    let fits = headers.add_metadata(SOURCE_METADATA, &stamp.text());
    debug_assert!(!fits || headers.metadata_bytes() <= USER_METADATA_BYTES);
    (fits || forged).then_some(headers)
}

fn place(head: ObjectHead) -> Place {
    let ObjectRef { bucket, key, version_id, .. } = head.object;
    Place { bucket, key, version_id }
}

async fn look(store: &dyn ObjectStore, bucket: &str, key: &str) -> Result<Option<ObjectHead>, PromoteError> {
    let there = retry::store(|| store.head(bucket, key, None)).await;
    there.map_err(|error| PromoteError::LookAtTarget { bucket: bucket.to_owned(), error })
}
