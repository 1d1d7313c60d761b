//! Quarantine: write down what it is, copy it, delete it. Where the source is gone, the copy says whether an earlier attempt got there.

use bytes::Bytes;
use jiff::Timestamp;
use lazaret_aws::objects::{CopyTarget, PutCondition};
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::headers::{ObjectHeaders, USER_METADATA_BYTES};
use lazaret_model::quarantine::{quarantine_metadata, record_key};
use lazaret_model::tags::{TAGS_PER_OBJECT, Tag, TagKeys, verdict_tags};
use lazaret_model::{ActionOutcome, ObjectRef, QuarantineRecord, ResultRow};

use crate::error::{ActError, is_gone, is_pinned};
use crate::retry;

/// What the names of our metadata begin with.
const OUR_METADATA: &str = "lazaret-";

/// Moves the version that the row is of to `to_bucket` and `to_key`.
pub async fn quarantine(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    to_bucket: &str,
    to_key: &str,
) -> Result<ActionOutcome, ActError> {
    let own = match retry::store(|| store.tags(&row.object)).await {
        Ok(own) => own,
        Err(error) if is_gone(&error) => return already_moved(store, to_bucket, to_key).await,
        Err(error) => return Err(ActError::ReadTags(error)),
    };
    let Some(headers) = headers_of(store, &row.object).await? else {
        return already_moved(store, to_bucket, to_key).await;
    };
    let carried = copy_headers(&headers, row);
    let tags = quarantine_tags(keys, &own, row);
    let record = QuarantineRecord { row: row.clone(), quarantined_at: Timestamp::now(), headers, tags: own };
    write_record(store, &record, to_bucket, to_key).await?;
    let target = CopyTarget {
        bucket: to_bucket,
        key: to_key,
        tags: &tags,
        headers: Some(&carried),
        condition: PutCondition::Always,
    };
    match retry::store(|| store.copy(&row.object, target)).await {
        Ok(_) => {}
        // a quarantine bucket that does not exist is not a version that went away
        Err(error @ StoreError::NoSuchBucket(_)) => return Err(ActError::Copy(error)),
        Err(error) if is_gone(&error) => return already_moved(store, to_bucket, to_key).await,
        Err(error) => return Err(ActError::Copy(error)),
    }
    match retry::store(|| store.delete(&row.object)).await {
        Ok(()) => Ok(ActionOutcome::Done),
        // the copy stands, and the version it is of no longer does: by another agent's hand, or its owner's
        Err(error) if is_gone(&error) => Ok(ActionOutcome::Done),
        Err(error) => Err(ActError::DeleteMoved(error)),
    }
}

/// The headers of exactly this version; `None` if it is gone.
async fn headers_of(store: &dyn ObjectStore, object: &ObjectRef) -> Result<Option<ObjectHeaders>, ActError> {
    let head = retry::store(|| store.head(&object.bucket, &object.key, object.version_id.as_deref())).await;
    match head {
        Ok(head) => {
            let same = head.filter(|head| is_pinned(object) || head.object.etag == object.etag);
            Ok(same.map(|head| head.headers))
        }
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(ActError::ReadHeaders(error)),
    }
}

/// Before the copy, so that no copy stands without one. The first stays: a later attempt knows no more.
async fn write_record(
    store: &dyn ObjectStore,
    record: &QuarantineRecord,
    to_bucket: &str,
    to_key: &str,
) -> Result<(), ActError> {
    let bytes = Bytes::from(serde_json::to_vec_pretty(record).expect("records of the model are always JSON"));
    let key = record_key(to_key);
    let put = || store.put(to_bucket, &key, bytes.clone(), "application/json", PutCondition::Absent);
    match retry::store(put).await {
        Ok(_) | Err(StoreError::PreconditionFailed) => Ok(()),
        Err(error) => Err(ActError::WriteRecord(error)),
    }
}

async fn already_moved(store: &dyn ObjectStore, to_bucket: &str, to_key: &str) -> Result<ActionOutcome, ActError> {
    let copy = retry::store(|| store.tags_at(to_bucket, to_key)).await.map_err(ActError::Look)?;
    Ok(if copy.is_some() { ActionOutcome::Done } else { ActionOutcome::Gone })
}

/// What the copy says of itself, then the owner's as far as there is room: the record has all of it. Names of ours that its owner chose
/// stay out, for what they would say of the copy nobody has said.
fn copy_headers(owned: &ObjectHeaders, row: &ResultRow) -> ObjectHeaders {
    let mut headers = ObjectHeaders { metadata: Default::default(), ..owned.clone() };
    for (name, value) in quarantine_metadata(row) {
        headers.add_metadata(name, &value);
    }
    for (name, value) in &owned.metadata {
        if !name.to_ascii_lowercase().starts_with(OUR_METADATA) {
            headers.add_metadata(name, value);
        }
    }
    debug_assert!(headers.metadata_bytes() <= USER_METADATA_BYTES);
    headers
}

