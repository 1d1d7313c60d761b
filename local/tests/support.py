"""A cloud for the tests: a runner and MiniStack in processes of their own, patched or stock."""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import ClientError

LOCAL = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(LOCAL))  # the packages under test
ROLE = "arn:aws:iam::000000000000:role/test"
QUEUE_ARN = "arn:aws:sqs:eu-central-1:000000000000:"
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]  # a profile or an endpoint of the caller's could lead to a real account
# One for both clouds: it keeps the models of the services that it has read.
_SESSION = botocore.session.get_session()


def runner_program() -> Path:
    """`LAZARET_RUNNER`, or where cargo puts it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", LOCAL.parent / "target"))
    program = Path(os.environ.get("LAZARET_RUNNER", target / "debug" / "lazaret-local-runner"))
    if not program.exists():
        raise SystemExit(f"{program} is not there: run `cargo build -p lazaret-local-runner`, or set LAZARET_RUNNER")
    return program


class Cloud:
    def __init__(self, patches: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"lazaret-cloud-{patches}-"))
        # run last, so when both programs have ended
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.port = free_port()
        images = self.directory / "images.json"
        images.write_text(json.dumps({"shell": {"argv": ["/bin/sh", "-c"]}}))
        runner_socket = self.directory / "docker.sock"
        self._start(
            [str(runner_program())],
            LAZARET_RUNNER_SOCKET=str(runner_socket),
            LAZARET_RUNNER_IMAGES=str(images),
            LAZARET_RUNNER_DIR=str(self.directory / "runner"),
        )
        eventually("the runner listens", runner_socket.exists)
        self._start(
            [sys.executable, "-m", "cloud"],
            LAZARET_LOCAL_PORT=str(self.port),
            LAZARET_CLOUD_SCRATCH=str(self.directory / "scratch"),
            LAZARET_CLOUD_PATCHES=patches,
            DOCKER_HOST=f"unix://{runner_socket}",
            PYTHONPATH=str(LOCAL),
        )
        eventually("MiniStack answers", self._healthy)

    def _start(self, command: list[str], **variables: str) -> None:
        with (self.directory / f"{Path(command[0]).name}.log").open("wb") as log:
            process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
        atexit.register(_end, process)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ministack/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    @functools.cache  # noqa: B019  (a test run has two clouds)
    def client(self, service: str, access_key: str = "test") -> Any:
        return _SESSION.create_client(
            service,
            region_name="eu-central-1",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=access_key,
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"max_attempts": 1}, inject_host_prefix=False),
        )

    def machine(self, states: dict, kind: str = "STANDARD", **machine: Any) -> str:
        """A state machine of these states, the first of which is the first; returns its ARN."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **machine}
        made = self.client("stepfunctions").create_state_machine(
            name=unique(), definition=json.dumps(definition), roleArn=ROLE, type=kind
        )
        return made["stateMachineArn"]

    def start(self, states: dict, /, execution_input: Any = None, **machine: Any) -> str:
        """Starts an execution of a machine of these states; returns its ARN."""
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine(states, **machine), input=json.dumps(execution_input or {})
        )
        return started["executionArn"]

    def describe(self, execution: str) -> dict:
        return self.client("stepfunctions").describe_execution(executionArn=execution)

    def end_of(self, execution: str, seconds: float = 10) -> dict:
        """How it ended; fails if it does not end in time."""
        eventually("the execution ends", lambda: self.describe(execution)["status"] != "RUNNING", seconds)
        return self.describe(execution)

    def run(self, states: dict, /, execution_input: Any = None, **machine: Any) -> dict:
        return self.end_of(self.start(states, execution_input, **machine))

    def bucket(self, versioning: str | None = None) -> str:
        """A bucket of its own; `versioning` is `Enabled` or `Suspended`."""
        name, s3 = unique(), self.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        if versioning:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning})
        return name

    def tags(self, bucket: str, key: str, **version: str) -> dict[str, str]:
        found = self.client("s3").get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def multipart(self, bucket: str, key: str, *parts: bytes, **more: Any) -> dict:
        """What the upload's completion answers."""
        s3, target = self.client("s3"), {"Bucket": bucket, "Key": key}
        target["UploadId"] = s3.create_multipart_upload(**target, **more)["UploadId"]
        sent = [s3.upload_part(**target, PartNumber=number, Body=part) for number, part in enumerate(parts, 1)]
        listed = [{"PartNumber": number, "ETag": answer["ETag"]} for number, answer in enumerate(sent, 1)]
        return s3.complete_multipart_upload(**target, MultipartUpload={"Parts": listed})

    def topic(self) -> tuple[str, str]:
        """A topic's ARN, and the URL of a queue that gets its messages raw."""
        queue, sns = self.queue(), self.client("sns")
        topic = sns.create_topic(Name=unique())["TopicArn"]
        endpoint = QUEUE_ARN + queue.rsplit("/", 1)[1]
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=raw)
        return topic, queue

    def notify(self, bucket: str, *rules: dict, **more: Any) -> None:
        """Sets the bucket's notifications to these rules of topics."""
        rules = [{"Events": ["s3:ObjectCreated:*"], **rule} for rule in rules]
        configuration = {"TopicConfigurations": rules, **more}
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration
        )

    def records(self, queue: str, count: int) -> list[dict]:
        """The next `count` records about objects, test events left out; waits, and fails if there are more."""
        found: list[dict] = []

        def arrive() -> bool:
            found.extend(record for body in self.messages(queue) for record in json.loads(body).get("Records", []))
            return len(found) >= count

        eventually(f"{count} records arrive", arrive)
        if len(found) != count:
            raise AssertionError(f"{len(found)} records, not {count}")
        return found

    def as_role(self, arn: str, service: str) -> Any:
        """A client with the credentials that a function of this role has."""
        source = "import os\ndef answer(event): return os.environ['AWS_ACCESS_KEY_ID']"
        told = self.client("lambda").invoke(FunctionName=self.function(source, role=arn))["Payload"]
        return self.client(service, json.load(told))

    def who_has(self, access_key: str) -> str:
        """The ARN of the caller with this key."""
        return self.client("sts", access_key).get_caller_identity()["Arn"]

    def role(self) -> dict:
        return self.client("iam").create_role(RoleName=unique(), AssumeRolePolicyDocument="{}")["Role"]

    def queue(self) -> str:
        return self.client("sqs").create_queue(QueueName=unique())["QueueUrl"]

    def messages(self, queue: str) -> list[str]:
        """All that are in it; they are deleted."""
        bodies: list[str] = []
        while True:
            batch = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            if not batch:
                return bodies
            for message in batch:
                self.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])

    def peek(self, queue: str) -> list[dict]:
        """Up to ten messages, which stay where they are."""
        peeked = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return peeked.get("Messages", [])

    def bodies(self, queue: str, count: int) -> list[str]:
        """The next `count` messages; waits for them, and fails if there are more."""
        found: list[str] = []

        def arrive() -> bool:
            found.extend(self.messages(queue))
            return len(found) >= count

        eventually(f"{count} messages arrive", arrive)
        if len(found) != count:
            raise AssertionError(f"{len(found)} messages, not {count}")
        return found

    def message(self, queue: str, seconds: float = 5) -> str:
        """The next one; waits for it."""
        found: list[str] = []

        def arrives() -> bool:
            found.extend(self.messages(queue))
            return bool(found)

        eventually("a message arrives", arrives, seconds)
        return found[0]

    def task_definition(self, script: str, role: str = ROLE, **container: Any) -> str:
        """A family whose one container, `main`, runs a shell script."""
        family = unique()
        self.client("ecs").create_cluster(clusterName="lazaret")
        self.client("ecs").register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            taskRoleArn=role,
            containerDefinitions=[{"name": "main", "image": "shell:local", "command": [script], **container}],
        )
        return family

    def log_of(self, arn: str) -> str:
        """What the task's container has written."""
        name = f"ministack-ecs-{arn.rsplit('/', 1)[-1][:8]}-main.log"
        return (self.directory / "runner" / "logs" / name).read_text()

    def task(self, arn: str) -> dict:
        return self.client("ecs").describe_tasks(cluster="lazaret", tasks=[arn])["tasks"][0]

    def service(self, family: str, count: int) -> str:
        """A service of the cluster `lazaret`; returns its name."""
        name = unique()
        self.client("ecs").create_service(
            cluster="lazaret", serviceName=name, taskDefinition=family, desiredCount=count, launchType="FARGATE"
        )
        return name

    def service_tasks(self, name: str) -> set[str]:
        """ARNs of those that run and shall run."""
        arns = self.client("ecs").list_tasks(cluster="lazaret", serviceName=name)["taskArns"]
        return {arn for arn in arns if self.task(arn)["lastStatus"] == "RUNNING"}

    def deploy(self, resources: dict) -> str:
        """A stack of these resources; returns its name."""
        name, stacks = unique(), self.client("cloudformation")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

        def status() -> str:
            return stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]

        eventually("the stack is made", lambda: not status().endswith("_IN_PROGRESS"))
        if status() != "CREATE_COMPLETE":
            raise AssertionError(f"the stack ended as {status()}")
        return name

    def pid_files(self, arn: str) -> list[Path]:
        """Of the task's containers that run, whatever MiniStack says."""
        task_id = arn.rsplit("/", 1)[-1]
        return list((self.directory / "runner" / "running").glob(f"*-{task_id[:8]}-*.pid"))

    def function(self, source: str, role: str = ROLE) -> str:
        """A function that answers each event with `answer(event)` of this Python source; returns its ARN."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            bootstrap = zipfile.ZipInfo("bootstrap")
            bootstrap.external_attr = 0o755 << 16
            file.writestr(bootstrap, f"#!{sys.executable}\n{source}\n{_RUNTIME}")
        created = self.client("lambda").create_function(
            FunctionName=unique(),
            Runtime="provided.al2023",
            Handler="tear_down",
            Role=role,
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
        )
        return created["FunctionArn"]


# The Lambda runtime in ten lines. A `ValueError(name, message)` is the function's own error.
_RUNTIME = """
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    call = urllib.request.urlopen(api + "next")
    path = api + call.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        path, body = path + "/response", answer(json.load(call))
    except ValueError as error:
        path, body = path + "/error", {"errorType": error.args[0], "errorMessage": error.args[1]}
    urllib.request.urlopen(urllib.request.Request(path, json.dumps(body).encode(), method="POST"))
