"""CloudFormation makes a bucket with Object Lock.

Stock: ignores `ObjectLockEnabled` and `ObjectLockConfiguration` of a template's bucket: nothing in it is locked.
AWS: the bucket has versions and Object Lock, and new objects get the default retention.
Here: the quarantine bucket can have it, by a setting of the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import s3
from ministack.services.cloudformation import provisioners


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create, update = handlers["create"], handlers["update"]

    def create_bucket(logical_id: str, properties: dict, stack: str) -> tuple[str, dict]:
        return _locked(properties, create, logical_id, properties, stack)

    def update_bucket(physical_id: str, old: dict, new: dict, stack: str) -> tuple[str, dict]:
        return _locked(new, update, physical_id, old, new, stack)

    handlers["create"], handlers["update"] = create_bucket, update_bucket


def _locked(properties: dict, make: Callable[..., Any], *arguments: Any) -> tuple[str, dict]:
    name, attributes = make(*arguments)
    configuration = properties.get("ObjectLockConfiguration") or {}
    if configuration or str(properties.get("ObjectLockEnabled", "")).lower() == "true":
        retention = (configuration.get("Rule") or {}).get("DefaultRetention") or {}
        default = {key: int(value) if key in ("Days", "Years") else value for key, value in retention.items()}
        s3._bucket_versioning[name] = "Enabled"
        s3._bucket_object_lock[name] = {"enabled": True, "default_retention": default or None}
    return name, attributes