/// The verdict's tags before the owner's: in quarantine it is the result that must not be missing.
fn quarantine_tags(keys: &TagKeys, own: &[Tag], row: &ResultRow) -> Vec<Tag> {
    let ours = [&keys.result, &keys.date, &keys.virus, &keys.message];
    let mut tags = verdict_tags(keys, &row.verdict, row.scanned_at);
    tags.extend(own.iter().filter(|tag| !ours.contains(&&tag.key)).cloned());
    tags.truncate(TAGS_PER_OBJECT);
    tags
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{FakeObject, FakeStore};
    use lazaret_model::quarantine::quarantine_key;
    use lazaret_model::{Evidence, Finding, Verdict};

    use super::*;

    fn row(object: ObjectRef) -> ResultRow {
        let finding = Finding { member: String::new(), threat: "Eicar-Test-Signature".into(), engine: "clamav".into() };
        ResultRow {
            object,
            verdict: Verdict::Infected { findings: vec![finding] },
            action: None,
            scanned_at: Timestamp::UNIX_EPOCH,
            evidence: Evidence { sha256: Some("ab".repeat(32)), ..Evidence::default() },
        }
    }

    #[tokio::test]
    async fn a_copy_says_where_it_is_from_and_the_record_keeps_all_that_was_the_owners() {
        let store = FakeStore::new().with_versioned_bucket("b").with_bucket("q");
        let mut object = FakeObject::new("x").content_type("text/plain").metadata("mine", &"m".repeat(1900));
        for n in 0..10 {
            object = object.tag(&format!("t{n}"), "v");
        }
        store.insert_object("b", "a/ü b%", object);
        let row = row(store.pinned_ref("b", "a/ü b%"));
        let key = quarantine_key(&row.object);
        for _ in 0..2 {
            let moved = quarantine(&store, &TagKeys::default(), &row, "q", &key).await;
            assert_eq!(moved.expect("moved"), ActionOutcome::Done);
        }
        assert_eq!(store.version_count("b", "a/ü b%"), 0);
        let copy = store.head("q", &key, None).await.expect("asked").expect("there");
        assert_eq!(copy.headers.metadata["lazaret-key"], "a/%C3%BC%20b%25");
        assert_eq!(copy.headers.metadata["lazaret-verdict"], "Infected");
        assert!(!copy.headers.metadata.contains_key("mine"), "there was no room");
        assert_eq!(copy.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(store.tags_of("q", &key)[0].value, "Infected");
        let record = store.bytes("q", &record_key(&key)).expect("a record");
        let record: QuarantineRecord = serde_json::from_slice(&record).expect("JSON");
        assert_eq!((record.row.object.key.as_str(), record.tags.len()), ("a/ü b%", 10));
        assert_eq!(record.headers.metadata["mine"].len(), 1900);
    }

    #[tokio::test]
    async fn a_copy_says_nothing_that_its_owner_said_in_our_name() {
        let store = FakeStore::new().with_versioned_bucket("b").with_bucket("q");
        let forged = ["lazaret-source", "Lazaret-Restored", "lazaret-key"];
        let object =
            forged.iter().fold(FakeObject::new("x").metadata("mine", "m"), |object, name| object.metadata(name, "f"));
        store.insert_object("b", "k", object);
        let row = row(store.pinned_ref("b", "k"));
        let key = quarantine_key(&row.object);
        quarantine(&store, &TagKeys::default(), &row, "q", &key).await.expect("moved");
        let copy = store.head("q", &key, None).await.expect("asked").expect("there").headers.metadata;
        assert_eq!((copy["mine"].as_str(), copy["lazaret-key"].as_str()), ("m", "k"));
        assert!(copy.values().all(|value| value != "f"), "{copy:?}");
        let record = store.bytes("q", &record_key(&key)).expect("a record");
        let record: QuarantineRecord = serde_json::from_slice(&record).expect("JSON");
        assert_eq!(record.headers.metadata.len(), 4, "the record keeps what was its owner's");
    }

    #[tokio::test]
    async fn what_was_overwritten_is_not_moved_and_what_was_moved_is_done() {
        let store = FakeStore::new().with_bucket("b").with_bucket("q");
        let row = row(store.insert("b", "k", "infected"));
        let key = quarantine_key(&row.object);
        store.overwrite("b", "k", "another");
        let moved = quarantine(&store, &TagKeys::default(), &row, "q", &key).await;
        assert_eq!(moved.expect("looked"), ActionOutcome::Gone);
        assert_eq!((store.exists("q", &key), store.exists("q", &record_key(&key))), (false, false));
        assert_eq!(store.bytes("b", "k").expect("untouched"), "another");
    }
}
