"""Each function and each task calls as its own role, and object events say who wrote.

Stock: a function signs with the account's key, a task with one that nobody knows, and the `principalId` of each event
is `EXAMPLE`.
AWS: temporary credentials of the role; the event has `AWS:<role id>:<session>`.
Here: the agent leaves out what Lazaret itself has written, by the role ids in the events, and bucket policies let only
some roles write (`bucket_deny`).
"""

from __future__ import annotations

import contextvars
import hashlib
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import ecs, iam, imds, lambda_svc, s3, sts

# The access key of the request that is being handled.
_access_key: contextvars.ContextVar[str] = contextvars.ContextVar("lazaret_access_key", default="")


def apply() -> None:
    _functions_call_as_their_role()
    _tasks_call_as_their_role()
    _requests_know_their_caller()
    _events_say_who_wrote()


def caller_arn() -> str:
    """`aws:PrincipalArn` of the request that is being handled: a role's own ARN, or the root's."""
    session = sts._sessions.get(_access_key.get())
    return session["RoleArn"] if session and "RoleArn" in session else f"arn:aws:iam::{get_account_id()}:root"


def _caller_id() -> str:
    session = sts._sessions.get(_access_key.get())
    return f"AWS:{session['UserId']}" if session else f"AWS:{get_account_id()}"


def _session(role_arn: str, name: str) -> dict[str, str]:
    """Credentials of a role, the same for the same role and name."""
    account, role_name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    digest = hashlib.sha256(f"{role_arn} {name}".encode()).hexdigest()
    role_id = (iam._roles.get(role_name) or {}).get("RoleId") or f"AROA{digest[:17].upper()}"
    key, secret, token = f"ASIA{digest[:16].upper()}", digest[16:56], digest[24:]
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{name}",
            "UserId": f"{role_id}:{name}",
            "RoleArn": role_arn,
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def _functions_call_as_their_role() -> None:
    stock = lambda_runtime.execution_credentials

    def execution_credentials(config: dict) -> dict[str, str]:
        role = config.get("Role") or ""
        return _session(role, config["FunctionName"]) if role.startswith("arn:") else stock(config)

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = execution_credentials


def _tasks_call_as_their_role() -> None:
    stock_register, stock_request = ecs._register_metadata, imds.handle_request
    # By the last part of the path that a container asks for its credentials.
    documents: dict[str, dict] = {}

    def register_metadata(task_arn: str, cluster: str, definition: dict, container: dict, *rest: Any) -> str:
        token = stock_register(task_arn, cluster, definition, container, *rest)
        if role := definition.get("taskRoleArn"):
            environment = rest[1]
            credentials = _session(role, task_arn.rsplit("/", 1)[-1])
            documents[environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].rsplit("/", 1)[-1]] = {
                "AccessKeyId": credentials["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
                "Token": credentials["AWS_SESSION_TOKEN"],
                "RoleArn": role,
            }
        return token

    async def handle_request(method: str, path: str, *rest: Any) -> tuple:
        document = documents.get(path.rstrip("/").rsplit("/", 1)[-1])
        if document is None or method.upper() != "GET":
            return await stock_request(method, path, *rest)
        return imds._json_resp({**document, "Expiration": imds._future(3600)})

    ecs._register_metadata, imds.handle_request = register_metadata, handle_request


def _requests_know_their_caller() -> None:
    stock = s3.handle_request

    async def handle_request(
        method: str, path: str, headers: dict, body: bytes, query: dict, *rest: Any, **named: Any
    ) -> tuple:
        _access_key.set(extract_access_key_id(headers, query))
        return await stock(method, path, headers, body, query, *rest, **named)

    s3.handle_request = handle_request


def _events_say_who_wrote() -> None:
    stock = s3._fire_s3_event_async

    def fire_s3_event_async(*arguments: Any, **named: Any) -> None:
        named["record_extra"] = {"userIdentity": {"principalId": _caller_id()}, **(named.get("record_extra") or {})}
        stock(*arguments, **named)

    s3._fire_s3_event_async = fire_s3_event_async
