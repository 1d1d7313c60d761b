"""A test for each patch: see `PatchTest` for what stock MiniStack is asked."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import unittest

from botocore.exceptions import ClientError

from support import QUEUE_ARN, Cloud, PatchTest, error_code, eventually, send_task, task, token_task, unique


class QueueAttributes(PatchTest, unittest.TestCase):
    """sqs_integration"""

    def behaviour(self, cloud: Cloud) -> None:
        name = unique()
        create = task(
            "aws-sdk:sqs:createQueue", Arguments={"QueueName": name, "Attributes": {"VisibilityTimeout": "7"}}
        )
        url = json.loads(cloud.run({"Create": create})["output"])["QueueUrl"]
        attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        self.assertEqual(attributes["VisibilityTimeout"], "7")


class QueueErrors(PatchTest, unittest.TestCase):
    """sqs_integration"""

    def behaviour(self, cloud: Cloud) -> None:
        end = cloud.run({"Ask": task("aws-sdk:sqs:getQueueUrl", Arguments={"QueueName": "nobody-made-this"})})
        self.assertEqual(end["error"], "Sqs.QueueDoesNotExistException")


class DeletingAgain(PatchTest, unittest.TestCase):
    """queue_messages"""

    def behaviour(self, cloud: Cloud) -> None:
        sqs, url = cloud.client("sqs"), cloud.queue()
        sqs.send_message(QueueUrl=url, MessageBody="one")

        def receive() -> str:
            return sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]["ReceiptHandle"]

        first = receive()
        receive()
        sqs.delete_message(QueueUrl=url, ReceiptHandle=first)
        self.assertEqual(len(cloud.peek(url)), 1, "an old receipt deletes nothing")
        last = receive()
        for _ in range(2):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=last)
        entries = [{"Id": "1", "ReceiptHandle": last}]
        self.assertEqual(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"], [{"Id": "1"}])
        self.assertEqual(cloud.peek(url), [])
        wrong = error_code(sqs.delete_message, QueueUrl=url, ReceiptHandle="no receipt")
        self.assertEqual(wrong, "ReceiptHandleIsInvalid")


class SucceedOutput(PatchTest, unittest.TestCase):
    """succeed_output"""

    def behaviour(self, cloud: Cloud) -> None:
        end = cloud.run({"Done": {"Type": "Succeed", "Output": {"words": "{% $states.input.a & '!' %}"}}}, {"a": "b"})
        self.assertEqual(json.loads(end["output"]), {"words": "b!"})


class MachineTimeout(PatchTest, unittest.TestCase):
    """execution_life"""

    def behaviour(self, cloud: Cloud) -> None:
        end = cloud.run({"Wait": {"Type": "Wait", "Seconds": 4, "End": True}}, TimeoutSeconds=1)
        self.assertEqual(end["status"], "TIMED_OUT")
        history = cloud.client("stepfunctions").get_execution_history(executionArn=end["executionArn"])["events"]
        self.assertEqual(history[-1]["type"], "ExecutionTimedOut")


class AbortStopsAMap(PatchTest, unittest.TestCase):
    """execution_life"""

    def behaviour(self, cloud: Cloud) -> None:
        queue = cloud.queue()
        arguments = {"QueueUrl": queue, "MessageBody": "{% $string($states.input) %}"}
        items = {
            "Send": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage",
                "Arguments": arguments,
                "Next": "Wait",
            },
            "Wait": {"Type": "Wait", "Seconds": 1, "End": True},
        }
        execution = cloud.start({"Map": map_of([1, 2, 3], items, MaxConcurrency=1)})
        self.assertEqual(cloud.message(queue), "1")
        cloud.client("stepfunctions").stop_execution(executionArn=execution)
        time.sleep(1.5)  # that nothing happens can't be awaited
        self.assertEqual(cloud.messages(queue), [])


class AbortIsFinal(PatchTest, unittest.TestCase):
    """execution_life"""

    def behaviour(self, cloud: Cloud) -> None:
        queue = cloud.queue()
        # stock takes the time-out of a task that nobody waits for any more for the end of the execution
        execution = cloud.start({"Ask": token_task(queue, TimeoutSeconds=1)})
        cloud.message(queue)
        cloud.client("stepfunctions").stop_execution(executionArn=execution, error="Stopped", cause="by hand")
        time.sleep(1.5)
        end = cloud.describe(execution)
        self.assertEqual((end["status"], end["error"], end["cause"]), ("ABORTED", "Stopped", "by hand"))


class AbortClosesTokens(PatchTest, unittest.TestCase):
    """execution_life, callbacks: a worker hears from its next beat that nobody waits for it."""

    def behaviour(self, cloud: Cloud) -> None:
        queue, states = cloud.queue(), cloud.client("stepfunctions")
        execution = cloud.start({"Map": map_of([1], {"Ask": token_task(queue)})})
        token = cloud.message(queue)
        self.assertEqual(error_code(states.send_task_heartbeat, taskToken=token), "none")
        states.stop_execution(executionArn=execution)

        def closed() -> bool:
            return error_code(states.send_task_heartbeat, taskToken=token) == "TaskTimedOut"

        eventually("the token is closed", closed, seconds=4)


class FailedItemEndsItsMap(PatchTest, unittest.TestCase):
    """execution_life"""

    def behaviour(self, cloud: Cloud) -> None:
        items = {
            "Which": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Fail"}],
                "Default": "Wait",
            },
            "Fail": {"Type": "Fail", "Error": "Bad.Item", "Cause": "it is bad"},
            "Wait": {"Type": "Wait", "Seconds": 8, "End": True},
        }
        begin = time.monotonic()
        end = cloud.run({"Map": map_of(["slow", "bad", "slow"], items)})
        self.assertEqual((end["status"], end["error"], end["cause"]), ("FAILED", "Bad.Item", "it is bad"))
        self.assertLess(time.monotonic() - begin, 7)


class FailureHasNoOutput(PatchTest, unittest.TestCase):
    """execution_life"""

    def behaviour(self, cloud: Cloud) -> None:
        end = cloud.run({"Fail": {"Type": "Fail", "Error": "Some.Error", "Cause": "because"}})
        self.assertEqual((end["status"], end["error"], end["cause"]), ("FAILED", "Some.Error", "because"))
        self.assertIsNone(end.get("output"))


class StartedAgain(PatchTest, unittest.TestCase):
    """start_execution"""

    def behaviour(self, cloud: Cloud) -> None:
        states = cloud.client("stepfunctions")
        machine = cloud.machine({"Wait": {"Type": "Wait", "Seconds": 2, "End": True}})

        def start(name: str, given: str = "{}") -> str:
            return states.start_execution(stateMachineArn=machine, name=name, input=given)["executionArn"]

        first = start("one", '{"a": 1}')
        self.assertEqual(start("one", '{"a": 1}'), first)
        again = {"stateMachineArn": machine, "name": "one"}
        self.assertEqual(error_code(states.start_execution, **again, input='{"a": 2}'), "ExecutionAlreadyExists")
        cloud.end_of(first)
        self.assertEqual(error_code(states.start_execution, **again, input='{"a": 1}'), "ExecutionAlreadyExists")
        self.assertEqual(len(states.list_executions(stateMachineArn=machine)["executions"]), 1)


class StartHasLimits(PatchTest, unittest.TestCase):
    """start_execution"""

    def behaviour(self, cloud: Cloud) -> None:
        states, machine = cloud.client("stepfunctions"), cloud.machine({"Done": {"Type": "Succeed"}})

        def start(**more: str) -> str:
            return error_code(states.start_execution, stateMachineArn=machine, **more)

        self.assertEqual([start(name="a" * 80), start(name="a_b-1.c")], ["none", "none"])
        self.assertEqual([start(name=name) for name in ("a" * 81, "a b", "a/b")], ["InvalidName"] * 3)
        self.assertEqual(start(input=json.dumps("x" * 262_143)), "InvalidExecutionInput")


class ExpressExecutions(PatchTest, unittest.TestCase):
    """express"""

    def behaviour(self, cloud: Cloud) -> None:
        states, queue = cloud.client("stepfunctions"), cloud.queue()
        machine = cloud.machine({"Send": send_task(queue)}, kind="EXPRESS")
        arns = {states.start_execution(stateMachineArn=machine, name="one")["executionArn"] for _ in range(2)}
        self.assertEqual(len(arns), 2)
        self.assertIn(":express:", next(iter(arns)))
        self.assertEqual(error_code(states.describe_execution, executionArn=next(iter(arns))), "InvalidArn")
        cloud.bodies(queue, 2)


class SnsTaskKeepsAttributes(PatchTest, unittest.TestCase):
    """sns_integration"""

    def behaviour(self, cloud: Cloud) -> None:
        topic, queue = cloud.topic()
        attributes = {"scanResult": {"DataType": "String", "StringValue": "{% $states.input.result %}"}}
        arguments = {"TopicArn": topic, "Message": "{% $states.input %}", "MessageAttributes": attributes}
        end = cloud.run({"Tell": task("sns:publish", Arguments=arguments)}, {"result": "Infected"})
        self.assertEqual(end["status"], "SUCCEEDED")
        received = cloud.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"][0]
        self.assertEqual(json.loads(received["Body"]), {"result": "Infected"})
        self.assertEqual(received["MessageAttributes"]["scanResult"]["StringValue"], "Infected")


class QuotaOfFargate(PatchTest, unittest.TestCase):
    """service_quotas"""

    def behaviour(self, cloud: Cloud) -> None:
        resource = "aws-sdk:servicequotas:getServiceQuota"
        asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
        quota = json.loads(cloud.run({"Ask": task(resource, Arguments=asked)})["output"])["Quota"]
        self.assertEqual((quota["QuotaCode"], quota["Value"]), ("L-3032A538", 1000.0))
        unknown = task(resource, Arguments={**asked, "QuotaCode": "L-00000000"})
        self.assertEqual(cloud.run({"Ask": unknown})["error"], "ServiceQuotas.NoSuchResourceException")


class Heartbeat(PatchTest, unittest.TestCase):
    """callbacks"""

    def behaviour(self, cloud: Cloud) -> None:
        queue, states = cloud.queue(), cloud.client("stepfunctions")
        execution = cloud.start({"Ask": token_task(queue, HeartbeatSeconds="{% $number('2') %}", TimeoutSeconds=9)})
        token = cloud.message(queue)
        for _ in range(4):
            time.sleep(0.7)
            states.send_task_heartbeat(taskToken=token)
        self.assertEqual(cloud.describe(execution)["status"], "RUNNING", "beats keep it alive")
        self.assertEqual(cloud.end_of(execution)["error"], "States.HeartbeatTimeout")


class TimeoutExpression(PatchTest, unittest.TestCase):
    """callbacks"""

    def behaviour(self, cloud: Cloud) -> None:
        end = cloud.run({"Ask": token_task(cloud.queue(), TimeoutSeconds="{% 1 %}")})
        self.assertEqual(end["error"], "States.Timeout")


class TokenOfEachAttempt(PatchTest, unittest.TestCase):
    """callbacks"""

    def behaviour(self, cloud: Cloud) -> None:
        queue, states = cloud.queue(), cloud.client("stepfunctions")
        retry = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        execution = cloud.start({"Ask": token_task(queue, Retry=retry)})
        first = cloud.message(queue)
        states.send_task_failure(taskToken=first, error="Again", cause="")
        second = cloud.message(queue)
        self.assertNotEqual(first, second)
        self.assertEqual(error_code(states.send_task_success, taskToken=first, output="1"), "TaskTimedOut")
        states.send_task_success(taskToken=second, output="2")
        self.assertEqual(cloud.end_of(execution)["output"], "2")


class StopTask(PatchTest, unittest.TestCase):
    """stop_task"""

    def behaviour(self, cloud: Cloud) -> None:
        family = cloud.task_definition("trap 'sleep 0.5; exit 3' TERM; while :; do sleep 0.05; done")
        ecs = cloud.client("ecs")
        arn = ecs.run_task(cluster="lazaret", taskDefinition=family)["tasks"][0]["taskArn"]
        eventually("the task runs", lambda: cloud.task(arn)["lastStatus"] == "RUNNING")
        time.sleep(0.3)  # the shell sets its trap
        answer = ecs.stop_task(cluster="lazaret", task=arn, reason="torn down")["task"]
        self.assertEqual((answer["desiredStatus"], answer["lastStatus"]), ("STOPPED", "RUNNING"))
        self.assertEqual(ecs.list_tasks(cluster="lazaret", family=family)["taskArns"], [])
        eventually("the task stops", lambda: cloud.task(arn)["lastStatus"] == "STOPPED")
        stopped = cloud.task(arn)
        self.assertEqual(stopped["containers"][0]["exitCode"], 3)
        self.assertEqual((stopped["stopCode"], stopped["stoppedReason"]), ("UserInitiated", "torn down"))


class StopTaskKills(PatchTest, unittest.TestCase):
    """stop_task"""

    def behaviour(self, cloud: Cloud) -> None:
        family = cloud.task_definition("trap '' TERM; while :; do sleep 0.05; done", stopTimeout=2)
        ecs = cloud.client("ecs")
        arn = ecs.run_task(cluster="lazaret", taskDefinition=family)["tasks"][0]["taskArn"]
        eventually("the task runs", lambda: cloud.task(arn)["lastStatus"] == "RUNNING")
        time.sleep(0.3)
        ecs.stop_task(cluster="lazaret", task=arn)
        eventually("the task stops", lambda: cloud.task(arn)["lastStatus"] == "STOPPED")
        self.assertEqual(cloud.task(arn)["containers"][0]["exitCode"], 137)


class StopOfAStartingTask(PatchTest, unittest.TestCase):
    """stop_task: what has just been launched is gone, too, once it is STOPPED."""

    def behaviour(self, cloud: Cloud) -> None:
        family = cloud.task_definition("trap '' TERM; while :; do sleep 0.05; done", stopTimeout=1)
        ecs = cloud.client("ecs")
        arns = [task["taskArn"] for task in ecs.run_task(cluster="lazaret", taskDefinition=family, count=3)["tasks"]]
        for arn in arns:
            ecs.stop_task(cluster="lazaret", task=arn)
            self.assertEqual(cloud.task(arn)["desiredStatus"], "STOPPED")
        eventually("all are stopped", lambda: all(cloud.task(arn)["lastStatus"] == "STOPPED" for arn in arns), 30)
        pids = [file for arn in arns for file in cloud.pid_files(arn)]
        self.assertEqual(pids, [])
        # a task that never ran has no exit code, and one that was killed has that
        self.assertNotIn(0, [cloud.task(arn)["containers"][0].get("exitCode") for arn in arns])


class ServiceReplacesStoppedTasks(PatchTest, unittest.TestCase):
    """service_tasks"""

    def behaviour(self, cloud: Cloud) -> None:
        ecs, service = cloud.client("ecs"), cloud.service(cloud.task_definition("exec sleep 60"), 1)
        try:
            eventually("it runs", lambda: len(cloud.service_tasks(service)) == 1)
            time.sleep(1.5)  # stock counts the tasks again a second after a start, and not after that
            first = cloud.service_tasks(service)
            ecs.stop_task(cluster="lazaret", task=next(iter(first)))
            eventually("another runs", lambda: bool(cloud.service_tasks(service) - first), 5)
        finally:
            ecs.delete_service(cluster="lazaret", service=service, force=True)


class ServiceSlowsDownFailedStarts(PatchTest, unittest.TestCase):
    """service_tasks"""

    def behaviour(self, cloud: Cloud) -> None:
        ecs, family = cloud.client("ecs"), cloud.task_definition("exit 1")
        service = cloud.service(family, 1)
        try:
            time.sleep(4)  # how often it is tried in this time is the question
            tried = ecs.list_tasks(cluster="lazaret", family=family, desiredStatus="STOPPED")["taskArns"]
            self.assertIn(len(tried), (2, 3))
        finally:
            ecs.delete_service(cluster="lazaret", service=service, force=True)


class StackTypes(PatchTest, unittest.TestCase):
    """stack_types"""

    def behaviour(self, cloud: Cloud) -> None:
        scaled = {"ResourceId": "service/lazaret/events", "ScalableDimension": "ecs:service:DesiredCount"}
        target = {**scaled, "ServiceNamespace": "ecs", "MinCapacity": 1, "MaxCapacity": 12}
        policy = {"PolicyName": "grow", "PolicyType": "StepScaling", "ScalingTargetId": {"Ref": "Target"}}
        rule = {"Fn::Sub": "ALARM(${Policy})"}
        cloud.deploy(
            {
                "Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": target},
                "Policy": {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy},
                "Both": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": rule}},
            }
        )


class StackAlarmOverAnExpression(PatchTest, unittest.TestCase):
    """stack_types"""

    def behaviour(self, cloud: Cloud) -> None:
        name, metric = unique(), {"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible"}
        measured = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}, "ReturnData": False}
        alarm = {"AlarmName": name, "Metrics": [measured, {"Id": "b", "Expression": "a / 2"}], "Threshold": 5}
        alarm |= {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1}
        cloud.deploy({"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}})
        shown = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        self.assertEqual([alarm["AlarmName"] for alarm in shown], [name])


class StackObjectLock(PatchTest, unittest.TestCase):
    """stack_object_lock"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), unique()
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        properties = {"BucketName": bucket, "ObjectLockEnabled": True, "ObjectLockConfiguration": lock}
        cloud.deploy({"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})
        self.assertEqual(s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"], lock)
        version = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
        self.assertEqual(error_code(s3.delete_object, Bucket=bucket, Key="a", VersionId=version), "AccessDenied")


class BucketDeny(PatchTest, unittest.TestCase):
    """bucket_deny"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), unique()
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]

        def set_policy(actions: list[str], **more: object) -> None:
            statement = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources, **more}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)

        set_policy(["s3:*"])
        self.assertEqual(error_code(s3.list_objects_v2, Bucket=bucket), "AccessDenied")
        self.assertEqual(error_code(s3.head_bucket, Bucket=bucket), "403")
        self.assertEqual(error_code(s3.get_object, Bucket=bucket, Key="a"), "AccessDenied")
        set_policy(["s3:DeleteObject*"])
        self.assertEqual(error_code(s3.get_object, Bucket=bucket, Key="a"), "none")
        self.assertEqual(error_code(s3.delete_object, Bucket=bucket, Key="a"), "AccessDenied")
        set_policy(["s3:*"], Condition={"Bool": {"aws:SecureTransport": "false"}})
        self.assertEqual(error_code(s3.get_object, Bucket=bucket, Key="a"), "none")
        s3.delete_bucket_policy(Bucket=bucket)


class BucketDenyButForARole(PatchTest, unittest.TestCase):
    """bucket_deny, identities"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket, role = cloud.client("s3"), cloud.bucket(), cloud.role()["Arn"]
        statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:PutObject"}
        statement["Resource"] = f"arn:aws:s3:::{bucket}/verdicts/*"
        statement["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::000000000000:role/other", role]}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
        self.assertEqual(error_code(s3.put_object, Bucket=bucket, Key="work/a", Body=b"1"), "none")
        self.assertEqual(error_code(s3.put_object, Bucket=bucket, Key="verdicts/a", Body=b"1"), "AccessDenied")
        self.assertEqual(error_code(cloud.as_role(role, "s3").put_object, Bucket=bucket, Key="verdicts/a"), "none")


class EventsSayWhoWrote(PatchTest, unittest.TestCase):
    """identities"""

    def behaviour(self, cloud: Cloud) -> None:
        bucket, role = cloud.bucket(), cloud.role()
        topic, queue = cloud.topic()
        cloud.notify(bucket, {"TopicArn": topic})
        cloud.as_role(role["Arn"], "s3").put_object(Bucket=bucket, Key="a", Body=b"1")
        writer = cloud.records(queue, 1)[0]["userIdentity"]["principalId"]
        self.assertTrue(writer.startswith(f"AWS:{role['RoleId']}:"), writer)


class TasksCallAsTheirRole(PatchTest, unittest.TestCase):
    """identities"""

    def behaviour(self, cloud: Cloud) -> None:
        role = cloud.role()["Arn"]
        ask = "import os, urllib.request; uri = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']; "
        ask += "print(urllib.request.urlopen(uri).read().decode())"
        family = cloud.task_definition(f'{sys.executable} -c "{ask}"', role=role)
        ecs = cloud.client("ecs")
        arn = ecs.run_task(cluster="lazaret", taskDefinition=family)["tasks"][0]["taskArn"]
        eventually("the task stops", lambda: cloud.task(arn)["lastStatus"] == "STOPPED")
        told = json.loads(cloud.log_of(arn))
        self.assertEqual(told["RoleArn"], role)
        self.assertIn(f":assumed-role/{role.rsplit('/', 1)[-1]}/", cloud.who_has(told["AccessKeyId"]))


class EventBridgeNamesTheVersion(PatchTest, unittest.TestCase):
    """bucket_events"""

    def behaviour(self, cloud: Cloud) -> None:
        bucket, queue, events, rule = cloud.bucket("Enabled"), cloud.queue(), cloud.client("events"), unique()
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}
        events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": QUEUE_ARN + queue.rsplit("/", 1)[1]}])
        cloud.notify(bucket, EventBridgeConfiguration={})
        version = cloud.client("s3").put_object(Bucket=bucket, Key="a b", Body=b"1")["VersionId"]
        told = json.loads(cloud.message(queue))["detail"]["object"]
        self.assertEqual((told["key"], told.get("version-id")), ("a b", version))


class RulesOfABucketMayNotOverlap(PatchTest, unittest.TestCase):
    """bucket_events"""

    def behaviour(self, cloud: Cloud) -> None:
        bucket, (topic, _) = cloud.bucket(), cloud.topic()

        def rule(events: str, prefix: str, suffix: str = "") -> dict:
            filters = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
            return {"TopicArn": topic, "Events": [events], "Filter": {"Key": {"FilterRules": filters}}}

        def refused(*rules: dict) -> bool:
            try:
                cloud.notify(bucket, *rules)
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "InvalidArgument")
                self.assertIn("overlap", error.response["Error"]["Message"])
                return True
            return False

        created, put, removed = "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"
        self.assertFalse(refused(rule(created, "a/"), rule(created, "b/")))
        self.assertFalse(refused(rule(created, "a/"), rule(removed, "a/")))
        self.assertFalse(refused(rule(created, "a/", ".jpg"), rule(created, "a/", ".png")))
        self.assertTrue(refused(rule(created, "a/"), rule(created, "a/b/")))
        self.assertTrue(refused(rule(created, "a/", "g"), rule(put, "", ".jpg")))


