"""The `null` version has its name.

Stock: an object without a version id of its own, in a bucket that has or had versions, is answered without a version
id. A copy from `?versionId=null` of a bucket that never had versions fails.
AWS: the header `x-amz-version-id` is `null` for it, as its version id is everywhere; the copy works.
Here: what is read, scanned and acted on is pinned by version id, `null` included.
"""

from __future__ import annotations

from typing import Any

from ministack.services import s3

_HEADER = "x-amz-version-id"


def apply() -> None:
    for name in ("_get_object", "_head_object"):
        setattr(s3, name, _naming_null(getattr(s3, name), ("Enabled", "Suspended")))
    for name in ("_put_object", "_complete_multipart_upload"):
        setattr(s3, name, _naming_null(getattr(s3, name), ("Suspended",)))
    copy = _naming_null(s3._copy_object, ("Suspended",))
    copy_part = s3._upload_part_copy
    s3._copy_object = lambda bucket, key, headers: copy(bucket, key, _null_is_current(headers))
    s3._upload_part_copy = lambda bucket, key, query, headers: copy_part(bucket, key, query, _null_is_current(headers))


def _naming_null(stock: Any, states: tuple[str, ...]) -> Any:
    def naming(bucket: str, *rest: Any) -> tuple:
        status, headers, body = stock(bucket, *rest)
        if status < 300 and _HEADER not in headers and s3._bucket_versioning.get(bucket) in states:
            headers = {**headers, _HEADER: "null"}
        return status, headers, body

    return naming


def _null_is_current(headers: dict) -> dict:
    """A copy source without its `versionId=null` where the current object is that version."""
    path, _, query = headers.get("x-amz-copy-source", "").partition("?")
    bucket, _, key = s3.url_unquote(path.lstrip("/")).partition("/")
    current = (s3._ensure_bucket(bucket) or {}).get("objects", {}).get(key)
    if query == "versionId=null" and current is not None and current.get("version_id") is None:
        return {**headers, "x-amz-copy-source": path}
    return headers
