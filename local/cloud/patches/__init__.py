"""Where MiniStack differs from AWS in what Lazaret relies on.

One module a difference. Its docstring says what stock MiniStack does, what AWS does and why it matters here; its
`apply()` replaces functions of MiniStack at run time. `tests/` has a test for each (a `PatchTest`), which fails on stock
MiniStack: once a new version passes it, the test says that the patch can go.
"""

from __future__ import annotations

from cloud.patches import (
    bucket_deny,
    bucket_events,
    callbacks,
    execution_life,
    express,
    identities,
    load_balancer,
    object_copies,
    object_metadata,
    object_tags,
    object_versions,
    pool_users,
    queue_messages,
    service_quotas,
    service_tasks,
    sns_integration,
    sqs_integration,
    stack_object_lock,
    stack_types,
    start_execution,
    stop_task,
    succeed_output,
)

# The order counts where two replace the same function: `service_tasks` and `load_balancer` stop tasks by
# `stop_task`, a copy's source is
# named before its tags are looked up, and a request has its caller before `bucket_deny` asks who it is.
ALL = (
    queue_messages,
    sqs_integration,
    sns_integration,
    service_quotas,
    succeed_output,
    execution_life,
    start_execution,
    express,
    callbacks,
    stop_task,
    service_tasks,
    object_tags,
    object_copies,
    object_versions,
    object_metadata,
    bucket_events,
    bucket_deny,
    identities,
    stack_types,
    stack_object_lock,
    pool_users,
    load_balancer,
)


def apply_all() -> None:
    """Before MiniStack serves its first request."""
    for patch in ALL:
        patch.apply()