class FiltersHaveCapitalNames(PatchTest, unittest.TestCase):
    """bucket_events"""

    def behaviour(self, cloud: Cloud) -> None:
        bucket, (topic, _) = cloud.bucket(), cloud.topic()
        rules = [{"Name": "prefix", "Value": "a"}]
        cloud.notify(bucket, {"TopicArn": topic, "Filter": {"Key": {"FilterRules": rules}}})
        told = cloud.client("s3").get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"][0]
        self.assertEqual(told["Filter"]["Key"]["FilterRules"], [{"Name": "Prefix", "Value": "a"}])


class TagsOfAnOverwrittenObject(PatchTest, unittest.TestCase):
    """object_tags"""

    def behaviour(self, cloud: Cloud) -> None:
        for bucket in (cloud.bucket(), cloud.bucket("Suspended")):
            cloud.client("s3").put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="verdict=Clean")
            cloud.client("s3").put_object(Bucket=bucket, Key="a", Body=b"2")
            self.assertEqual(cloud.tags(bucket, "a"), {})


class TagsOfAMultipartUpload(PatchTest, unittest.TestCase):
    """object_tags"""

    def behaviour(self, cloud: Cloud) -> None:
        bucket = cloud.bucket()
        cloud.multipart(bucket, "a", b"1", Tagging="owner=me")
        self.assertEqual(cloud.tags(bucket, "a"), {"owner": "me"})