"""


@functools.cache
def patched() -> Cloud:
    return Cloud("all")


@functools.cache
def stock() -> Cloud:
    return Cloud("none")


class PatchTest:
    """One behaviour of AWS: our cloud has it, and stock MiniStack still lacks it."""

    def behaviour(self, cloud: Cloud) -> None:
        raise NotImplementedError

    def test_the_local_cloud_does_as_aws(self) -> None:
        _stock_verdicts()  # they take their time: meanwhile this one runs
        self.behaviour(patched())

    def test_stock_still_needs_the_patch(self) -> None:
        error = _stock_verdicts()[type(self)].exception()
        if error is None:
            raise AssertionError("no longer needed: this MiniStack does as AWS without the patch; remove it")
        if not isinstance(error, (AssertionError, ClientError, KeyError)):
            raise error


@functools.cache
def _stock_verdicts() -> dict[type, Future]:
    """Every behaviour on stock MiniStack, all at once: most of their time is waiting for what never comes."""
    cloud, tests = stock(), PatchTest.__subclasses__()
    pool = ThreadPoolExecutor(len(tests))
    return {test: pool.submit(test().behaviour, cloud) for test in tests}


def task(resource: str, **fields: Any) -> dict:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True, **fields}


def send_task(queue: str) -> dict:
    """Sends its input to a queue."""
    return task("sqs:sendMessage", Arguments={"QueueUrl": queue, "MessageBody": "{% $string($states.input) %}"})


def token_task(queue: str, **fields: Any) -> dict:
    """Sends its token to a queue and waits for the answer."""
    arguments = {"QueueUrl": queue, "MessageBody": "{% $states.context.Task.Token %}"}
    return task("sqs:sendMessage.waitForTaskToken", Arguments=arguments, **fields)


def error_code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code that a call fails with; `none` if it does not fail."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def eventually(what: str, holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def unique() -> str:
    return f"t{time.time_ns()}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        # MiniStack waits for open connections, and has nothing to save.
        process.kill()
        process.wait()
