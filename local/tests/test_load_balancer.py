"""Load balancers of the local cloud: what needed the patch `load_balancer`. The wire itself is in `test_balancer`."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support import Cloud, PatchTest, eventually, free_port, patched, unique

MIB = 1 << 20
# Answers `/check` once the file says so, and everything else, after some seconds where the path names them.
SERVER = """exec python3 -c '
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ready = time.monotonic() + float(os.environ.get("READY_AFTER", "0"))
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        text, status = os.environ.get("SAYS", "").encode(), int(os.environ.get("STATUS", "200"))
        if self.path == "/check":
            status = 200 if time.monotonic() >= ready else 503
        else:
            time.sleep(float(self.path.rpartition("/wait/")[2]) if "/wait/" in self.path else 0)
        self.send_response(status); self.send_header("Content-Length", str(len(text))); self.end_headers()
        self.wfile.write(text)
    def log_message(self, *arguments): pass
ThreadingHTTPServer((os.environ["LAZARET_LOCAL_ADDRESS"], 8080), Answer).serve_forever()
'"""


class Balancer:
    """One with a listener on port 80 and a target group."""

    def __init__(self, cloud: Cloud, name: str | None = None, **attributes: str) -> None:
        self.cloud, self.elb, self.name = cloud, cloud.client("elbv2"), name or f"lb-{unique()[:20]}"
        (made,) = self.elb.create_load_balancer(Name=self.name, Subnets=["subnet-1", "subnet-2"])["LoadBalancers"]
        self.arn = made["LoadBalancerArn"]
        if attributes:
            pairs = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
            self.elb.modify_load_balancer_attributes(LoadBalancerArn=self.arn, Attributes=pairs)
        (group,) = self.elb.create_target_group(
            Name=self.name,
            Protocol="HTTP",
            Port=8080,
            VpcId="vpc-1",
            TargetType="ip",
            HealthCheckPath="/check",
            HealthCheckIntervalSeconds=5,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"]
        self.group = group["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": self.group}]
        self.elb.create_listener(LoadBalancerArn=self.arn, Protocol="HTTP", Port=80, DefaultActions=forward)

    def delete(self) -> None:
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)
        self.elb.delete_target_group(TargetGroupArn=self.group)

    def register(self, *places: tuple[str, int]) -> None:
        targets = [{"Id": address, "Port": port} for address, port in places]
        self.elb.register_targets(TargetGroupArn=self.group, Targets=targets)

    def connection(self, seconds: float = 5) -> tuple[http.client.HTTPConnection, str]:
        """To where its name leads, and what stands before a path there."""
        (balancer,) = self.elb.describe_load_balancers(LoadBalancerArns=[self.arn])["LoadBalancers"]
        if balancer["DNSName"].startswith("127."):
            return http.client.HTTPConnection(balancer["DNSName"], 8080, timeout=seconds), ""
        # stock: a path of MiniStack's
        return http.client.HTTPConnection("127.0.0.1", self.cloud.port, timeout=seconds), f"/_alb/{self.name}"

    def get(self, path: str = "/", **more: Any) -> tuple[int, bytes]:
        return self.send("GET", path, **more)

    def send(self, method: str, path: str, body: Any = None, seconds: float = 5) -> tuple[int, bytes]:
        """0 if there was no answer in time."""
        connection, prefix = self.connection(seconds)
        try:
            connection.request(method, prefix + path, body=body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def states(self) -> list[str]:
        health = self.elb.describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return sorted(one["TargetHealth"]["State"] for one in health)

    def await_states(self, *states: str) -> None:
        eventually(f"targets are {states}, not {self.states()}", lambda: self.states() == sorted(states))

    def service(self, name: str | None = None, **environment: str) -> str:
        family = self.cloud.task_definition(
            SERVER,
            portMappings=[{"containerPort": 8080}],
            environment=[{"name": name, "value": value} for name, value in environment.items()],
            stopTimeout=2,
        )
        name = name or unique()
        self.cloud.client("ecs").create_service(
            cluster="lazaret",
            serviceName=name,
            taskDefinition=family,
            desiredCount=1,
            launchType="FARGATE",
            loadBalancers=[{"targetGroupArn": self.group, "containerName": "main", "containerPort": 8080}],
        )
        return name


class Target:
    """A server of this process."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None], address: str = "127.0.0.1") -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.place = self.server.server_address[:2]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def reply(handler: BaseHTTPRequestHandler, status: int = 200, text: bytes = b"ok") -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    with contextlib.suppress(ConnectionError):  # who asked may have gone
        handler.wfile.write(text)


class BodiesAreStreamed(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        begun = threading.Event()

        def answer(handler: BaseHTTPRequestHandler) -> None:
            length = int(handler.headers.get("Content-Length") or 0)
            if length:
                handler.rfile.read(1)
                begun.set()
                handler.rfile.read(length - 1)
            reply(handler)

        balancer = Balancer(cloud)
        balancer.register(Target(answer).place)
        balancer.await_states("healthy")

        def body() -> Iterator[bytes]:
            yield bytes(MIB)
            self.assertTrue(begun.wait(3), "the target has nothing before the client has sent all")
            yield bytes(MIB)

        connection, prefix = balancer.connection()
        connection.request("POST", f"{prefix}/", body=body(), headers={"Content-Length": str(2 * MIB)})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()


class TargetsAreChecked(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        well, ailing = Target(reply), Target(lambda handler: reply(handler, 503), "127.0.0.2")
        balancer = Balancer(cloud)
        balancer.register(well.place, ailing.place)
        balancer.await_states("healthy", "initial")
        self.assertEqual({balancer.get()[0] for _ in range(12)}, {200})


class SilenceLastsAsLongAsItMay(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            if handler.path != "/check":
                time.sleep(4)
            reply(handler)

        balancer = Balancer(cloud, idle_timeout__timeout_seconds="1")
        balancer.register(Target(answer).place)
        balancer.await_states("healthy")
        begun = time.monotonic()
        self.assertEqual(balancer.get()[0], 504)
        self.assertLess(time.monotonic() - begun, 3)


class TheWholePathIsTheTargets(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        target = Target(lambda handler: reply(handler, text=handler.path.encode()))
        balancer = Balancer(cloud)
        balancer.register(target.place)
        balancer.await_states("healthy")
        (told,) = balancer.elb.describe_load_balancers(LoadBalancerArns=[balancer.arn])["LoadBalancers"]
        connection, _ = balancer.connection()
        # by its name, as a client that looks it up would
        connection.request("GET", "/health?a=%2F", headers={"Host": told["DNSName"]})
        self.assertEqual(connection.getresponse().read(), b"/health?a=%2F")
        connection.close()


class StoppedTasksFinish(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        balancer = Balancer(cloud)
        service = balancer.service(SAYS="done")
        eventually("it answers", lambda: balancer.get()[0] == 200)
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(balancer.get("/wait/1.5")))
        asking.start()
        time.sleep(0.3)  # until it is in the task's hands
        ecs = cloud.client("ecs")
        ecs.update_service(cluster="lazaret", service=service, desiredCount=0)
        asking.join()
        self.assertEqual(answers, [(200, b"done")])
        eventually("nobody is there", lambda: balancer.get()[0] == 503)
        ecs.delete_service(cluster="lazaret", service=service, force=True)


class OldTasksGoWhenNewOnesAreHealthy(PatchTest, unittest.TestCase):
    """load_balancer"""

    def behaviour(self, cloud: Cloud) -> None:
        balancer = Balancer(cloud)
        service, ecs = balancer.service(SAYS="old"), cloud.client("ecs")
        balancer.await_states("healthy")
        eventually("it answers", lambda: balancer.get()[0] == 200)
        environment = [{"name": "SAYS", "value": "new"}, {"name": "READY_AFTER", "value": "4"}]
        family = cloud.task_definition(SERVER, portMappings=[{"containerPort": 8080}], environment=environment)
        ecs.update_service(cluster="lazaret", service=service, taskDefinition=family)
        begun, answers = time.monotonic(), []
        while not answers or answers[-1] != (200, b"new"):
            self.assertLess(time.monotonic() - begun, 15, answers[-1:])
            answers.append(balancer.get())
        self.assertEqual(set(answers), {(200, b"old"), (200, b"new")})
        self.assertGreater(time.monotonic() - begun, 3, "it got requests before it was ready")
        ecs.delete_service(cluster="lazaret", service=service, force=True)


class OwnAddresses(unittest.TestCase):
    def test_a_load_balancer_listens_as_long_as_it_is_there(self) -> None:
        balancer = Balancer(patched())
        balancer.register(Target(reply).place)
        balancer.await_states("healthy")
        (told,) = balancer.elb.describe_load_balancers(LoadBalancerArns=[balancer.arn])["LoadBalancers"]
        place = (told["DNSName"], 8080)
        self.assertTrue(place[0].startswith("127."))
        eventually("it answers", lambda: balancer.get() == (200, b"ok"))
        balancer.elb.delete_load_balancer(LoadBalancerArn=balancer.arn)
        eventually("nobody listens", lambda: not listens(place))

    def test_two_have_two(self) -> None:
        addresses = set()
        for _ in range(2):
            balancer = Balancer(patched())
            (told,) = balancer.elb.describe_load_balancers(LoadBalancerArns=[balancer.arn])["LoadBalancers"]
            addresses.add(told["DNSName"])
        self.assertEqual(len(addresses), 2)

    def test_a_target_that_is_not_there_is_not_healthy(self) -> None:
        balancer = Balancer(patched())
        balancer.register(("127.0.0.1", free_port()))
        balancer.await_states("initial")
        eventually("it says so", lambda: balancer.get()[0] == 502)


def listens(place: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(place) == 0


if __name__ == "__main__":
    unittest.main()