class TagsOfACopiedNullVersion(PatchTest, unittest.TestCase):
    """object_tags, object_versions"""

    def behaviour(self, cloud: Cloud) -> None:
        for bucket in (cloud.bucket(), cloud.bucket("Suspended")):
            cloud.client("s3").put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="owner=me")
            source = {"Bucket": bucket, "Key": "a", "VersionId": "null"}
            cloud.client("s3").copy_object(Bucket=bucket, Key="b", CopySource=source)
            self.assertEqual(cloud.tags(bucket, "b"), {"owner": "me"})


class TagsBehindADeleteMarker(PatchTest, unittest.TestCase):
    """object_tags"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket("Enabled")
        version = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
        marker = s3.delete_object(Bucket=bucket, Key="a")["VersionId"]
        tags = {"TagSet": [{"Key": "verdict", "Value": "Clean"}]}
        s3.put_object_tagging(Bucket=bucket, Key="a", VersionId=version, Tagging=tags)
        self.assertEqual(cloud.tags(bucket, "a", VersionId=version), {"verdict": "Clean"})
        ask = {"Bucket": bucket, "Key": "a"}
        self.assertEqual(error_code(s3.get_object_tagging, **ask, VersionId=marker), "MethodNotAllowed")
        self.assertEqual(error_code(s3.get_object, **ask), "NoSuchKey")


class TagsHaveLimits(PatchTest, unittest.TestCase):
    """object_tags"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket()
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")

        def put(**tags: str) -> str:
            tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
            return error_code(s3.put_object_tagging, Bucket=bucket, Key="a", Tagging=tagging)

        self.assertEqual(put(**{"k" * 128: "grün 1.5_a:b/c=d+e-f@g" + "v" * 234}), "none")
        for key, value in (("k" * 129, "v"), ("k", "v" * 257), ("k", "a;b"), ("aws:k", "v")):
            self.assertEqual(put(**{key: value}), "InvalidTag", (key, value))
        eleven = "&".join(f"k{number}=v" for number in range(11))
        copy = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
        replace = {"TaggingDirective": "REPLACE", "Tagging": eleven}
        self.assertEqual(error_code(s3.copy_object, **copy, **replace), "BadRequest")


