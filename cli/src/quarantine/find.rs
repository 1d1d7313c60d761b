//! Lists copies, or finds the one that a person means.

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use lazaret_model::ObjectRef;
use lazaret_model::quarantine::copy_of_record;

use super::entry::{Entry, ID_DIGITS, id_of, read};
use crate::cloud::Cloud;
use crate::escape;

/// Records that are read at once.
const READS_AT_ONCE: usize = 16;
/// Digits that are enough to be meant: 32 bits tell a thousand copies apart.
const ID_DIGITS_MIN: usize = 8;

/// All copies of objects of `bucket`, or of all buckets, that came since `since`; in the order of their keys.
///
/// # Errors
/// If the quarantine can't be listed, or a copy can't be looked at.
pub async fn list(cloud: &Cloud, bucket: Option<&str>, since: Option<Timestamp>) -> anyhow::Result<Vec<Entry>> {
    let prefix = bucket.map(|bucket| format!("{bucket}/")).unwrap_or_default();
    let mut copies = copies(cloud, &prefix).await?;
    copies.retain(|(_, copy)| since.is_none_or(|since| copy.last_modified >= since));
    let store = cloud.store.as_ref();
    stream::iter(&copies)
        .map(|(id, copy)| read(store, &cloud.quarantine_bucket, copy, id))
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await
}

/// The copy whose id begins with `text`, or whose key it is.
///
/// # Errors
/// If there is none, or more than one.
pub async fn one(cloud: &Cloud, text: &str) -> anyhow::Result<Entry> {
    let digits = text.len() <= ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let whole_key = id_of(text).is_some();
    let is_id = digits && text.len() >= ID_DIGITS_MIN;
    if !(whole_key || is_id) {
        bail!(
            "`{}` is not the id of a copy in quarantine: give at least {ID_DIGITS_MIN} of the hex digits that `lazaret quarantine list` shows, or the whole key",
            escape::line(text)
        );
    }
    let copies = copies(cloud, if whole_key { text } else { "" }).await?;
    let meant = text.to_ascii_lowercase();
    let is_meant =
        |(id, copy): &&(String, ObjectRef)| if whole_key { copy.key == text } else { id.starts_with(&meant) };
    let found: Vec<_> = copies.iter().filter(is_meant).collect();
    match found.as_slice() {
        [] => bail!(
            "nothing in quarantine has the id `{}`: `lazaret quarantine list` shows what is there",
            escape::line(text)
        ),
        [(id, copy)] => read(cloud.store.as_ref(), &cloud.quarantine_bucket, copy, id).await,
        several => {
            let ids: Vec<_> = several.iter().map(|(id, _)| id.as_str()).collect();
            bail!("`{text}` is the begin of {} ids: {}", ids.len(), ids.join(", "))
        }
    }
}

/// Each copy below a prefix, with its id. Records, and what others put there, are left out.
async fn copies(cloud: &Cloud, prefix: &str) -> anyhow::Result<Vec<(String, ObjectRef)>> {
    let (store, bucket) = (cloud.store.as_ref(), cloud.quarantine_bucket.as_str());
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = store.list_page(bucket, prefix, next.as_deref()).await;
        let page = page.with_context(|| format!("listing the quarantine bucket `{bucket}`"))?;
        for object in page.objects {
            if copy_of_record(&object.key).is_none()
                && let Some(id) = id_of(&object.key)
            {
                found.push((id.to_ascii_lowercase(), object));
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(found);
        }
    }
}
