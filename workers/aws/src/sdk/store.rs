//! S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat as Format};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, Delete, EncodingType, MetadataDirective, Object, ObjectIdentifier,
    ObjectStorageClass, OptionalObjectAttributes, StorageClass as S3StorageClass, Tag as S3Tag, Tagging,
    TaggingDirective,
};
use bytes::Bytes;
use jiff::Timestamp;
use lazaret_model::headers::ObjectHeaders;
use lazaret_model::object::{ETag, ObjectRef, StorageClass};
use lazaret_model::tags::Tag;

use super::encoding::{copy_source, listed_key, tagging};
use super::fault::{chain, store_error};
use super::parts::{COPY_PART_BYTES, copy_in_parts};
use crate::null_version::{NULL_VERSION, NullSteps, delete_null, is_pinned};
use crate::objects::{
    COPY_BYTES_MAX, Copied, CopyTarget, Fetched, ListPage, ObjectBody, ObjectHead, ObjectStore, PutCondition,
    StoreError, Stored, Versioning,
};
use crate::tagging::{TagSteps, put_unpinned, same_object};

/// S3 answers a CopyObject when it is done: 5 GB take about a minute, more where keys are involved.
const COPY_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// S3 through the SDK. A key of nothing but white space, which S3 allows, is `Permanent` wherever it is named, but where its
/// tags are read: the SDK takes it for a missing one. Such an object is listed, and its row can only be an error.
#[derive(Debug, Clone)]
pub struct S3Store {
    pub(super) s3: Client,
    copy_bytes_max: u64,
    pub(super) copy_part_bytes: u64,
}

impl S3Store {
    pub(super) fn new(s3: Client) -> Self {
        Self { s3, copy_bytes_max: COPY_BYTES_MAX, copy_part_bytes: COPY_PART_BYTES }
    }

    /// Copies what is larger than `bytes_max` in parts of `part_bytes`, for tests: S3 takes no parts below 5 MiB but the last.
    #[must_use]
    pub fn copying_in_parts(self, bytes_max: u64, part_bytes: u64) -> Self {
        Self { copy_bytes_max: bytes_max, copy_part_bytes: part_bytes, ..self }
    }
}

#[async_trait]
impl TagSteps for S3Store {
    async fn check(&self, object: &ObjectRef) -> Result<(), StoreError> {
        let head = self.s3.head_object().bucket(&object.bucket).key(&object.key);
        let head = head.set_version_id(object.version_id.clone()).if_match(object.etag.quoted());
        let found = head.send().await.map_err(|error| store_error(error, &object.bucket))?;
        let size = found.content_length().and_then(|size| u64::try_from(size).ok());
        same_object(object, size, found.last_modified().and_then(timestamp))
    }

    async fn read(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError> {
        let get = self.s3.get_object_tagging().bucket(&object.bucket).key(&object.key);
        let found = get.set_version_id(object.version_id.clone()).send().await;
        Ok(our_tags(found.map_err(|error| store_error(error, &object.bucket))?.tag_set()))
    }

    async fn write(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
        let tagging = Tagging::builder().set_tag_set(Some(s3_tags(tags)?)).build();
        let tagging = tagging.map_err(|error| StoreError::Permanent(chain(&error)))?;
        let put = self.s3.put_object_tagging().bucket(&object.bucket).key(&object.key);
        let put = put.set_version_id(object.version_id.clone()).tagging(tagging);
        put.send().await.map(drop).map_err(|error| store_error(error, &object.bucket))
    }

    async fn clear(&self, object: &ObjectRef) -> Result<(), StoreError> {
        let delete = self.s3.delete_object_tagging().bucket(&object.bucket).key(&object.key);
        let delete = delete.set_version_id(object.version_id.clone());
        delete.send().await.map(drop).map_err(|error| store_error(error, &object.bucket))
    }
}

#[async_trait]
impl NullSteps for S3Store {
    async fn current(&self, object: &ObjectRef) -> Result<Option<ETag>, StoreError> {
        let head = self.s3.head_object().bucket(&object.bucket).key(&object.key).send().await;
        match head.map_err(|error| store_error(error, &object.bucket)) {
            Ok(found) => found.e_tag.map(ETag::from).ok_or_else(without_etag).map(Some),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete_null(&self, object: &ObjectRef, current: Option<&ETag>) -> Result<(), StoreError> {
        let delete = self.s3.delete_object().bucket(&object.bucket).key(&object.key).version_id(NULL_VERSION);
        let deleted = delete.set_if_match(current.map(ETag::quoted)).send().await;
        deleted.map(drop).map_err(|error| store_error(error, &object.bucket))
    }
}

/// The `If-Match` of an object that its version id does not pin.
pub(super) fn unpinned_etag(object: &ObjectRef) -> Option<String> {
    (!is_pinned(object)).then(|| object.etag.quoted())
}

/// `If-Match` and `If-None-Match` of what is written.
pub(super) fn target_condition(condition: PutCondition<'_>) -> (Option<String>, Option<String>) {
    match condition {
        PutCondition::Always => (None, None),
        PutCondition::Absent => (None, Some("*".to_owned())),
        PutCondition::Over(etag) => (Some(ETag::from(etag).quoted()), None),
    }
}

/// A copy has its source's storage class, which a listing or a HEAD told.
pub(super) fn kept_class(object: &ObjectRef) -> Option<S3StorageClass> {
    object.storage_class.of_copy().map(S3StorageClass::from)
}

/// Most owners write a date here; whatever else it is can't be sent by the SDK.
pub(super) fn http_date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, Format::HttpDate).ok()
}

/// Waits as long as a copy may take.
pub(super) fn patient() -> aws_sdk_s3::config::Builder {
    let patience = TimeoutConfig::builder().read_timeout(COPY_TIMEOUT).build();
    aws_sdk_s3::config::Builder::new().timeout_config(patience)
}

pub(super) fn without_etag() -> StoreError {
    StoreError::Permanent("an object without an ETag".into())
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn check_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        // a HEAD's errors have no body, and so no code to tell a bucket of another region from a missing one
        let list = self.s3.list_objects_v2().bucket(bucket).max_keys(1).send().await;
        match list.map_err(|error| store_error(error, bucket)) {
            Ok(_) => Ok(()),
            Err(StoreError::NotFound) => Err(StoreError::NoSuchBucket(bucket.to_owned())),
            Err(error) => Err(error),
        }
    }