class MetadataHasALimit(PatchTest, unittest.TestCase):
    """object_metadata"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, target = cloud.client("s3"), {"Bucket": cloud.bucket(), "Key": "a"}
        fits, too_large = {"k": "v" * 2047}, {"k": "v" * 2048}
        self.assertEqual(error_code(s3.put_object, **target, Metadata=fits), "none")
        self.assertEqual(error_code(s3.put_object, **target, Metadata=too_large), "MetadataTooLarge")
        self.assertEqual(error_code(s3.create_multipart_upload, **target, Metadata=too_large), "MetadataTooLarge")
        copy = {**target, "CopySource": target, "MetadataDirective": "REPLACE"}
        self.assertEqual(error_code(s3.copy_object, **copy, Metadata=too_large), "MetadataTooLarge")


class TheNullVersionHasItsName(PatchTest, unittest.TestCase):
    """object_versions"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket()
        target = {"Bucket": bucket, "Key": "a"}
        self.assertNotIn("VersionId", s3.put_object(**target, Body=b"1"))
        self.assertNotIn("VersionId", s3.head_object(**target))
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.assertEqual(s3.head_object(**target).get("VersionId"), "null")
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        self.assertEqual(s3.put_object(**target, Body=b"2").get("VersionId"), "null")
        self.assertEqual(s3.get_object(**target).get("VersionId"), "null")


