//! Tag: the verdict's tags, merged into the object's own.

use jiff::Timestamp;
use lazaret_aws::{ObjectStore, StoreError};
use lazaret_model::tags::{Tag, TagKeys, merge_tags, tag_value, verdict_tags};
use lazaret_model::{ActionOutcome, ResultRow, Verdict};
use tracing::warn;

use crate::error::{ActError, is_gone, is_pinned};
use crate::retry;

/// Between two scans of one event, at most: its message is in one agent's hands, then in another's.
const REDELIVERED_SECONDS: i64 = 3600;
/// Results that nobody takes for a permission.
const WARNINGS: [&str; 3] = ["Infected", "Unscannable", "Error"];

/// Tags the version that the row is of.
pub async fn tag(store: &dyn ObjectStore, keys: &TagKeys, row: &ResultRow) -> Result<ActionOutcome, ActError> {
    merge(store, keys, row, &verdict_tags(keys, &row.verdict, row.scanned_at)).await
}

/// The same, with the reason for which the version stays where it is in place of any message of the verdict's.
pub async fn tag_held(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    why: &str,
) -> Result<ActionOutcome, ActError> {
    let mut tags = verdict_tags(keys, &row.verdict, row.scanned_at);
    tags.retain(|tag| tag.key != keys.message);
    tags.insert(1, Tag { key: keys.message.clone(), value: tag_value(why) });
    merge(store, keys, row, &tags).await
}

/// Takes a result off that no scan has said: the one that an object has which is not read (archived, above all) was written by
/// whoever uploaded it, or is of an earlier scan of what may be other bytes. In its place comes `Unscannable` with the row's reason.
///
/// An object without our result is left untouched, and so is one whose result warns already: it lets nobody in.
pub async fn replace_stale_result(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
) -> Result<ActionOutcome, ActError> {
    let Some(existing) = read(store, row).await? else { return Ok(ActionOutcome::Gone) };
    let result = existing.iter().find(|tag| tag.key == keys.result);
    if result.is_none_or(|tag| WARNINGS.contains(&tag.value.as_str())) {
        return Ok(ActionOutcome::Done);
    }
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: tag_value(value) };
    let ours = [
        tag(&keys.result, "Unscannable"),
        tag(&keys.message, row.verdict.reason().unwrap_or("not scanned")),
        tag(&keys.date, &row.scanned_at.to_string()),
    ];
    write(store, keys, row, &existing, &ours).await
}

async fn merge(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    ours: &[Tag],
) -> Result<ActionOutcome, ActError> {
    match read(store, row).await? {
        Some(existing) if found_infected(keys, &existing, row) => Err(ActError::FoundInfected),
        Some(existing) => write(store, keys, row, &existing, ours).await,
        None => Ok(ActionOutcome::Gone),
    }
}

/// Whether the row's Clean would stand in place of an Infected that a scan of the last hour has said, or a later one: of two agents
/// that are at one object with different definitions, the one with the older may be done last. Tags don't name definitions. What was said
/// before the object was stored was said of another one, whose tags were on their way when it was overwritten.
fn found_infected(keys: &TagKeys, existing: &[Tag], row: &ResultRow) -> bool {
    let value = |key: &str| existing.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
    let at = value(&keys.date).and_then(|date| date.parse::<Timestamp>().ok());
    let near = |at: Timestamp| {
        at.as_second() >= row.object.last_modified.as_second()
            && (at.as_second() - row.scanned_at.as_second()).abs() <= REDELIVERED_SECONDS
    };
    row.verdict == Verdict::Clean && value(&keys.result) == Some("Infected") && at.is_some_and(near)
}

