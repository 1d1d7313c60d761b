//! What S3 tells of new objects: the bodies of the event queue's messages, and the objects that they name.
//!
//! Three forms reach the queue: S3's own notification, the same within an SNS envelope, and EventBridge's `Object Created`.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::object::{ETag, ObjectRef, StorageClass};

/// How the names of events begin that tell of new content. `s3:` is in front of them in configurations only.
const CREATED: &str = "ObjectCreated:";
/// Archived content that can be read again. Its tags were put there by whoever stored it.
const RESTORED: &str = "ObjectRestore:Completed";
/// What S3 sends once when notifications are switched on.
const TEST_EVENT: &str = "s3:TestEvent";

/// Why a body is no event. Such a message belongs to the dead letters: a person must look.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("not JSON of an event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("neither records of S3, nor an envelope of SNS, nor an event of EventBridge")]
    Unknown,
    #[error("a record without a readable {0}")]
    Missing(&'static str),
}

/// A body that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBody {
    /// S3 checks that it can send here.
    Test,
    Records(Vec<EventRecord>),
}

/// One record of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventRecord {
    Created(Box<CreatedObject>),
    /// Of another kind (a removal, a tag), by its name: nothing to scan.
    Other(String),
    /// Why. Others of the same body may be what they should be.
    Unreadable(String),
}

/// A version of an object that was just stored, or restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedObject {
    /// `last_modified` is the event's time, and the storage class is unknown: a fetch tells.
    pub object: ObjectRef,
    pub sequencer: Option<Sequencer>,
    /// Who stored it, as S3 says: `AWS:<id of a role>:<session>`.
    pub principal: Option<String>,
}

/// Orders the events of one key of a bucket, and of nothing else: of two, the larger is the later.
#[derive(Debug, Clone)]
pub struct Sequencer(String);