class ArchivedObjectsCanNotBeCopied(PatchTest, unittest.TestCase):
    """object_copies"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket("Enabled")
        version = s3.put_object(Bucket=bucket, Key="a", Body=b"1", StorageClass="DEEP_ARCHIVE")["VersionId"]
        for source in ({"Bucket": bucket, "Key": "a"}, {"Bucket": bucket, "Key": "a", "VersionId": version}):
            copy = {"Bucket": bucket, "Key": "b", "CopySource": source}
            self.assertEqual(error_code(s3.copy_object, **copy), "InvalidObjectState")
            upload = s3.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
            part = {**copy, "UploadId": upload, "PartNumber": 1}
            self.assertEqual(error_code(s3.upload_part_copy, **part), "InvalidObjectState")


class CopiesHaveTheirOwnETag(PatchTest, unittest.TestCase):
    """object_copies"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket("Enabled")
        topic, queue = cloud.topic()
        uploaded = cloud.multipart(bucket, "a", b"1")["ETag"]
        self.assertTrue(uploaded.endswith('-1"'))
        cloud.notify(bucket, {"TopicArn": topic})
        source = {"Bucket": bucket, "Key": "a"}
        copied = s3.copy_object(Bucket=bucket, Key="b", CopySource=source)["CopyObjectResult"]["ETag"]
        self.assertEqual(copied, f'"{hashlib.md5(b"1").hexdigest()}"')
        self.assertEqual(s3.head_object(Bucket=bucket, Key="b")["ETag"], copied)
        self.assertEqual(s3.list_object_versions(Bucket=bucket, Prefix="b")["Versions"][0]["ETag"], copied)
        self.assertEqual(cloud.records(queue, 1)[0]["s3"]["object"]["eTag"], copied.strip('"'))
        key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        sealed = s3.copy_object(Bucket=bucket, Key="c", CopySource=source, **encrypted)["CopyObjectResult"]["ETag"]
        self.assertNotEqual(sealed, copied)
        self.assertEqual(s3.head_object(Bucket=bucket, Key="c")["ETag"], sealed)


