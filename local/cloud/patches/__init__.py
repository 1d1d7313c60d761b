"""Where MiniStack differs from AWS in what Lazaret relies on.

One module a difference. Its docstring says what stock MiniStack does, what AWS does and why it matters here; its
`apply()` replaces functions of MiniStack at run time. `tests/test_patches.py` has a test for each, which fails on stock
MiniStack: once a new version passes it, the test says that the patch can go.
"""

from __future__ import annotations

from cloud.patches import (
    bucket_deny,
    callbacks,
    execution_life,
    service_tasks,
    sqs_integration,
    stack_object_lock,
    stack_types,
    stop_task,
    succeed_output,
)

# In this order: `service_tasks` builds upon `stop_task`.
ALL = (
    sqs_integration,
    succeed_output,
    execution_life,
    callbacks,
    stop_task,
    service_tasks,
    bucket_deny,
    stack_types,
    stack_object_lock,
)


def apply_all() -> None:
    """Before MiniStack serves its first request."""
    for patch in ALL:
        patch.apply()