impl Sequencer {
    pub fn new(hex: impl Into<String>) -> Self {
        Self(hex.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sequencer {}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sequencer {
    /// As S3's user guide says: the shorter one padded with zeros on the right, then in the order of the text.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let width = self.0.len().max(other.0.len());
        let padded = |one: &Self| format!("{:0<width$}", one.0.to_ascii_uppercase());
        padded(self).cmp(&padded(other))
    }
}

/// Reads the body of a message.
///
/// # Errors
/// If it is none of the three forms.
pub fn read_event(body: &str) -> Result<EventBody, EventError> {
    let outer: Outer = serde_json::from_str(body)?;
    match outer {
        Outer { records: Some(records), .. } => {
            let unreadable = |error: EventError| EventRecord::Unreadable(error.to_string());
            let read = |record| serde_json::from_value(record).map_err(EventError::Json).and_then(read_record);
            Ok(EventBody::Records(records.into_iter().map(|record| read(record).unwrap_or_else(unreadable)).collect()))
        }
        Outer { event: Some(event), .. } if event == TEST_EVENT => Ok(EventBody::Test),
        // SNS signs its envelopes over HTTP; here the queue's policy says who may send. One level: no envelope holds another
        Outer { message: Some(message), .. } => match serde_json::from_str::<Outer>(&message)? {
            Outer { message: Some(_), records: None, event: None, .. } => Err(EventError::Unknown),
            _ => read_event(&message),
        },
        Outer { source: Some(source), detail_type: Some(kind), detail: Some(detail), time, .. }
            if source == "aws.s3" =>
        {
            if kind != "Object Created" && kind != "Object Restore Completed" {
                return Ok(EventBody::Records(vec![EventRecord::Other(kind)]));
            }
            let at = time.ok_or(EventError::Missing("time"))?;
            Ok(EventBody::Records(vec![EventRecord::Created(Box::new(read_detail(detail, at)?))]))
        }
        _ => Err(EventError::Unknown),
    }
}

/// Whatever may stand at the top of a body.
#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "Records")]
    records: Option<Vec<serde_json::Value>>,
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<Detail>,
    time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: Option<String>,
    event_time: Option<Timestamp>,
    user_identity: Option<UserIdentity>,
    s3: Option<S3Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    principal_id: Option<String>,
}

#[derive(Deserialize)]
struct S3Part {
    bucket: Option<NamedBucket>,
    object: Option<RecordObject>,
}

#[derive(Deserialize)]
struct NamedBucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordObject {
    key: Option<String>,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// `detail` of EventBridge's event.
#[derive(Deserialize)]
struct Detail {
    bucket: Option<NamedBucket>,
    object: Option<DetailObject>,
    requester: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DetailObject {
    key: Option<String>,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

fn read_record(record: Record) -> Result<EventRecord, EventError> {
    let name = record.event_name.ok_or(EventError::Missing("eventName"))?;
    let kind = name.strip_prefix("s3:").unwrap_or(&name);
    if !kind.starts_with(CREATED) && kind != RESTORED {
        return Ok(EventRecord::Other(name));
    }
    let s3 = record.s3.ok_or(EventError::Missing("s3"))?;
    let found = s3.object.ok_or(EventError::Missing("s3.object"))?;
    let key = decode_key(&found.key.ok_or(EventError::Missing("key"))?).ok_or(EventError::Missing("key"))?;
    let object = ObjectRef {
        bucket: s3.bucket.ok_or(EventError::Missing("s3.bucket"))?.name,
        key,
        version_id: found.version_id.filter(|id| !id.is_empty()),
        etag: found.e_tag.map(ETag::from).ok_or(EventError::Missing("eTag"))?,
        size: found.size.unwrap_or(0), // S3 leaves it out where it is zero
        last_modified: record.event_time.ok_or(EventError::Missing("eventTime"))?,
        storage_class: StorageClass::standard(),
    };
    let principal = record.user_identity.and_then(|identity| identity.principal_id);
    Ok(EventRecord::Created(Box::new(CreatedObject { object, sequencer: found.sequencer.map(Sequencer), principal })))
}

fn read_detail(detail: Detail, at: Timestamp) -> Result<CreatedObject, EventError> {
    let found = detail.object.ok_or(EventError::Missing("detail.object"))?;
    let object = ObjectRef {
        bucket: detail.bucket.ok_or(EventError::Missing("detail.bucket"))?.name,
        key: found.key.ok_or(EventError::Missing("key"))?, // as it is: EventBridge's are not encoded
        version_id: found.version_id.filter(|id| !id.is_empty()),
        etag: found.etag.map(ETag::from).ok_or(EventError::Missing("etag"))?,
        size: found.size.unwrap_or(0),
        last_modified: at,
        storage_class: StorageClass::standard(),
    };
    // an account's number, not a role's id: own writes are not told apart here
    Ok(CreatedObject { object, sequencer: found.sequencer.map(Sequencer), principal: detail.requester })
}

/// A key of a record: encoded as a form is, so that `+` is a space. None if it is not UTF-8.
fn decode_key(encoded: &str) -> Option<String> {
    percent_decode_str(&encoded.replace('+', " ")).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(key: &str) -> serde_json::Value {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-11-22T10:00:00.123Z", "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AROAEXAMPLE:session"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "lazaret",
                "bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"},
                "object": {"key": key, "size": 3, "eTag": "abc", "versionId": "v1", "sequencer": "0055AED6DCD90281E5"},
            },
        })
    }

    fn created(body: &serde_json::Value) -> Vec<CreatedObject> {
        let EventBody::Records(records) = read_event(&body.to_string()).expect("an event") else {
            panic!("no records")
        };
        let only = |record| match record {
            EventRecord::Created(object) => Some(*object),
            EventRecord::Other(_) | EventRecord::Unreadable(_) => None,
        };
        records.into_iter().filter_map(only).collect()
    }

    #[test]
    fn every_record_of_a_message_is_read_and_its_key_decoded() {
        let body = json!({"Records": [record("a+b%2Bc%2520d/%C3%BC.txt"), record("folder/"), record("plain")]});
        let found = created(&body);
        assert_eq!(
            found.iter().map(|found| found.object.key.as_str()).collect::<Vec<_>>(),
            ["a b+c%20d/ü.txt", "folder/", "plain"]
        );
        let first = &found[0];
        assert_eq!((first.object.bucket.as_str(), first.object.size), ("uploads", 3));
        assert_eq!(first.object.version_id.as_deref(), Some("v1"));
        assert_eq!(first.principal.as_deref(), Some("AWS:AROAEXAMPLE:session"));
    }

