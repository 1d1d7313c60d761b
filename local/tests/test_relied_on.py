"""What Lazaret relies on and stock MiniStack does right: a new version must still do it."""

from __future__ import annotations

import json
import os
import signal
import time
import unittest
from urllib.parse import unquote_plus

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

    def test_a_wait_may_name_a_moment_of_its_input(self) -> None:
        moment = time.time() + 1
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        wait = {"Wait": {"Type": "Wait", "Timestamp": "{% $states.input.to %}", "End": True}}
        self.assertEqual(self.cloud.run(wait, {"to": text})["status"], "SUCCEEDED")
        self.assertGreaterEqual(time.time(), int(moment))
        begin = time.monotonic()
        self.assertEqual(self.cloud.run(wait, {"to": "2006-03-14T00:00:00.000Z"})["status"], "SUCCEEDED")
        self.assertLess(time.monotonic() - begin, 1)

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


class Events(unittest.TestCase):
    """From buckets to queues, by a topic and by EventBridge."""

    def setUp(self) -> None:
        self.cloud: Cloud = patched()
        self.s3 = self.cloud.client("s3")

    def test_a_rule_is_told_at_once_that_it_will_hear(self) -> None:
        topic, queue = self.cloud.topic()
        self.cloud.notify(self.cloud.bucket(), {"TopicArn": topic})
        self.assertEqual(json.loads(self.cloud.message(queue))["Event"], "s3:TestEvent")

    def test_each_way_to_write_an_object_is_told_and_tagging_is_not(self) -> None:
        cloud, bucket, (topic, queue) = self.cloud, self.cloud.bucket("Enabled"), self.cloud.topic()
        cloud.notify(bucket, {"Id": "lazaret", "TopicArn": topic})
        versions = [self.s3.put_object(Bucket=bucket, Key="a", Body=b"12")["VersionId"]]
        self.s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        versions.append(self.s3.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a")["VersionId"])
        versions.append(cloud.multipart(bucket, "a", b"123")["VersionId"])
        self.s3.delete_object(Bucket=bucket, Key="a")
        records = sorted(cloud.records(queue, 3), key=lambda record: record["s3"]["object"]["sequencer"])
        names = [record["eventName"].removeprefix("ObjectCreated:") for record in records]
        self.assertEqual(names, ["Put", "Copy", "CompleteMultipartUpload"])
        self.assertEqual([record["s3"]["object"]["versionId"] for record in records], versions)
        self.assertEqual([record["s3"]["object"]["size"] for record in records], [2, 2, 3])
        for record in records:
            self.assertRegex(record["eventTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertEqual((record["s3"]["configurationId"], record["s3"]["bucket"]["name"]), ("lazaret", bucket))
            self.assertRegex(record["s3"]["object"]["eTag"], r"^[0-9a-f]{32}(-1)?$")

    def test_keys_come_form_encoded(self) -> None:
        bucket, (topic, queue) = self.cloud.bucket(), self.cloud.topic()
        self.cloud.notify(bucket, {"TopicArn": topic})
        keys = ["a b+c%.txt", "über/😀", "\x01\t\x7f", "folder/", "//x", "a&b=c?d#e'\"<", "x" * 1024]
        for key in keys:
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
        told = [record["s3"]["object"]["key"] for record in self.cloud.records(queue, len(keys))]
        self.assertIn("a+b%2Bc%25.txt", told)
        self.assertEqual({unquote_plus(key) for key in told}, set(keys))

    def test_rules_choose_by_prefix_and_suffix(self) -> None:
        bucket, (topic, queue), (other, other_queue) = self.cloud.bucket(), self.cloud.topic(), self.cloud.topic()

        def rule(topic: str, prefix: str, suffix: str) -> dict:
            filters = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
            return {"TopicArn": topic, "Filter": {"Key": {"FilterRules": filters}}}

        self.cloud.notify(bucket, rule(topic, "in/", ".jpg"), rule(other, "other/", ""), rule(topic, "more/", ""))
        for key in ("in/a.jpg", "in/a.png", "a.jpg", "other/b", "more/c"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
        told = {record["s3"]["object"]["key"] for record in self.cloud.records(queue, 2)}
        self.assertEqual(told, {"in/a.jpg", "more/c"})
        self.assertEqual(self.cloud.records(other_queue, 1)[0]["s3"]["object"]["key"], "other/b")

    def test_a_configuration_is_given_back_as_it_was_put_and_replaced_as_a_whole(self) -> None:
        bucket, (topic, _), (other, _) = self.cloud.bucket(), self.cloud.topic(), self.cloud.topic()
        rules = [{"Id": "z", "TopicArn": topic, "Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"]}]
        rules.append({"Id": "a", "TopicArn": other, "Events": ["s3:ObjectCreated:Copy"]})
        self.cloud.notify(bucket, *rules, EventBridgeConfiguration={})

        def told() -> dict:
            answer = self.s3.get_bucket_notification_configuration(Bucket=bucket)
            return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

        self.assertEqual(told(), {"TopicConfigurations": rules, "EventBridgeConfiguration": {}})
        self.cloud.notify(bucket, rules[1])
        self.assertEqual(told(), {"TopicConfigurations": rules[1:]})

    def test_a_topic_wraps_its_messages_for_those_who_did_not_ask_for_raw_ones(self) -> None:
        topic, _ = self.cloud.topic()
        queue, sns = self.cloud.queue(), self.cloud.client("sns")
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE_ARN + queue.rsplit("/", 1)[1])
        attributes = {"bucket": {"DataType": "String", "StringValue": "b"}}
        sns.publish(TopicArn=topic, Message='{"a": 1}', MessageAttributes=attributes)
        body = json.loads(self.cloud.message(queue))
        self.assertEqual((body["Type"], body["Message"], body["TopicArn"]), ("Notification", '{"a": 1}', topic))
        self.assertEqual(body["MessageAttributes"], {"bucket": {"Type": "String", "Value": "b"}})

    def test_a_task_puts_an_event_that_a_rule_passes_on(self) -> None:
        events, queue, rule, source = self.cloud.client("events"), self.cloud.queue(), unique(), unique()
        pattern = {"source": [source], "detail": {"result": ["Infected"], "bucket": [{"wildcard": "in-*"}]}}
        events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": QUEUE_ARN + queue.rsplit("/", 1)[1]}])
        entry = {"Source": source, "DetailType": "Object Scan Result", "Detail": "{% $states.input %}"}
        put = {"Put": task("events:putEvents", Arguments={"Entries": [entry]})}
        for result, bucket in (("Clean", "in-1"), ("Infected", "out-1"), ("Infected", "in-1")):
            end = self.cloud.run(put, {"result": result, "bucket": bucket})
            self.assertEqual(json.loads(end["output"])["FailedEntryCount"], 0)
        told = json.loads(self.cloud.bodies(queue, 1)[0])
        self.assertEqual(told["detail-type"], "Object Scan Result")
        self.assertEqual(told["detail"], {"result": "Infected", "bucket": "in-1"})


class Versions(unittest.TestCase):
    def setUp(self) -> None:
        self.cloud: Cloud = patched()
        self.s3 = self.cloud.client("s3")

    def test_each_version_is_read_tagged_and_deleted_by_its_id(self) -> None:
        bucket = self.cloud.bucket("Enabled")
        first = self.s3.put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="n=1")["VersionId"]
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        for body in (b"2", b"3"):
            self.s3.put_object(Bucket=bucket, Key="a", Body=body, Tagging="n=3")
        listed = self.s3.list_object_versions(Bucket=bucket)["Versions"]
        self.assertEqual([(v["VersionId"], v["IsLatest"]) for v in listed], [("null", True), (first, False)])
        for version, body in ((first, b"1"), ("null", b"3")):
            self.assertEqual(self.read(bucket, "a", VersionId=version), body)
            self.assertEqual(self.cloud.tags(bucket, "a", VersionId=version), {"n": body.decode()})
        self.s3.delete_object(Bucket=bucket, Key="a", VersionId="null")
        self.assertEqual((self.read(bucket, "a"), self.cloud.tags(bucket, "a")), (b"1", {"n": "1"}))
        self.assertNotIn("DeleteMarkers", self.s3.list_object_versions(Bucket=bucket))

    def test_an_object_without_versions_is_its_null_version(self) -> None:
        target = {"Bucket": self.cloud.bucket(), "Key": "a"}
        self.s3.put_object(**target, Body=b"1")
        self.assertEqual(self.read(**{"bucket": target["Bucket"], "key": "a"}, VersionId="null"), b"1")
        self.assertEqual(error_code(self.s3.get_object, **target, VersionId="0123"), "NoSuchVersion")
        self.s3.delete_object(**target, VersionId="null")
        self.assertEqual(error_code(self.s3.head_object, **target), "404")

    def test_a_version_that_is_gone_is_told_from_an_object_that_is_gone(self) -> None:
        target = {"Bucket": self.cloud.bucket("Enabled"), "Key": "a"}
        gone = self.s3.put_object(**target, Body=b"1")["VersionId"]
        self.s3.put_object(**target, Body=b"2")
        self.s3.delete_object(**target, VersionId=gone)
        self.assertEqual(error_code(self.s3.get_object, **target, VersionId=gone), "NoSuchVersion")
        copy = {**target, "Key": "b", "CopySource": {**target, "VersionId": gone}}
        self.assertEqual(error_code(self.s3.copy_object, **copy), "NoSuchVersion")
        self.assertEqual(error_code(self.s3.delete_object, **target, VersionId=gone), "none")
        self.s3.delete_object(**target)
        self.assertEqual(error_code(self.s3.get_object, **target), "NoSuchKey")

    def test_copies_are_of_the_version_that_was_asked_for(self) -> None:
        bucket, target = self.cloud.bucket("Enabled"), self.cloud.bucket("Enabled")
        owner = {"ContentType": "a/b", "CacheControl": "no-store", "ContentLanguage": "de", "Metadata": {"m": "1"}}
        first = self.s3.put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="n=1", **owner)
        self.s3.put_object(Bucket=bucket, Key="a", Body=b"2")
        source = {"Bucket": bucket, "Key": "a", "VersionId": first["VersionId"]}
        copy = {"Bucket": target, "Key": "b", "CopySource": source}
        wrong = error_code(self.s3.copy_object, **copy, CopySourceIfMatch='"00"')
        self.assertEqual(wrong, "PreconditionFailed")
        answer = self.s3.copy_object(**copy, CopySourceIfMatch=first["ETag"])
        self.assertEqual(answer["CopySourceVersionId"], first["VersionId"])
        head = self.s3.head_object(Bucket=target, Key="b", VersionId=answer["VersionId"])
        self.assertEqual({name: head.get(name) for name in owner}, owner)
        self.assertEqual((self.read(target, "b"), self.cloud.tags(target, "b")), (b"1", {"n": "1"}))
        replaced = {"MetadataDirective": "REPLACE", "Metadata": {"x": "y"}, "ContentType": "c/d"}
        self.s3.copy_object(**copy, **replaced, TaggingDirective="REPLACE", Tagging="p=q%2B1")
        head = self.s3.head_object(Bucket=target, Key="b")
        self.assertEqual((head["Metadata"], head["ContentType"], head.get("CacheControl")), ({"x": "y"}, "c/d", None))
        self.assertEqual(self.cloud.tags(target, "b"), {"p": "q+1"})

    def test_parts_are_copied_from_a_range_of_a_version(self) -> None:
        bucket, body = self.cloud.bucket("Enabled"), bytes(range(256)) * 24_576
        first = self.s3.put_object(Bucket=bucket, Key="a", Body=body)
        self.s3.put_object(Bucket=bucket, Key="a", Body=b"2")
        target = {"Bucket": bucket, "Key": "b"}
        target["UploadId"] = self.s3.create_multipart_upload(**target)["UploadId"]
        source = {"CopySource": {"Bucket": bucket, "Key": "a", "VersionId": first["VersionId"]}}
        part = {**target, **source, "PartNumber": 1, "CopySourceRange": "bytes=0-5242879"}
        wrong = error_code(self.s3.upload_part_copy, **part, CopySourceIfMatch='"00"')
        self.assertEqual(wrong, "PreconditionFailed")
        parts = [self.s3.upload_part_copy(**part, CopySourceIfMatch=first["ETag"])]
        last = {"PartNumber": 2, "CopySourceRange": f"bytes=5242880-{len(body) - 1}"}
        parts.append(self.s3.upload_part_copy(**{**part, **last}))
        tags = [answer["CopyPartResult"]["ETag"] for answer in parts]
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        self.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": listed})
        self.assertEqual(self.read(bucket, "b"), body)

    def test_a_bucket_encrypts_what_comes_into_it_with_its_key(self) -> None:
        bucket, key = self.cloud.bucket(), self.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
        self.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
        source = {"Bucket": self.cloud.bucket(), "Key": "a"}
        self.s3.put_object(**source, Body=b"1")
        self.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
        self.cloud.multipart(bucket, "upload", b"1")
        for name in ("copy", "upload"):
            head = self.s3.head_object(Bucket=bucket, Key=name)
            self.assertEqual((head["ServerSideEncryption"], head["SSEKMSKeyId"]), ("aws:kms", key))

    def read(self, bucket: str, key: str, **version: str) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read()


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

    def test_completions_of_uploads_are_conditional(self) -> None:
        target = {"Bucket": self.bucket, "Key": "upload"}

        def complete(**condition: str) -> str:
            upload = {**target, "UploadId": self.s3.create_multipart_upload(**target)["UploadId"]}
            part = {"PartNumber": 1, "ETag": self.s3.upload_part(**upload, PartNumber=1, Body=b"1")["ETag"]}
            return error_code(
                self.s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [part]}, **condition
            )

        self.assertEqual([complete(IfNoneMatch="*") for _ in range(2)], ["none", "PreconditionFailed"])
        self.assertEqual(complete(IfMatch='"0123"'), "PreconditionFailed")
        self.assertEqual(complete(IfMatch=self.s3.head_object(**target)["ETag"]), "none")

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
