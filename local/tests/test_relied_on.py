"""What Lazaret relies on and stock MiniStack does right: a new version must still do it."""

from __future__ import annotations

import json
import os
import signal
import time
import unittest

from support import QUEUE_ARN, Cloud, error_code, eventually, patched, task, token_task, unique

STATUS_CHANGE = "Step Functions Execution Status Change"


class Executions(unittest.TestCase):
    def setUp(self) -> None:
        self.cloud: Cloud = patched()

    def test_the_context_holds_name_start_and_input(self) -> None:
        end = self.cloud.run(
            {"Say": {"Type": "Pass", "Output": "{% $states.context.Execution %}", "End": True}}, {"a": 1}
        )
        context = json.loads(end["output"])
        self.assertEqual((context["Name"], context["Input"]), (end["executionArn"].rsplit(":", 1)[1], {"a": 1}))
        self.assertRegex(context["StartTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_the_history_names_the_states(self) -> None:
        end = self.cloud.run({"First": {"Type": "Pass", "Next": "Last"}, "Last": {"Type": "Succeed"}})
        history = self.cloud.client("stepfunctions").get_execution_history(executionArn=end["executionArn"])["events"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in history if event["type"].endswith("Entered")]
        self.assertEqual(entered, ["First", "Last"])

    def test_a_functions_own_error_reaches_retry_and_catch(self) -> None:
        arn = self.cloud.function("def answer(event): raise ValueError('Lazaret.BadInput', 'no buckets')")
        catch = [{"ErrorEquals": ["Lazaret.BadInput"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}]
        call = task("lambda:invoke", Arguments={"FunctionName": arn, "Payload": {}}, Catch=catch)
        end = self.cloud.run({"Call": call, "Caught": {"Type": "Pass", "End": True}})
        error = json.loads(end["output"])
        self.assertEqual(error["Error"], "Lazaret.BadInput")
        self.assertEqual(json.loads(error["Cause"])["errorMessage"], "no buckets")

    def test_functions_know_the_endpoint_and_their_handler(self) -> None:
        source = "import os\ndef answer(event): return {n: os.environ.get(n) for n in ('AWS_ENDPOINT_URL', '_HANDLER')}"
        arn = self.cloud.function(source)
        end = self.cloud.run({"Call": task("lambda:invoke", Arguments={"FunctionName": arn, "Payload": {}})})
        self.assertEqual(
            json.loads(end["output"])["Payload"],
            {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.cloud.port}", "_HANDLER": "tear_down"},
        )

    def test_functions_run_side_by_side(self) -> None:
        arn = self.cloud.function("import time\ndef answer(event):\n    time.sleep(0.5)\n    return event")
        call = task("lambda:invoke", Arguments={"FunctionName": arn, "Payload": "{% $states.input %}"})
        processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Call", "States": {"Call": call}}
        end = self.cloud.run({"Map": {"Type": "Map", "Items": [1, 2, 3, 4], "ItemProcessor": processor, "End": True}})
        self.assertEqual([item["Payload"] for item in json.loads(end["output"])], [1, 2, 3, 4])

    def test_a_rule_sees_every_unhappy_end(self) -> None:
        cloud, queue = self.cloud, self.cloud.queue()
        source = "import urllib.parse, urllib.request\ndef answer(event):\n    detail = event['detail']\n"
        source += f"    body = detail['name'] + ' ' + detail['status']\n    url = {queue!r}\n"
        source += "    form = urllib.parse.urlencode({'Action': 'SendMessage', 'MessageBody': body}).encode()\n"
        source += "    urllib.request.urlopen(url, form).read()\n    return {}"
        events = cloud.client("events")
        statuses = {"status": ["FAILED", "ABORTED", "TIMED_OUT"]}
        pattern = {"source": ["aws.states"], "detail-type": [STATUS_CHANGE], "detail": statuses}
        rule = unique()
        events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": cloud.function(source)}])
        self.addCleanup(events.delete_rule, Name=rule, Force=True)
        self.addCleanup(events.remove_targets, Rule=rule, Ids=["1"])

        wait = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
        cloud.run({"Done": {"Type": "Succeed"}})
        failed = cloud.run({"Fail": {"Type": "Fail", "Error": "Some.Error"}})["executionArn"]
        timed_out = cloud.run(wait, TimeoutSeconds=1)["executionArn"]
        aborted = cloud.start(wait)
        cloud.client("stepfunctions").stop_execution(executionArn=aborted)
        ends = {(failed, "FAILED"), (timed_out, "TIMED_OUT"), (aborted, "ABORTED")}
        wanted = {f"{arn.rsplit(':', 1)[1]} {status}" for arn, status in ends}
        seen: set[str] = set()

        def all_seen() -> bool:
            seen.update(cloud.messages(queue))
            return wanted <= seen

        eventually(f"the rule sees {wanted}", all_seen)
        self.assertEqual(seen, wanted)

    def test_a_token_is_answered_with_success_or_a_named_failure(self) -> None:
        cloud, queue = self.cloud, self.cloud.queue()
        states = cloud.client("stepfunctions")
        execution = cloud.start({"Ask": token_task(queue, TimeoutSeconds=20)})
        states.send_task_success(taskToken=cloud.message(queue), output='{"objects": 3}')
        self.assertEqual(json.loads(cloud.end_of(execution)["output"]), {"objects": 3})
        execution = cloud.start({"Ask": token_task(queue, TimeoutSeconds=20)})
        states.send_task_failure(taskToken=cloud.message(queue), error="Lazaret.AccessDenied", cause="bucket b")
        end = cloud.end_of(execution)
        self.assertEqual((end["error"], end["cause"]), ("Lazaret.AccessDenied", "bucket b"))


class Tasks(unittest.TestCase):
    def setUp(self) -> None:
        self.cloud: Cloud = patched()

    def test_run_task_starts_a_count_of_tasks_with_overrides(self) -> None:
        cloud, job = self.cloud, unique()
        family = cloud.task_definition('[ "$WHO" = "the job" ] && [ "$ELSE" = kept ] && exit 5', **_env("ELSE", "kept"))
        override = {"Name": "main", "Environment": [{"Name": "WHO", "Value": "the job"}]}
        arguments = {"Cluster": "lazaret", "TaskDefinition": family, "LaunchType": "FARGATE", "Count": 3}
        more = {"StartedBy": job, "Overrides": {"ContainerOverrides": [override]}}
        end = cloud.run({"Run": task("aws-sdk:ecs:runTask", Arguments={**arguments, **more})})
        answer = json.loads(end["output"])
        self.assertEqual((len(answer["Tasks"]), answer["Failures"]), (3, []))
        for started in answer["Tasks"]:
            arn = started["TaskArn"]
            eventually("the task stops", lambda arn=arn: cloud.task(arn)["lastStatus"] == "STOPPED")
            self.assertEqual(cloud.task(arn)["containers"][0]["exitCode"], 5)
            self.assertEqual(cloud.task(arn)["stopCode"], "EssentialContainerExited")

    def test_list_tasks_knows_who_started_them(self) -> None:
        cloud, ecs = self.cloud, self.cloud.client("ecs")
        family, job = cloud.task_definition("exec sleep 60"), unique()
        arn = ecs.run_task(cluster="lazaret", taskDefinition=family, startedBy=job)["tasks"][0]["taskArn"]
        self.assertEqual(ecs.list_tasks(cluster="lazaret", startedBy=job)["taskArns"], [arn])
        self.assertEqual(ecs.list_tasks(cluster="lazaret", startedBy=unique())["taskArns"], [])
        ecs.stop_task(cluster="lazaret", task=arn)
        eventually("the task stops", lambda: cloud.task(arn)["lastStatus"] == "STOPPED")

    def test_an_unknown_task_definition_is_a_named_error(self) -> None:
        arguments = {"Cluster": "lazaret", "TaskDefinition": "nobody-made-this"}
        end = self.cloud.run({"Run": task("aws-sdk:ecs:runTask", Arguments=arguments)})
        self.assertEqual(end["error"], "Ecs.ClientException")


class Services(unittest.TestCase):
    """`service_tasks` has what stock lacks; this is what it has."""

    def setUp(self) -> None:
        self.cloud: Cloud = patched()

    def test_killed_tasks_are_replaced_and_the_count_can_change(self) -> None:
        cloud, ecs = self.cloud, self.cloud.client("ecs")
        service = cloud.service(cloud.task_definition("exec sleep 60"), 2)
        self.addCleanup(ecs.delete_service, cluster="lazaret", service=service, force=True)

        def count_is(count: int) -> None:
            eventually(f"{count} run", lambda: len(cloud.service_tasks(service)) == count)

        count_is(2)
        first = cloud.service_tasks(service)
        for arn in first:
            os.kill(int(cloud.pid_files(arn)[0].read_text()), signal.SIGKILL)
        eventually("two others run", lambda: len(cloud.service_tasks(service) - first) == 2)
        for count in (0, 3, 1):
            ecs.update_service(cluster="lazaret", service=service, desiredCount=count)
            count_is(count)

    def test_a_deleted_stack_stops_the_tasks_of_its_service_with_a_signal(self) -> None:
        cloud, name = self.cloud, unique()
        family = cloud.task_definition("trap 'echo asked; exit 0' TERM; while :; do sleep 0.05; done")
        service = {"ServiceName": name, "Cluster": "lazaret", "TaskDefinition": family, "DesiredCount": 1}
        service["LaunchType"] = "FARGATE"
        stack = cloud.deploy({"Service": {"Type": "AWS::ECS::Service", "Properties": service}})
        eventually("the task runs", lambda: len(cloud.service_tasks(name)) == 1)
        arn = next(iter(cloud.service_tasks(name)))
        time.sleep(0.3)  # the shell sets its trap
        cloud.client("cloudformation").delete_stack(StackName=stack)
        eventually("the task stops", lambda: cloud.task(arn)["lastStatus"] == "STOPPED")
        self.assertEqual(cloud.log_of(arn), "asked\n")


class Queues(unittest.TestCase):
    def test_a_message_goes_to_the_dead_letters_after_its_receives(self) -> None:
        cloud, sqs, dead = patched(), patched().client("sqs"), unique()
        dead_url = sqs.create_queue(QueueName=dead)["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": QUEUE_ARN + dead, "maxReceiveCount": 2})
        url = sqs.create_queue(QueueName=unique(), Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"})[
            "QueueUrl"
        ]
        sqs.send_message(QueueUrl=url, MessageBody="poison")
        for _ in range(2):
            self.assertEqual(len(sqs.receive_message(QueueUrl=url)["Messages"]), 1)
        self.assertNotIn("Messages", sqs.receive_message(QueueUrl=url))
        self.assertEqual(cloud.messages(dead_url), ["poison"])

    def test_queue_urls_lead_back_to_the_cloud(self) -> None:
        create = task("aws-sdk:sqs:createQueue", Arguments={"QueueName": unique()})
        url = json.loads(patched().run({"Create": create})["output"])["QueueUrl"]
        self.assertTrue(url.startswith(f"http://127.0.0.1:{patched().port}/"), url)


class Objects(unittest.TestCase):
    def setUp(self) -> None:
        self.s3, self.bucket = patched().client("s3"), unique()
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def test_an_archived_object_is_listed_and_can_not_be_read(self) -> None:
        self.s3.put_object(Bucket=self.bucket, Key="a", Body=b"1", StorageClass="GLACIER")
        listed = self.s3.list_objects_v2(Bucket=self.bucket)["Contents"][0]
        self.assertEqual(listed["StorageClass"], "GLACIER")
        self.assertEqual(error_code(self.s3.get_object, Bucket=self.bucket, Key="a"), "InvalidObjectState")

    def test_writes_are_conditional(self) -> None:
        put = {"Bucket": self.bucket, "Key": "part", "Body": b"1"}
        tag = self.s3.put_object(**put, IfNoneMatch="*")["ETag"]
        self.assertEqual(error_code(self.s3.put_object, **put, IfNoneMatch="*"), "PreconditionFailed")
        self.assertEqual(error_code(self.s3.put_object, **put, IfMatch='"0123"'), "PreconditionFailed")
        self.assertEqual(error_code(self.s3.put_object, **put, IfMatch=tag), "none")

    def test_a_bucket_of_another_account_denies_access(self) -> None:
        bucket = unique()
        other = patched().client("s3", "222222222222")
        other.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.assertEqual(error_code(self.s3.list_objects_v2, Bucket=bucket), "AccessDenied")
        self.assertEqual(error_code(self.s3.list_objects_v2, Bucket=unique()), "NoSuchBucket")


def _env(name: str, value: str) -> dict:
    return {"environment": [{"name": name, "value": value}]}


if __name__ == "__main__":
    unittest.main()
