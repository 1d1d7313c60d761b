"""A Deny for everybody, or for everybody but some roles, in a bucket's policy denies.

Stock: a bucket's policy is kept and shown, and never asked for the bucket's own account.
AWS: an explicit Deny wins over everything; S3 answers AccessDenied.
Here: "a bucket without permission" is one of the inputs that must end in a clear error, and only agents may write
verdicts that a promotion trusts.

Only what that takes: Principal `*`, no Condition but one that leaves out some `aws:PrincipalArn` (`aws:SecureTransport`
would deny all of this plain-HTTP cloud), and never the policy's own calls, as AWS never locks the root user out of them.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from ministack.core.iam_actions import _s3_action
from ministack.services import s3

from cloud.patches.identities import caller_arn

_BUT_FOR = ("ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike")
_ALWAYS_ALLOWED = {"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"}


def apply() -> None:
    stock = s3.handle_request

    async def handle_request(
        method: str, path: str, headers: dict, body: bytes, query_params: dict, *rest: Any, **named: Any
    ) -> tuple:
        bucket, key = s3._parse_bucket_key(path, headers)
        policy = s3._bucket_policies.get(bucket) if bucket else None
        if policy:
            action = _s3_action(method, f"/{bucket}/{key}" if key else f"/{bucket}", query_params) or ""
            resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
            if action not in _ALWAYS_ALLOWED and _denies(json.loads(policy), f"s3:{action}", resource):
                return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}" if key else f"/{bucket}")
        return await stock(method, path, headers, body, query_params, *rest, **named)

    s3.handle_request = handle_request


def _denies(policy: dict, action: str, resource: str) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and _holds(statement.get("Condition") or {})
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and _matches(statement.get("Action"), action.lower(), str.lower)
        and _matches(statement.get("Resource"), resource, str)
        for statement in _list(policy.get("Statement"))
    )


def _holds(condition: dict) -> bool:
    if not condition:
        return True
    operator, keys = next(iter(condition.items()))
    if len(condition) > 1 or operator not in _BUT_FOR or list(keys) != ["aws:PrincipalArn"]:
        return False
    return not _matches(keys["aws:PrincipalArn"], caller_arn(), str)


def _matches(patterns: Any, value: str, fold: Any) -> bool:
    # IAM knows `*` and `?` and no `[…]`.
    return any(fnmatch.fnmatchcase(value, fold(str(pattern)).replace("[", "[[]")) for pattern in _list(patterns))


def _list(value: Any) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]
