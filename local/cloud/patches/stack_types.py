"""CloudFormation takes the types that only matter on AWS.

Stock: refuses a whole template that has one type it does not know, and an alarm over an expression.
AWS: has them.
Here: the same stacks are deployed, so these resources are kept by name and do nothing: nothing scales a service here
(tests set its desiredCount), and nobody counts the emulator's metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import provisioners


def apply() -> None:
    for resource_type, name in _NAMES.items():
        provisioners._RESOURCE_HANDLERS.setdefault(resource_type, _kept_by_name(name))
    _alarms_over_expressions()


def _scalable_target(logical_id: str, properties: dict, stack: str) -> str:
    return "|".join(str(properties.get(key)) for key in ("ResourceId", "ScalableDimension", "ServiceNamespace"))


def _scaling_policy(logical_id: str, properties: dict, stack: str) -> str:
    resource = f"scalingPolicy:{stack}:resource/policyName/{properties.get('PolicyName', logical_id)}"
    return f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:{resource}"


def _composite_alarm(logical_id: str, properties: dict, stack: str) -> str:
    return properties.get("AlarmName") or f"{stack}-{logical_id}"


def _own_name(logical_id: str, properties: dict, stack: str) -> str:
    return f"{stack}-{logical_id}"


# What `Ref` gives, by type.
_NAMES: dict[str, Callable[[str, dict, str], str]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable_target,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::CompositeAlarm": _composite_alarm,
    "AWS::EC2::SecurityGroupEgress": _own_name,
    "AWS::EC2::SecurityGroupIngress": _own_name,
    "AWS::ECS::ClusterCapacityProviderAssociations": _own_name,
}


def _kept_by_name(name: Callable[[str, dict, str], str]) -> dict[str, Callable[..., Any]]:
    def attributes(physical_id: str) -> dict:
        alarm = f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{physical_id}"
        return {"Arn": physical_id if physical_id.startswith("arn:") else alarm, "Id": physical_id}

    def create(logical_id: str, properties: dict, stack: str) -> tuple[str, dict]:
        physical_id = name(logical_id, properties, stack)
        return physical_id, attributes(physical_id)

    def update(physical_id: str, _old: dict, _new: dict, _stack: str) -> tuple[str, dict]:
        return physical_id, attributes(physical_id)

    def delete(_physical_id: str, _properties: dict) -> None:
        return None

    return {"create": create, "update": update, "delete": delete}


def _alarms_over_expressions() -> None:
    stock = provisioners._cw_metric_alarm_record

    def metric_alarm_record(name: str, properties: dict) -> dict:
        metrics = properties.get("Metrics")
        if not metrics:
            return stock(name, properties)
        # Shown as an alarm over the first of its metrics, and never in alarm: no action of it may fire here.
        first = next((metric["MetricStat"] for metric in metrics if metric.get("MetricStat")), {})
        metric = first.get("Metric", {})
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        plain["MetricName"] = metric.get("MetricName", "expression")
        plain["Namespace"] = metric.get("Namespace", "expression")
        return stock(name, {"Threshold": 0, **plain, "ActionsEnabled": False})

    provisioners._cw_metric_alarm_record = metric_alarm_record
