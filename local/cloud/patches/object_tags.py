"""Tags belong to one version of an object, and have limits.

Stock: an object written over an unversioned one keeps the tags of the old one. CreateMultipartUpload drops its tags. A
copy of the `null` version has none. Versions behind a delete marker can't be tagged. Any character and length is taken,
and in a copy any number.
AWS: a write has the tags that it names and no others; a version is tagged whatever is current; ten tags, of 128 and 256
characters out of a small set.
Here: the tag of a verdict must not outlive the content that it was about, and values must be escaped into what S3 takes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from ministack.services import s3

_MOST = 10
_LONGEST_KEY, _LONGEST_VALUE = 128, 256
_PUNCTUATION = "_.:/=+-@"


def apply() -> None:
    _a_write_has_its_own_tags()
    _multipart_uploads_keep_their_tags()
    _copies_of_the_null_version_keep_its_tags()
    _any_version_can_be_tagged()
    _limits()


def _a_write_has_its_own_tags() -> None:
    stock = s3._record_object_version

    def record_object_version(bucket: str, key: str, prior: dict | None, written: dict, data: Any) -> str | None:
        version = stock(bucket, key, prior, written, data)
        # MiniStack sets the tags of the write, if it has any, after this.
        s3._object_tags.pop((bucket, key, written.get("version_id")), None)
        return version

    s3._record_object_version = record_object_version


def _multipart_uploads_keep_their_tags() -> None:
    stock_create, stock_complete = s3._create_multipart_upload, s3._complete_multipart_upload

    def create_multipart_upload(bucket: str, key: str, headers: dict) -> tuple:
        before = set(s3._multipart_uploads)
        answer = stock_create(bucket, key, headers)
        for upload in set(s3._multipart_uploads) - before:
            s3._multipart_uploads[upload]["tags"] = _header_tags(headers)
        return answer

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: dict, *rest: Any) -> tuple:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId")) or {}
        answer = stock_complete(bucket, key, body, query, *rest)
        if answer[0] == 200 and upload.get("tags"):
            s3._object_tags[(bucket, key, answer[1].get("x-amz-version-id"))] = dict(upload["tags"])
        return answer

    s3._create_multipart_upload, s3._complete_multipart_upload = create_multipart_upload, complete_multipart_upload


def _copies_of_the_null_version_keep_its_tags() -> None:
    stock = s3._copy_object

    def copy_object(bucket: str, key: str, headers: dict) -> tuple:
        answer = stock(bucket, key, headers)
        path, _, query = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
        if answer[0] == 200 and query == "versionId=null" and not _replaces_tags(headers):
            source_bucket, _, source_key = s3.url_unquote(path).partition("/")
            if tags := s3._object_tags.get((source_bucket, source_key, None)):
                s3._object_tags[(bucket, key, answer[1].get("x-amz-version-id"))] = dict(tags)
        return answer

    s3._copy_object = copy_object


def _replaces_tags(headers: dict) -> bool:
    return headers.get("x-amz-tagging-directive", "COPY").upper() == "REPLACE"


def _any_version_can_be_tagged() -> None:
    for name, query_at in (("_get_object_tagging", 2), ("_put_object_tagging", 3), ("_delete_object_tagging", 2)):
        setattr(s3, name, _also_behind_a_marker(getattr(s3, name), query_at))


def _also_behind_a_marker(stock: Any, query_at: int) -> Any:
    """MiniStack looks at the current object first, and there is none: so it gets to see the version as such."""

    def tagging(bucket: str, key: str, *rest: Any) -> tuple:
        objects = (s3._ensure_bucket(bucket) or {}).get("objects")
        query = rest[query_at - 2] if len(rest) > query_at - 2 else None
        wanted = s3._qp(query or {}, "versionId", "")
        if objects is None or key in objects or not wanted:
            return stock(bucket, key, *rest)
        versions = s3._object_versions.get((bucket, key), [])
        version = next((one for one in versions if one["version_id"] == wanted), None)
        if version is None:
            return s3._error("NoSuchVersion", "The specified version does not exist.", 404, f"/{bucket}/{key}")
        if version.get("is_delete_marker"):
            return s3._delete_marker_read_refused(version)
        objects[key] = version
        try:
            return stock(bucket, key, *rest)
        finally:
            # Nothing can come between: S3's requests are handled one at a time.
            del objects[key]

    return tagging


def _limits() -> None:
    stock = s3._dispatch

    def dispatch(method: str, bucket: str, key: str, headers: dict, body: bytes, query: dict) -> tuple:
        refusal = None
        if key and method in ("PUT", "POST"):
            if "tagging" in query:
                refusal = _refusal(_body_tags(body))
            elif "x-amz-copy-source" not in headers or _replaces_tags(headers):
                refusal = _refusal(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
        return refusal or stock(method, bucket, key, headers, body, query)

    s3._dispatch = dispatch


def _refusal(tags: list[tuple[str, str]]) -> tuple | None:
    if len(tags) > _MOST:
        return s3._error("BadRequest", f"Object tags cannot be greater than {_MOST}", 400)
    if len({key for key, _ in tags}) < len(tags):
        return s3._error("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
    for key, value in tags:
        if not 1 <= len(key) <= _LONGEST_KEY or not _may_be_in_a_tag(key) or key.lower().startswith("aws:"):
            return s3._error("InvalidTag", "The TagKey you have provided is invalid", 400)
        if len(value) > _LONGEST_VALUE or not _may_be_in_a_tag(value):
            return s3._error("InvalidTag", "The TagValue you have provided is invalid", 400)
    return None


def _may_be_in_a_tag(text: str) -> bool:
    return all(one.isalnum() or one.isspace() or one in _PUNCTUATION for one in text)


def _header_tags(headers: dict) -> dict[str, str]:
    return dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))


def _body_tags(body: bytes) -> list[tuple[str, str]]:
    try:
        return list(s3._iter_tag_pairs(s3.fromstring(body)))
    except s3.ParseError:
        return []  # MiniStack says what is wrong with it