    async fn versioning(&self, bucket: &str) -> Result<Versioning, StoreError> {
        let asked = self.s3.get_bucket_versioning().bucket(bucket).send().await;
        let asked = asked.map_err(|error| store_error(error, bucket))?;
        match asked.status {
            None => Ok(Versioning::Never),
            Some(BucketVersioningStatus::Enabled) => Ok(Versioning::Enabled),
            Some(BucketVersioningStatus::Suspended) => Ok(Versioning::Suspended),
            Some(other) => Err(StoreError::Permanent(format!("a bucket whose versions are `{}`", other.as_str()))),
        }
    }

    async fn list_page(&self, bucket: &str, prefix: &str, next: Option<&str>) -> Result<ListPage, StoreError> {
        // without the encoding a control character in a key makes the whole page unreadable XML
        let list = self.s3.list_objects_v2().bucket(bucket).encoding_type(EncodingType::Url);
        let list = list.optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
        let list = list.set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()));
        let list = list.set_continuation_token(next.map(str::to_owned));
        let page = list.send().await.map_err(|error| store_error(error, bucket))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let objects = page.contents().iter().map(|object| listed(bucket, object, encoded));
        let objects: Vec<ObjectRef> = objects.collect::<Result<_, _>>()?;
        let token = page.next_continuation_token().filter(|_| page.is_truncated() == Some(true));
        // an end that is none would lose objects, a page that names itself as the next would never end
        if page.is_truncated() == Some(true) && (token.is_none() || token == next) {
            return Err(StoreError::Permanent("a truncated listing without a way to go on".into()));
        }
        Ok(ListPage { next: token.map(str::to_owned), objects })
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Fetched, StoreError> {
        let get = self.s3.get_object().bucket(&object.bucket).key(&object.key);
        let get = get.set_version_id(object.version_id.clone()).set_if_match(unpinned_etag(object));
        let found = get.send().await.map_err(|error| store_error(error, &object.bucket))?;
        let size = found.content_length().and_then(|length| u64::try_from(length).ok());
        let size = size.ok_or_else(|| StoreError::Permanent("an object without a length".into()))?;
        let body = S3Body { stream: found.body, size, received: 0 };
        Ok(Fetched { version_id: found.version_id, size, body: Box::new(body) })
    }

    async fn tags(&self, object: &ObjectRef) -> Result<Vec<Tag>, StoreError> {
        self.read(object).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &[Tag]) -> Result<(), StoreError> {
        if is_pinned(object) { self.write(object, tags).await } else { put_unpinned(self, object, tags).await }
    }

    async fn copy(&self, object: &ObjectRef, to: CopyTarget<'_>) -> Result<Copied, StoreError> {
        if object.size > self.copy_bytes_max {
            return copy_in_parts(self, object, to).await;
        }
        let headers = to.headers.cloned();
        let replace = headers.is_some();
        let headers = headers.unwrap_or_default();
        let copy = self
            .s3
            .copy_object()
            .copy_source(copy_source(&object.bucket, &object.key, object.version_id.as_deref()))
            .set_copy_source_if_match(unpinned_etag(object))
            .bucket(to.bucket)
            .key(to.key)
            .metadata_directive(if replace { MetadataDirective::Replace } else { MetadataDirective::Copy })
            .set_content_type(headers.content_type)
            .set_content_encoding(headers.content_encoding)
            .set_content_disposition(headers.content_disposition)
            .set_content_language(headers.content_language)
            .set_cache_control(headers.cache_control)
            .set_expires(headers.expires.as_deref().and_then(http_date))
            .set_website_redirect_location(headers.website_redirect_location)
            .set_metadata(replace.then(|| headers.metadata.into_iter().collect()))
            .set_storage_class(kept_class(object))
            .tagging_directive(TaggingDirective::Replace)
            .set_tagging((!to.tags.is_empty()).then(|| tagging(to.tags)));
        let (if_match, if_none_match) = target_condition(to.condition);
        let copy = copy.set_if_match(if_match).set_if_none_match(if_none_match);
        let copied = copy.customize().config_override(patient()).send().await;
        // S3 does not say which bucket is missing; the source was just read, so it is the target
        let copied = copied.map_err(|error| store_error(error, to.bucket))?;
        let etag = copied.copy_object_result().and_then(|result| result.e_tag()).map(ETag::from);
        Ok(Copied { etag: etag.ok_or_else(without_etag)?, version_id: copied.version_id })
    }

    async fn head(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectHead>, StoreError> {
        let head = self.s3.head_object().bucket(bucket).key(key);
        let found = match head.set_version_id(version_id.map(str::to_owned)).send().await {
            Ok(found) => found,
            Err(error) => {
                return match store_error(error, bucket) {
                    StoreError::NotFound => Ok(None),
                    error => Err(error),
                };
            }
        };
        let missing = |what: &str| StoreError::Permanent(format!("an object without a readable {what}"));
        let object = ObjectRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: found.version_id,
            etag: found.e_tag.map(ETag::from).ok_or_else(without_etag)?,
            size: found.content_length.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| missing("size"))?,
            last_modified: found.last_modified.as_ref().and_then(timestamp).ok_or_else(|| missing("date"))?,
            storage_class: storage_class(
                found.storage_class.as_ref().map(S3StorageClass::as_str),
                is_restored(found.restore),
            ),
        };
        let headers = ObjectHeaders {
            content_type: found.content_type,
            content_encoding: found.content_encoding,
            content_disposition: found.content_disposition,
            content_language: found.content_language,
            cache_control: found.cache_control,
            expires: found.expires_string,
            website_redirect_location: found.website_redirect_location,
            metadata: found.metadata.unwrap_or_default().into_iter().collect(),
        };
        Ok(Some(ObjectHead { object, headers }))
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), StoreError> {
        let delete = self.s3.delete_object().bucket(&object.bucket).key(&object.key);
        let delete = match object.version_id.as_deref() {
            Some(NULL_VERSION) => return delete_null(self, object).await,
            Some(version) => delete.version_id(version),
            None => delete.if_match(object.etag.quoted()),
        };
        delete.send().await.map(drop).map_err(|error| store_error(error, &object.bucket))
    }

    async fn tags_at(&self, bucket: &str, key: &str) -> Result<Option<Vec<Tag>>, StoreError> {
        let found = self.s3.get_object_tagging().bucket(bucket).key(key).send().await;
        match found.map_err(|error| store_error(error, bucket)) {
            Ok(found) => Ok(Some(our_tags(found.tag_set()))),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Stored>, StoreError> {
        let found = match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(found) => found,
            Err(error) => {
                return match store_error(error, bucket) {
                    StoreError::NotFound => Ok(None),
                    error => Err(error),
                };
            }
        };
        let etag = found.e_tag.ok_or_else(without_etag)?;
        let body = found.body.collect().await.map_err(|error| StoreError::Transient(chain(&error)))?;
        Ok(Some(Stored { bytes: body.into_bytes(), etag }))
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        condition: PutCondition<'_>,
    ) -> Result<String, StoreError> {
        let put = self.s3.put_object().bucket(bucket).key(key).content_type(content_type);
        let (if_match, if_none_match) = target_condition(condition);
        // a bucket with Object Lock takes no PUT without one
        let put =
            put.set_if_match(if_match).set_if_none_match(if_none_match).checksum_algorithm(ChecksumAlgorithm::Crc32);
        match put.body(ByteStream::from(bytes)).send().await {
            Ok(written) => written.e_tag.ok_or_else(|| StoreError::Permanent("a PUT without an ETag".into())),
            Err(error) => Err(match store_error(error, bucket) {
                // what was to be written over is not there
                StoreError::NotFound if condition != PutCondition::Always => StoreError::PreconditionFailed,
                error => error,
            }),
        }
    }

    async fn delete_keys(&self, bucket: &str, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let doomed = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let doomed: Vec<_> = doomed.collect::<Result<_, _>>().map_err(|error| StoreError::Permanent(chain(&error)))?;
        let delete = Delete::builder().set_objects(Some(doomed)).quiet(true).build();
        let delete = delete.map_err(|error| StoreError::Permanent(chain(&error)))?;
        let deleted = self.s3.delete_objects().bucket(bucket).delete(delete).send().await;
        let deleted = deleted.map_err(|error| store_error(error, bucket))?;
        match deleted.errors().iter().find(|error| error.code() != Some("NoSuchKey")) {
            None => Ok(()),
            Some(error) => {
                let text = format!("{}: {}", error.code().unwrap_or_default(), error.message().unwrap_or_default());
                Err(match error.code() {
                    Some("AccessDenied") => StoreError::AccessDenied(text),
                    Some("InternalError" | "SlowDown" | "ServiceUnavailable") => StoreError::Transient(text),
                    _ => StoreError::Permanent(text),
                })
            }
        }
    }
}

