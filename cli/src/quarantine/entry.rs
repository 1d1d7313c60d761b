//! One copy in quarantine.

use anyhow::Context;
use jiff::Timestamp;
use lazaret_aws::ObjectStore;
use lazaret_aws::objects::ObjectHead;
use lazaret_model::quarantine::record_key;
use lazaret_model::{
    ETag, Evidence, Finding, ObjectHeaders, ObjectRef, QuarantineRecord, ResultRow, StorageClass, Verdict,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::escape;

/// Hex digits at the end of a copy's key.
pub const ID_DIGITS: usize = 32;
/// How the metadata begin that a move adds.
const OURS: &str = "lazaret-";

/// A copy, and what is known of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The 32 hex digits at the end of its key.
    pub id: String,
    /// In the quarantine bucket.
    pub key: String,
    pub record: QuarantineRecord,
    /// The record is there; else what is known is what the copy says of itself, and may be cut.
    pub has_record: bool,
}

impl Entry {
    /// Where it was: `s3://bucket/key`, safe on a terminal.
    pub fn place(&self) -> String {
        let object = &self.record.row.object;
        format!("s3://{}/{}", object.bucket, escape::line(&object.key))
    }

    /// What was found, the first of it.
    pub fn threat(&self) -> String {
        let findings = self.record.row.verdict.findings();
        let first = findings.first().map_or("?", |finding| finding.threat.as_str());
        let more = findings.len().saturating_sub(1);
        let first = escape::line(first);
        if more > 0 { format!("{first} +{more}") } else { first.into_owned() }
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let QuarantineRecord { row, quarantined_at, .. } = &self.record;
        json!({
            "id": self.id, "quarantineKey": self.key, "bucket": row.object.bucket, "key": row.object.key,
            "versionId": row.object.version_id, "size": row.object.size, "result": row.verdict.name(),
            "findings": row.verdict.findings(), "sha256": row.evidence.sha256, "scannedAt": row.scanned_at,
            "definitions": row.evidence.definitions, "quarantinedAt": quarantined_at, "record": self.has_record,
        })
    }
}

/// The id in a copy's key, if it is one.
pub fn id_of(key: &str) -> Option<&str> {
    let (_, id) = key.rsplit_once('/')?;
    (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Reads what is known of the copy that was listed as `listed`.
///
/// # Errors
/// If neither record nor copy can be read.
pub async fn read(store: &dyn ObjectStore, bucket: &str, listed: &ObjectRef, id: &str) -> anyhow::Result<Entry> {
    let key = listed.key.clone();
    let stored = store.get(bucket, &record_key(&key)).await.context("reading a record in quarantine")?;
    let record = stored.and_then(|stored| serde_json::from_slice::<QuarantineRecord>(&stored.bytes).ok());
    if let Some(record) = record {
        return Ok(Entry { id: id.to_owned(), key, record, has_record: true });
    }
    let head = store.head(bucket, &key, None).await.context("looking at a copy in quarantine")?;
    let tags = store.tags_at(bucket, &key).await.context("reading the tags of a copy in quarantine")?;
    let headers = head.map(|head| head.headers).unwrap_or_default();
    let record = from_copy(listed, &headers, tags.unwrap_or_default());
    Ok(Entry { id: id.to_owned(), key, record, has_record: false })
}

/// What a copy says of itself: most of its record, as far as 2 KB go.
fn from_copy(listed: &ObjectRef, headers: &ObjectHeaders, tags: Vec<lazaret_model::tags::Tag>) -> QuarantineRecord {
    let said = |name: &str| headers.metadata.get(&format!("{OURS}{name}")).map(String::as_str);
    let decoded = |name: &str| said(name).map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
    let moment = |name: &str| said(name).and_then(|text| text.parse::<Timestamp>().ok());
    // the key of a copy begins with the bucket, and has the object's key as far as there was room
    let (bucket, rest) = listed.key.split_once('/').unwrap_or((&listed.key, ""));
    let key = rest.rsplit_once('/').map_or("", |(key, _)| key);
    let version = decoded("version").unwrap_or_default();
    let (etag, version_id) = match version.strip_prefix("etag:") {
        Some(etag) => (ETag::from(etag), None),
        None => (listed.etag.clone(), Some(version).filter(|version| !version.is_empty())),
    };
    let threat = decoded("threat");
    let finding = |threat| Finding { member: String::new(), threat, engine: String::new() };
    let owned = headers.metadata.iter().filter(|(name, _)| !name.starts_with(OURS));
    let ours = ["scan-result", "date-scanned", "virus-name", "message"];
    QuarantineRecord {
        row: ResultRow {
            object: ObjectRef {
                bucket: said("bucket").unwrap_or(bucket).to_owned(),
                key: decoded("key").unwrap_or_else(|| key.to_owned()),
                version_id,
                etag,
                size: listed.size,
                last_modified: listed.last_modified,
                storage_class: StorageClass::standard(),
            },
            verdict: Verdict::Infected { findings: threat.map(finding).into_iter().collect() },
            action: None,
            scanned_at: moment("scanned-at").unwrap_or(listed.last_modified),
            evidence: Evidence { sha256: said("sha256").map(str::to_owned), ..Evidence::default() },
        },
        quarantined_at: listed.last_modified,
        headers: ObjectHeaders {
            metadata: owned.map(|(name, value)| (name.clone(), value.clone())).collect(),
            ..headers.clone()
        },
        tags: tags.into_iter().filter(|tag| !ours.contains(&tag.key.as_str())).collect(),
    }
}

/// The copy itself, pinned to its version.
///
/// # Errors
/// If it is gone, or can't be looked at.
pub async fn head(store: &dyn ObjectStore, bucket: &str, key: &str) -> anyhow::Result<ObjectHead> {
    let head = store.head(bucket, key, None).await.context("looking at the copy in quarantine")?;
    head.with_context(|| format!("the copy `{}` is no longer in quarantine", escape::line(key)))
}