    #[test]
    fn an_envelope_of_sns_holds_the_same() {
        let inner = json!({"Records": [record("k")]});
        let body = json!({"Type": "Notification", "MessageId": "1", "Message": inner.to_string()});
        assert_eq!(created(&body), created(&inner));
        let twice = json!({"Message": body.to_string()});
        assert!(matches!(read_event(&twice.to_string()), Err(EventError::Unknown)));
    }

    #[test]
    fn eventbridges_keys_are_not_encoded() {
        let body = json!({
            "version": "0", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-22T10:00:00Z",
            "detail": {"version": "0", "bucket": {"name": "uploads"}, "requester": "123456789012", "reason": "PutObject",
                "object": {"key": "a+b%20c", "size": 0, "etag": "abc", "version-id": "v", "sequencer": "00"}},
        });
        assert_eq!(created(&body)[0].object.key, "a+b%20c");
    }

    #[test]
    fn other_events_are_named_and_the_test_event_is_known() {
        let mut removal = record("k");
        removal["eventName"] = json!("ObjectRemoved:Delete");
        let body = json!({"Records": [removal, record("k")]});
        let EventBody::Records(records) = read_event(&body.to_string()).expect("an event") else { panic!("records") };
        assert_eq!(records[0], EventRecord::Other("ObjectRemoved:Delete".into()));
        assert!(matches!(records[1], EventRecord::Created(_)));
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"});
        assert_eq!(read_event(&test.to_string()).expect("a test"), EventBody::Test);
    }

    #[test]
    fn what_is_no_event_is_an_error_and_a_record_that_names_no_object_is_one_for_itself() {
        let mut nameless = record("k");
        nameless["s3"]["object"]["key"] = json!("%FF");
        let mut etagless = record("k");
        etagless["s3"]["object"]["eTag"] = json!(null);
        for body in [
            json!({}).to_string(),
            json!({"source": "aws.ec2", "detail-type": "x", "detail": {}}).to_string(),
            json!({"Records": "none"}).to_string(),
            "not json".to_owned(),
        ] {
            assert!(read_event(&body).is_err(), "{body}");
        }
        let mut sizeless = record("k");
        sizeless["s3"]["object"]["size"] = json!("many");
        for bad in [nameless, etagless, sizeless, json!(7), json!({})] {
            let body = json!({"Records": [record("before"), bad, record("after")]});
            let EventBody::Records(records) = read_event(&body.to_string()).expect("an event") else { panic!("none") };
            assert!(matches!(records[1], EventRecord::Unreadable(_)), "{records:?}");
            assert_eq!(created(&body).len(), 2, "those beside it are read");
        }
    }

    #[test]
    fn what_was_restored_is_read_like_what_was_stored() {
        for name in ["ObjectRestore:Completed", "s3:ObjectRestore:Completed"] {
            let mut restored = record("k");
            restored["eventName"] = json!(name);
            restored["glacierEventData"] = json!({"restoreEventData": {"lifecycleRestoreStorageClass": "GLACIER"}});
            assert_eq!(created(&json!({"Records": [restored]})), created(&json!({"Records": [record("k")]})));
        }
        let mut asked = record("k");
        asked["eventName"] = json!("ObjectRestore:Post");
        assert!(created(&json!({"Records": [asked]})).is_empty(), "nothing can be read yet");
        let body = json!({
            "source": "aws.s3", "detail-type": "Object Restore Completed", "time": "2026-11-22T10:00:00Z",
            "detail": {"bucket": {"name": "uploads"}, "requester": "s3.amazonaws.com", "source-storage-class": "GLACIER",
                "object": {"key": "k", "size": 1, "etag": "abc", "version-id": "v"}},
        });
        assert_eq!(created(&body)[0].object.version_id.as_deref(), Some("v"));
    }

    #[test]
    fn sequencers_compare_as_s3_says_whatever_their_length() {
        let [one, padded, later] = ["0055AE", "0055ae00", "0055AE01"].map(Sequencer::new);
        assert_eq!(one, padded);
        assert!(one < later && padded < later && Sequencer::new("0055AF") > later);
    }
}
