"""User metadata has a limit of 2 KB.

Stock: takes any size.
AWS: MetadataTooLarge, if names and values together have more than 2,048 bytes.
Here: what is written beside a quarantined or promoted object must fit, or be left out.
"""

from __future__ import annotations

from ministack.services import s3

_MOST_BYTES = 2048
_PREFIX = "x-amz-meta-"


def apply() -> None:
    stock = s3._dispatch

    def dispatch(method: str, bucket: str, key: str, headers: dict, body: bytes, query: dict) -> tuple:
        copies = "x-amz-copy-source" in headers and headers.get("x-amz-metadata-directive", "").upper() != "REPLACE"
        if key and method in ("PUT", "POST") and not copies and _size_bytes(headers) > _MOST_BYTES:
            return s3._error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400)
        return stock(method, bucket, key, headers, body, query)

    s3._dispatch = dispatch


def _size_bytes(headers: dict) -> int:
    meta = ((name[len(_PREFIX) :], str(value)) for name, value in headers.items() if name.startswith(_PREFIX))
    return sum(len(name.encode()) + len(value.encode()) for name, value in meta)
