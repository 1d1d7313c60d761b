"""`servicequotas:getServiceQuota` tasks answer Fargate's quota.

Stock: knows no Service Quotas; the task fails with States.Runtime, which no Catch on AWS would see.
AWS: answers the account's quota; for one that it has no value of, ServiceQuotas.NoSuchResourceException.
Here: a job asks for it before its fleet is sized. 1,000 vCPUs are more than this machine runs, so that `maxAgents` decides.
"""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions

_RESOURCE = "arn:aws:states:::aws-sdk:servicequotas:getServiceQuota"
_FARGATE_ON_DEMAND = ("fargate", "L-3032A538")
_VCPUS = 1000.0


def apply() -> None:
    stepfunctions._SERVICE_DISPATCH[_RESOURCE] = _get_service_quota


def _get_service_quota(_resource: str, arguments: dict) -> Any:
    service, quota = arguments.get("ServiceCode"), arguments.get("QuotaCode")
    if (service, quota) != _FARGATE_ON_DEMAND:
        raise stepfunctions._ExecutionError(
            "ServiceQuotas.NoSuchResourceException", f"no quota `{quota}` of `{service}` in the local cloud"
        )
    return {"Quota": {"ServiceCode": service, "QuotaCode": quota, "Value": _VCPUS, "Unit": "None"}}
