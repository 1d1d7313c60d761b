//! Tags on an object that only its ETag tells from the one after it.
//!
//! PutObjectTagging has no condition. Between the look and the write an owner may put another object there, and our tags, a
//! `Clean` perhaps, stand on what nobody scanned. So they are looked for afterwards and taken off again: no tags are better
//! than false ones.

use async_trait::async_trait;
use jiff::Timestamp;
use lazaret_model::object::ObjectRef;
use lazaret_model::tags::Tag;

use crate::StoreError;

/// The single calls to S3. All but `check` are for whatever is there.
#[async_trait]
pub(crate) trait TagSteps: Sync {
    /// `PreconditionFailed` or `NotFound` unless the object is there: with its ETag, and as [`same_object`] says.
    async fn check(&self, object: &ObjectRef) -> Result<(), StoreError>;
    async fn read(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError>;
    async fn write(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError>;
    async fn clear(&self, object: &ObjectRef) -> Result<(), StoreError>;
}

/// Seconds that S3's date of an object may be later than the one that its event or its listing told: an event's comes from
/// another clock.
const CLOCKS_SECONDS: i64 = 1;

/// Whether what is there, with the right ETag, is the object that was read. An ETag is an MD5 digest, and two objects can be made
/// that have the same: such a twin is stored later. An upload in parts has the date of its begin, which is never too late.
pub(crate) fn same_object(
    object: &ObjectRef,
    size: Option<u64>,
    last_modified: Option<Timestamp>,
) -> Result<(), StoreError> {
    let later = |at: Timestamp| at.as_second() > object.last_modified.as_second() + CLOCKS_SECONDS;
    let another = size.is_some_and(|size| size != object.size) || last_modified.is_some_and(later);
    if another { Err(StoreError::PreconditionFailed) } else { Ok(()) }
}

/// Writes the tags of an object that its version id does not pin, or leaves none of them on another.
///
/// What an attempt left that broke off before it could take its tags back, the next attempt with these tags takes back.
pub(crate) async fn put_unpinned(steps: &impl TagSteps, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
    checked(steps, object, tags).await?;
    steps.write(object, tags).await?;
    checked(steps, object, tags).await
}

async fn checked(steps: &impl TagSteps, object: &ObjectRef, ours: &[Tag]) -> Result<(), StoreError> {
    let checked = steps.check(object).await;
    // only exactly ours: other tags are of the other object's owner, or of another scan
    if checked == Err(StoreError::PreconditionFailed) && same(&steps.read(object).await?, ours) {
        steps.clear(object).await?;
    }
    checked
}

/// S3 keeps no order of tags.
fn same(some: &[Tag], others: &[Tag]) -> bool {
    some.len() == others.len() && some.iter().all(|tag| others.contains(tag))
}