/// A line of a listing. What is missing in it is an error: an object left out would be an object lost.
fn listed(bucket: &str, object: &Object, encoded: bool) -> Result<ObjectRef, StoreError> {
    let missing = |what: &str| StoreError::Permanent(format!("a listed object without a readable {what}"));
    let key = object.key().ok_or_else(|| missing("key"))?;
    let key = if encoded { listed_key(key) } else { Some(key.to_owned()) };
    Ok(ObjectRef {
        bucket: bucket.to_owned(),
        key: key.ok_or_else(|| missing("key"))?,
        version_id: None,
        etag: object.e_tag().map(ETag::from).ok_or_else(|| missing("ETag"))?,
        size: object.size().and_then(|size| u64::try_from(size).ok()).ok_or_else(|| missing("size"))?,
        last_modified: object.last_modified().and_then(timestamp).ok_or_else(|| missing("date"))?,
        storage_class: storage_class(
            object.storage_class().map(ObjectStorageClass::as_str),
            // while a restoration is under way there is no date until which it lasts
            object.restore_status().is_some_and(|status| status.restore_expiry_date().is_some()),
        ),
    })
}

fn storage_class(name: Option<&str>, restored: bool) -> StorageClass {
    name.map_or_else(StorageClass::standard, |name| StorageClass::named(name, restored))
}

