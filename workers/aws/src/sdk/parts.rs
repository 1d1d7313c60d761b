//! Copies of what CopyObject does not take: in parts, each pinned as the whole is.

use std::ops::RangeInclusive;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, TryStreamExt};
use lazaret_model::object::{ETag, ObjectRef};

use super::encoding::{copy_source, tagging};
use super::fault::{Fault, store_error};
use super::store::{S3Store, http_date, kept_class, patient, target_condition, unpinned_etag, without_etag};
use crate::objects::{Copied, CopyTarget, ObjectStore, StoreError};

/// Bytes of a part: S3 copies one in a few seconds, and 10,000 of them are beyond its largest object (50 TB) after growing.
pub(super) const COPY_PART_BYTES: u64 = 512 * 1024 * 1024;
/// Parts of one upload (S3 API reference).
const PARTS_MAX: u64 = 10_000;
/// Parts that are copied at once: they are S3's work, not ours.
const PARTS_AT_ONCE: usize = 8;

/// Copies `object`, whose bytes never come here. What was begun and not finished is aborted.
pub(super) async fn copy_in_parts(
    store: &S3Store,
    object: &ObjectRef,
    to: CopyTarget<'_>,
) -> Result<Copied, StoreError> {
    let headers = match to.headers {
        Some(headers) => headers.clone(),
        // an upload begins with nothing: the source's own are read, of the version that is pinned
        None => {
            let head = store.head(&object.bucket, &object.key, object.version_id.as_deref()).await?;
            let head = head.ok_or(StoreError::NotFound)?;
            if head.object.etag != object.etag {
                return Err(StoreError::PreconditionFailed);
            }
            head.headers
        }
    };
    let begin = store
        .s3
        .create_multipart_upload()
        .bucket(to.bucket)
        .key(to.key)
        .set_content_type(headers.content_type)
        .set_content_encoding(headers.content_encoding)
        .set_content_disposition(headers.content_disposition)
        .set_content_language(headers.content_language)
        .set_cache_control(headers.cache_control)
        .set_expires(headers.expires.as_deref().and_then(http_date))
        .set_website_redirect_location(headers.website_redirect_location)
        .set_metadata(Some(headers.metadata.into_iter().collect()))
        .set_storage_class(kept_class(object))
        .set_tagging((!to.tags.is_empty()).then(|| tagging(to.tags)));
    let begun = begin.send().await.map_err(|error| store_error(error, to.bucket))?;
    let upload = begun.upload_id.ok_or_else(|| StoreError::Permanent("an upload without an id".into()))?;
    let copied = copy_all(store, object, to, &upload).await;
    if copied.is_err() {
        let abort = store.s3.abort_multipart_upload().bucket(to.bucket).key(to.key).upload_id(&upload);
        // the bucket's lifecycle rule is the net below
        if let Err(error) = abort.send().await {
            tracing::warn!(error = %store_error(error, to.bucket), "An upload could not be aborted");
        }
    }
    copied
}

async fn copy_all(store: &S3Store, object: &ObjectRef, to: CopyTarget<'_>, upload: &str) -> Result<Copied, StoreError> {
    let parts = futures::stream::iter((1..).zip(ranges(object.size, store.copy_part_bytes)))
        .map(|(number, range)| copy_part(store, object, to, upload, number, range))
        .buffered(PARTS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = store.s3.complete_multipart_upload().bucket(to.bucket).key(to.key).upload_id(upload);
    let (if_match, if_none_match) = target_condition(to.condition);
    let complete = complete.set_if_match(if_match).set_if_none_match(if_none_match).multipart_upload(parts);
    let done = complete.customize().config_override(patient()).send().await.map_err(|error| {
        let fault = Fault::from(error);
        match fault.code() {
            // its first completion may have been heard and not answered: that is no word on the source
            "NoSuchUpload" => StoreError::Transient("the upload is no longer there".into()),
            _ => store_error(fault, to.bucket),
        }
    })?;
    Ok(Copied { etag: done.e_tag.map(ETag::from).ok_or_else(without_etag)?, version_id: done.version_id })
}

async fn copy_part(
    store: &S3Store,
    object: &ObjectRef,
    to: CopyTarget<'_>,
    upload: &str,
    number: i32,
    range: RangeInclusive<u64>,
) -> Result<CompletedPart, StoreError> {
    let copy = store
        .s3
        .upload_part_copy()
        .bucket(to.bucket)
        .key(to.key)
        .upload_id(upload)
        .part_number(number)
        .copy_source(copy_source(&object.bucket, &object.key, object.version_id.as_deref()))
        .copy_source_range(format!("bytes={}-{}", range.start(), range.end()))
        .set_copy_source_if_match(unpinned_etag(object));
    let copied = copy.customize().config_override(patient()).send().await;
    let copied = copied.map_err(|error| store_error(error, to.bucket))?;
    let etag = copied.copy_part_result().and_then(|result| result.e_tag()).ok_or_else(without_etag)?;
    Ok(CompletedPart::builder().part_number(number).e_tag(etag).build())
}

/// The parts of `size` bytes: of `part_bytes` each, or larger, so that they are no more than S3 takes.
fn ranges(size: u64, part_bytes: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    let part = part_bytes.max(size.div_ceil(PARTS_MAX));
    (0..size.div_ceil(part)).map(move |index| index * part..=(size.min((index + 1) * part) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once_and_are_never_too_many() {
        for (size, part) in [(1, 1), (10, 3), (9, 3), (50 * 1000_u64.pow(4), COPY_PART_BYTES), (20_001, 1)] {
            let all: Vec<_> = ranges(size, part).collect();
            assert!(all.len() as u64 <= PARTS_MAX);
            assert_eq!((*all[0].start(), *all[all.len() - 1].end()), (0, size - 1));
            assert!(all.windows(2).all(|pair| *pair[0].end() + 1 == *pair[1].start()), "{size} in {part}");
        }
    }
}