class CopiesHaveConditions(PatchTest, unittest.TestCase):
    """object_copies"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), cloud.bucket("Enabled")
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
        copy = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
        self.assertEqual(error_code(s3.copy_object, **copy, IfMatch='"0123"'), "NoSuchKey")
        self.assertEqual(error_code(s3.copy_object, **copy, IfNoneMatch="*"), "none")
        self.assertEqual(error_code(s3.copy_object, **copy, IfNoneMatch="*"), "PreconditionFailed")
        there = s3.put_object(Bucket=bucket, Key="b", Body=b"2")["ETag"]
        self.assertEqual(error_code(s3.copy_object, **copy, IfMatch='"0123"'), "PreconditionFailed")
        self.assertEqual(error_code(s3.copy_object, **copy, IfMatch=there), "none")


class RetentionOfCopiesAndUploads(PatchTest, unittest.TestCase):
    """object_copies"""

    def behaviour(self, cloud: Cloud) -> None:
        s3, bucket = cloud.client("s3"), unique()
        region = {"LocationConstraint": "eu-central-1"}
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=region)
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
        source = {"Bucket": cloud.bucket(), "Key": "a"}
        s3.put_object(**source, Body=b"1")
        versions = {
            "copy": s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)["VersionId"],
            "upload": cloud.multipart(bucket, "upload", b"1")["VersionId"],
        }
        for key, version in versions.items():
            delete = {"Bucket": bucket, "Key": key, "VersionId": version}
            self.assertEqual(error_code(s3.delete_object, **delete), "AccessDenied")
            self.assertEqual(error_code(s3.delete_object, **delete, BypassGovernanceRetention=True), "none")


def map_of(items: list, states: dict, **fields: object) -> dict:
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": next(iter(states)), "States": states}
    return {"Type": "Map", "Items": items, "ItemProcessor": processor, "End": True, **fields}


if __name__ == "__main__":
    unittest.main()