/// The tags of the version; None if it is gone.
async fn read(store: &dyn ObjectStore, row: &ResultRow) -> Result<Option<Vec<Tag>>, ActError> {
    match retry::store(|| store.tags(&row.object)).await {
        Ok(existing) => Ok(Some(existing)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(ActError::ReadTags(error)),
    }
}

async fn write(
    store: &dyn ObjectStore,
    keys: &TagKeys,
    row: &ResultRow,
    existing: &[Tag],
    ours: &[Tag],
) -> Result<ActionOutcome, ActError> {
    let merged = merge_tags(keys, existing, ours).ok_or(ActError::NoRoomForTags)?;
    // an earlier delivery wrote them; on this very version only where a version id says so
    if merged == existing && is_pinned(&row.object) {
        return Ok(ActionOutcome::Done);
    }
    let mut put = retry::store(|| store.put_tags(&row.object, &merged)).await;
    if let Err(StoreError::Permanent(why)) = &put {
        // something in a name or a message that S3 does not take: the result must not be missing for that
        let plain: Vec<Tag> =
            ours.iter().filter(|tag| [&keys.result, &keys.date].contains(&&tag.key)).cloned().collect();
        let merged = merge_tags(keys, existing, &plain).ok_or(ActError::NoRoomForTags)?;
        warn!(
            object.bucket = %row.object.bucket, object.key = %row.object.key.escape_debug(), why = %why.escape_debug(),
            "Tags were refused; trying with the result alone"
        );
        put = retry::store(|| store.put_tags(&row.object, &merged)).await;
    }
    match put {
        Ok(()) => Ok(ActionOutcome::Done),
        Err(error) if is_gone(&error) => Ok(ActionOutcome::Gone),
        Err(error) => Err(ActError::WriteTags(error)),
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{FailingStore, FakeObject, FakeStore};
    use lazaret_model::verdict::SkippedReason;
    use lazaret_model::{Evidence, Finding};

    use super::*;

    fn row(store: &FakeStore, verdict: Verdict) -> ResultRow {
        ResultRow {
            object: store.pinned_ref("b", "k"),
            verdict,
            action: None,
            scanned_at: "2026-11-22T10:00:00Z".parse().expect("a timestamp"),
            evidence: Evidence::default(),
        }
    }

    fn tags(store: &FakeStore) -> Vec<(String, String)> {
        store.tags_of("b", "k").into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn a_result_that_no_scan_has_said_is_replaced_on_what_is_not_read() {
        let archived = Verdict::Skipped { reason: SkippedReason::Archived };
        let date = ("date-scanned", "2026-11-22T10:00:00Z");
        let replaced = [("team", "a"), ("scan-result", "Unscannable"), ("message", "archived"), date];
        for versioned in [false, true] {
            for (result, after) in [
                (Some("Clean"), &replaced[..]),
                (Some("clean"), &replaced),
                (Some("InfectedAllowed"), &replaced),
                (Some("Infected"), &[("team", "a"), ("scan-result", "Infected")]),
                (Some("Unscannable"), &[("team", "a"), ("scan-result", "Unscannable")]),
                (None, &[("team", "a")]),
            ] {
                let store = FakeStore::new();
                store.create_bucket("b", versioned);
                let object = FakeObject::new("x").class("GLACIER").tag("team", "a");
                store.insert_object(
                    "b",
                    "k",
                    match result {
                        Some(result) => object.tag("scan-result", result),
                        None => object,
                    },
                );
                let row = row(&store, archived.clone());
                for _ in 0..2 {
                    let done = replace_stale_result(&store, &TagKeys::default(), &row).await.expect("done");
                    assert_eq!((done, tags(&store)), (ActionOutcome::Done, pairs(after)), "{result:?}");
                }
                assert_eq!(store.calls("put_tags"), u64::from(after.len() == 4), "no more than needed");
                store.remove("b", "k");
            }
        }
        let store = FakeStore::new().with_bucket("b");
        store.insert_object("b", "k", FakeObject::new("x").class("GLACIER").tag("scan-result", "Clean"));
        let row = row(&store, archived);
        store.overwrite("b", "k", "other");
        let done = replace_stale_result(&store, &TagKeys::default(), &row).await.expect("done");
        assert_eq!((done, tags(&store)), (ActionOutcome::Done, Vec::new()), "another object has none");
    }

    #[tokio::test]
    async fn an_infected_of_before_the_object_was_stored_is_another_objects() {
        for (stored, stays) in [("2026-11-22T09:30:00.9Z", true), ("2026-11-22T09:30:01Z", false)] {
            let store = FakeStore::new();
            store.create_bucket("b", false);
            let stored = stored.parse().expect("a timestamp");
            let object = FakeObject::new("x").modified(stored).tag("scan-result", "Infected");
            store.insert_object("b", "k", object.tag("date-scanned", "2026-11-22T09:30:00Z"));
            let tagged = tag(&store, &TagKeys::default(), &row(&store, Verdict::Clean)).await;
            assert_eq!((tags(&store)[0].1 == "Infected", tagged.is_err()), (stays, stays), "{stored}");
        }
    }

    #[tokio::test]
    async fn a_clean_verdict_does_not_replace_an_infected_one_of_the_same_hour() {
        let finding = Finding { member: String::new(), threat: "t".into(), engine: "clamav".into() };
        let allowed = Verdict::InfectedAllowed { findings: vec![finding] };
        for (result, date, verdict, stays) in [
            ("Infected", "2026-11-22T09:30:00Z", Verdict::Clean, true),
            ("Infected", "2026-11-22T10:00:05Z", Verdict::Clean, true),
            ("Infected", "2026-11-22T08:59:59Z", Verdict::Clean, false),
            ("Infected", "2099-01-01T00:00:00Z", Verdict::Clean, false),
            ("Infected", "not a date", Verdict::Clean, false),
            ("Infected", "2026-11-22T09:30:00Z", allowed, false),
            ("Error", "2026-11-22T09:30:00Z", Verdict::Clean, false),
        ] {
            for versioned in [false, true] {
                let store = FakeStore::new();
                store.create_bucket("b", versioned);
                let object = FakeObject::new("x").tag("scan-result", result).tag("date-scanned", date);
                store.insert_object("b", "k", object);
                let row = row(&store, verdict.clone());
                let tagged = tag(&store, &TagKeys::default(), &row).await;
                let after = &tags(&store)[0].1;
                if stays {
                    assert!(matches!(&tagged, Err(ActError::FoundInfected)), "{date}: {tagged:?}");
                    assert_eq!((after.as_str(), ActError::FoundInfected.retryable()), ("Infected", false));
                } else {
                    assert_eq!(
                        (tagged.expect("tagged"), after.as_str()),
                        (ActionOutcome::Done, verdict.name()),
                        "{date}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn tags_that_s3_refuses_leave_the_result_and_the_date() {
        let store = FakeStore::new().with_versioned_bucket("b");
        store.insert_object("b", "k", FakeObject::new("x").tag("team", "a"));
        let finding = Finding { member: String::new(), threat: "Odd.Name".into(), engine: "clamav".into() };
        let row = row(&store, Verdict::Infected { findings: vec![finding] });
        let failing = FailingStore::new(store.clone());
        failing.faults.fail("put_tags", 1, StoreError::Permanent("InvalidTag: the value is invalid".into()));
        let done = tag(&failing, &TagKeys::default(), &row).await.expect("tagged");
        assert_eq!(done, ActionOutcome::Done);
        let date = ("date-scanned", "2026-11-22T10:00:00Z");
        assert_eq!(tags(&store), pairs(&[("team", "a"), ("scan-result", "Infected"), date]));
        for call in [3, 4] {
            failing.faults.fail("put_tags", call, StoreError::Permanent("InvalidTag".into()));
        }
        store.overwrite("b", "k", "other");
        let row = ResultRow { object: store.pinned_ref("b", "k"), ..row };
        tag(&failing, &TagKeys::default(), &row).await.expect_err("twice is enough");
        assert_eq!(tags(&store), Vec::new());
    }
}
