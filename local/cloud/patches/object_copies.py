"""A copy is an object of its own.

Stock: an archived object can be copied. A copy of a multipart upload has the ETag of its source. If-Match and
If-None-Match of CopyObject, which are about its target, are ignored. Neither copies nor multipart uploads get the default
retention of a bucket with Object Lock.
AWS: InvalidObjectState; the ETag is that of one part, and no MD5 at all with a KMS key; the conditions hold; retention is
for every object.
Here: a promotion that found source and copy the same by their ETags would fail on AWS, and one that is late must not
write over a newer object; the quarantine holds copies.
"""

from __future__ import annotations

import contextvars
import hashlib
import re
import time
import uuid
from typing import Any

from ministack.services import s3

_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


def apply() -> None:
    _archived_sources_are_refused()
    _copies_have_their_own_etag()
    _targets_have_conditions()
    _default_retention()


def _archived_sources_are_refused() -> None:
    # MiniStack asks this about each source, for CopyObject and UploadPartCopy, with and without a version.
    stock = s3._check_copy_source_preconditions

    def check(headers: dict, source: dict) -> tuple | None:
        restored = time.time() > (source.get("restore") or {}).get("available_at", float("inf"))
        if source.get("storage_class") in _ARCHIVED and not restored:
            words = "Operation is not valid for the source object's storage class"
            return s3._error("InvalidObjectState", words, 403)
        return stock(headers, source)

    s3._check_copy_source_preconditions = check


# The ETag of the copy that is being made, once it is known.
_copy_etag: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("lazaret_copy_etag", default=None)


def _copies_have_their_own_etag() -> None:
    stock_copy, stock_record, stock_fire = s3._copy_object, s3._record_object_version, s3._fire_s3_event_async

    def copy_object(bucket: str, key: str, headers: dict) -> tuple:
        known: list[str] = []
        before = _copy_etag.set(known)
        try:
            status, answer, body = stock_copy(bucket, key, headers)
        finally:
            _copy_etag.reset(before)
        if known:
            body = re.sub(rb"<ETag>.*</ETag>", f"<ETag>{known[0]}</ETag>".encode(), body)
        return status, answer, body

    def record_object_version(bucket: str, key: str, prior: dict | None, written: dict, data: bytes) -> str | None:
        known = _copy_etag.get()
        if known is not None:
            encryption = written["preserved_headers"].get("x-amz-server-side-encryption", "")
            more = uuid.uuid4().bytes if encryption.startswith("aws:kms") else b""
            known.append(f'"{hashlib.md5(data + more).hexdigest()}"')
            written["etag"] = known[0]
        return stock_record(bucket, key, prior, written, data)

    def fire_s3_event_async(*arguments: Any, **named: Any) -> None:
        if known := _copy_etag.get():
            named["etag"] = known[0]
        stock_fire(*arguments, **named)

    s3._copy_object, s3._record_object_version = copy_object, record_object_version
    s3._fire_s3_event_async = fire_s3_event_async


def _targets_have_conditions() -> None:
    stock = s3._copy_object

    def copy_object(bucket: str, key: str, headers: dict) -> tuple:
        objects = (s3._ensure_bucket(bucket) or {}).get("objects", {})
        return s3._check_put_preconditions(headers, objects.get(key)) or stock(bucket, key, headers)

    s3._copy_object = copy_object


def _default_retention() -> None:
    stock_copy, stock_complete = s3._copy_object, s3._complete_multipart_upload

    def retained(answer: tuple, bucket: str, key: str, headers: dict) -> tuple:
        if answer[0] == 200 and s3._bucket_object_lock.get(bucket):
            version = answer[1].get("x-amz-version-id")
            # A copy does not bring its source's retention along.
            s3._object_retention.pop((bucket, key, version), None)
            s3._apply_object_lock_from_headers(bucket, key, headers, version)
        return answer

    def copy_object(bucket: str, key: str, headers: dict) -> tuple:
        return retained(stock_copy(bucket, key, headers), bucket, key, headers)

    def complete_multipart_upload(bucket: str, key: str, *rest: Any) -> tuple:
        return retained(stock_complete(bucket, key, *rest), bucket, key, {})

    s3._copy_object, s3._complete_multipart_upload = copy_object, complete_multipart_upload