/// What `x-amz-restore` says: `ongoing-request="false", expiry-date="…"` once a copy can be read.
fn is_restored(header: Option<String>) -> bool {
    header.is_some_and(|header| header.contains("ongoing-request=\"false\""))
}

pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

pub(super) fn our_tags(tags: &[S3Tag]) -> Vec<Tag> {
    tags.iter().map(|tag| Tag { key: tag.key().to_owned(), value: tag.value().to_owned() }).collect()
}

fn s3_tags(tags: &[Tag]) -> Result<Vec<S3Tag>, StoreError> {
    let tags = tags.iter().map(|tag| S3Tag::builder().key(&tag.key).value(&tag.value).build());
    tags.collect::<Result<_, _>>().map_err(|error| StoreError::Permanent(chain(&error)))
}

/// The body of a GET, counted.
struct S3Body {
    stream: ByteStream,
    size: u64,
    received: u64,
}

#[async_trait]
impl ObjectBody for S3Body {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.stream.next().await {
            Some(Ok(bytes)) => {
                self.received += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Err(error)) => Err(StoreError::Transient(chain(&error))),
            None if self.received == self.size => Ok(None),
            None => Err(StoreError::Transient(format!("the body ended at {} of {} bytes", self.received, self.size))),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::RestoreStatus;

    use super::*;

    fn class(status: Option<RestoreStatus>) -> StorageClass {
        let object = Object::builder()
            .key("k")
            .e_tag("\"e\"")
            .size(1)
            .last_modified(DateTime::from_secs(0))
            .storage_class(ObjectStorageClass::Glacier)
            .set_restore_status(status)
            .build();
        listed("bucket", &object, false).expect("an object").storage_class
    }

    #[test]
    fn a_listing_tells_archived_objects_from_those_whose_restored_copy_can_be_read() {
        let under_way = RestoreStatus::builder().is_restore_in_progress(true).build();
        let until = DateTime::from_secs(1_800_000_000);
        let restored = RestoreStatus::builder().is_restore_in_progress(false).restore_expiry_date(until).build();
        assert!(class(None).is_archived() && class(Some(under_way)).is_archived());
        assert_eq!(class(Some(restored)).0, "GLACIER (restored)");
    }

    #[test]
    fn a_head_tells_them_too() {
        let restored = |header: &str| is_restored(Some(header.to_owned()));
        assert!(restored("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\""));
        assert!(!restored("ongoing-request=\"true\"") && !is_restored(None));
    }
}
