//! What stands in a staging bucket: objects that were not promoted, or not yet.

use lazaret_aws::{ObjectStore, StoreError};

/// Keys that are named.
const NAMED: usize = 10;
/// Pages that are listed: 100,000 objects are not told from more.
const PAGES_MAX: usize = 100;

/// Objects that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    pub objects: u64,
    /// There are more than were counted.
    pub more: bool,
    /// The first of their keys: hostile text.
    pub keys: Vec<String>,
}

/// Counts the current versions in a staging bucket.
///
/// # Errors
/// If it can't be listed.
pub async fn waiting(store: &dyn ObjectStore, bucket: &str) -> Result<Waiting, StoreError> {
    let mut found = Waiting::default();
    let mut next: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = store.list_page(bucket, "", next.as_deref()).await?;
        found.objects += page.objects.len() as u64;
        let room = NAMED - found.keys.len();
        found.keys.extend(page.objects.into_iter().take(room).map(|object| object.key));
        next = page.next;
        if next.is_none() {
            return Ok(found);
        }
    }
    found.more = true;
    Ok(found)
}
