"""`local/up` and `local/down`, without the CDK."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from support import LOCAL, eventually, free_port, patched, runner_program  # isort: skip  (it makes `control` importable)
from test_load_balancer import Balancer  # isort: skip

from cloud.settings import REGION
from control import api, destroy, events, processes, programs
from control.deploy import client
from control.place import LONGEST_SOCKET, Place


class UpAndDown(unittest.TestCase):
    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="lazaret-up-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        (directory / "target" / "debug").mkdir(parents=True)
        shutil.copy2(runner_program(), directory / "target" / "debug")
        self.environment = {
            "LAZARET_LOCAL_DIR": str(directory / "state"),
            "LAZARET_LOCAL_PORT": str(free_port()),
            "CARGO_TARGET_DIR": str(directory / "target"),
            "LAZARET_PYTHON": sys.executable,
            "AWS_PROFILE": "a-real-account",
        }
        self.place = Place.from_environment(self.environment)
        self.addCleanup(self.run_script, "down")

    def run_script(self, name: str, *arguments: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **self.environment}
        return subprocess.run([LOCAL / name, *arguments], env=environment, capture_output=True, text=True, check=False)

    def up(self, *arguments: str) -> str:
        done = self.run_script("up", "--no-deploy", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_running_cloud_is_used_on_and_down_leaves_nothing(self) -> None:
        self.assertIn("started", self.up())
        first = processes.running(self.place)
        self.assertEqual(len(first), 2, "runner and MiniStack")
        self.assertIn("was running", self.up())
        self.assertEqual(processes.running(self.place), first)
        sourced = f"set -eu; . {self.place.env_file}; echo $AWS_ENDPOINT_URL ${{AWS_PROFILE-none}}; command -v lazaret"
        (self.place.target / "lazaret").touch(mode=0o755)
        shell = subprocess.run(
            ["sh", "-c", sourced], env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        expected = f"{self.place.endpoint} none\n{self.place.state / 'bin' / 'lazaret'}\n"
        self.assertEqual(shell.stdout, expected, shell.stderr)

        self.assertIn("stopped", self.run_script("down").stdout)
        self.assertEqual(processes.running(self.place), [])
        self.assertFalse(self.place.env_file.exists())
        self.assertIn("was not running", self.run_script("down").stdout)

    def test_what_is_left_of_the_stacks_is_found_and_what_was_never_deployed_is_not_destroyed(self) -> None:
        self.up()
        self.assertEqual(list(destroy.leftovers(self.place)), [])
        client(self.place, "sqs").create_queue(QueueName="lazaret-events")
        client(self.place, "s3").create_bucket(
            Bucket="lazaret-results", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        client(self.place, "sns").create_topic(Name="somebodys")
        self.assertEqual(list(destroy.leftovers(self.place)), ["bucket lazaret-results", "queue lazaret-events"])
        done = self.run_script("destroy")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("nothing is deployed", done.stderr)
        self.run_script("down")
        self.assertIn("no local cloud runs", self.run_script("destroy").stderr)

    def test_half_a_cloud_is_started_anew(self) -> None:
        self.up()
        before = processes.running(self.place)
        os.kill(before[0], signal.SIGKILL)
        eventually("one of them is gone", lambda: before[0] not in processes.running(self.place))
        self.assertIn("started", self.up())
        self.assertFalse(set(before) & set(processes.running(self.place)))

    def test_a_taken_port_is_named_and_nothing_stays_behind(self) -> None:
        with socket.create_server(("127.0.0.1", self.place.port)):
            done = self.run_script("up", "--no-deploy")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"port {self.place.port} is taken", done.stderr)
        self.assertEqual(processes.running(self.place), [])

    def test_missing_programs_are_named(self) -> None:
        done = self.run_script("up")
        self.assertEqual(done.returncode, 2)
        for name in ("lazaret-agent", "lazaret-engine", "bootstrap"):
            self.assertIn(name, done.stderr)

    def test_down_leaves_the_processes_of_others_alone(self) -> None:
        other = Place.from_environment({**self.environment, "LAZARET_LOCAL_DIR": str(self.place.state) + "-other"})
        other.state.mkdir()
        self.addCleanup(shutil.rmtree, other.state)
        bystander = processes.start(other, "bystander", ["sleep", "60"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        self.up()
        self.run_script("down")
        self.assertIsNone(bystander.poll())


class EventAgents(unittest.TestCase):
    def setUp(self) -> None:
        self.cloud, directory = patched(), Path(tempfile.mkdtemp(prefix="lazaret-agents-"))
        self.addCleanup(shutil.rmtree, directory)
        self.place = Place(directory, self.cloud.port, directory)
        for name in (programs.AGENT, programs.ENGINE):
            (directory / name).write_text("first")

    def serve(self, script: str) -> None:
        ecs = self.cloud.client("ecs")
        service = {"cluster": events.CLUSTER, "service": events.SERVICE}
        family = self.cloud.task_definition(script)
        ecs.create_service(
            cluster=events.CLUSTER,
            serviceName=events.SERVICE,
            taskDefinition=family,
            desiredCount=1,
            launchType="FARGATE",
        )
        self.addCleanup(ecs.delete_service, **service, force=True)

    def test_without_the_service_nothing_is_awaited(self) -> None:
        self.assertIsNone(events.ensure_agents(self.place, cloud_started=False))

    def test_agents_are_awaited_and_replaced_once_their_program_has_changed(self) -> None:
        self.serve("exec sleep 60")
        self.assertEqual(events.ensure_agents(self.place, cloud_started=True), "1 agent runs")
        first = self.cloud.service_tasks(events.SERVICE)
        self.assertEqual(events.ensure_agents(self.place, cloud_started=False), "1 agent runs")
        self.assertEqual(self.cloud.service_tasks(events.SERVICE), first)
        (self.place.target / programs.AGENT).write_text("second, and longer")
        self.assertEqual(events.ensure_agents(self.place, cloud_started=False), "1 agent runs")
        self.assertFalse(self.cloud.service_tasks(events.SERVICE) & first)

    def test_agents_that_end_at_once_are_told_of(self) -> None:
        self.serve("exit 1")
        with unittest.mock.patch.object(events, "START_SECONDS", 3.0):
            self.assertIn("no agent stays up", events.ensure_agents(self.place, cloud_started=True) or "")


class VerdictApi(unittest.TestCase):
    def setUp(self) -> None:
        self.cloud, directory = patched(), Path(tempfile.mkdtemp(prefix="lazaret-api-"))
        self.addCleanup(shutil.rmtree, directory)
        self.place = Place(directory, self.cloud.port, directory)
        for name in (programs.API, programs.ENGINE):
            (directory / name).write_text("first")

    def test_without_it_nothing_is_awaited_and_nothing_told(self) -> None:
        self.assertIsNone(api.ensure_api(self.place, cloud_started=False))
        self.assertEqual(api.variables(self.place), {})

    def test_it_is_awaited_behind_its_load_balancer_and_replaced_once_its_program_has_changed(self) -> None:
        balancer = Balancer(self.cloud, api.SERVICE)
        self.addCleanup(balancer.delete)
        balancer.service(api.SERVICE, READY_AFTER="1")
        ecs = self.cloud.client("ecs")
        self.addCleanup(ecs.delete_service, cluster=api.CLUSTER, service=api.SERVICE, force=True)
        pool = self.cloud.client("cognito-idp").create_user_pool(PoolName=api.USER_POOL)["UserPool"]["Id"]
        told = api.ensure_api(self.place, cloud_started=True)
        url = api.url(self.place)
        self.assertEqual(told, f"ready at {url}")
        self.assertRegex(url or "", r"^http://127\.\d+\.\d+\.\d+:8080$")
        self.assertEqual(api.variables(self.place), {"LAZARET_API_URL": url, "LAZARET_USER_POOL_ID": pool})
        first = self.cloud.service_tasks(api.SERVICE)
        self.assertEqual(api.ensure_api(self.place, cloud_started=False), told)
        self.assertEqual(self.cloud.service_tasks(api.SERVICE), first)
        (self.place.target / programs.API).write_text("second, and longer")
        self.assertEqual(api.ensure_api(self.place, cloud_started=False), told)
        self.assertFalse(self.cloud.service_tasks(api.SERVICE) & first)

    def test_one_that_is_never_ready_is_told_of(self) -> None:
        balancer = Balancer(self.cloud, api.SERVICE)
        self.addCleanup(balancer.delete)
        balancer.service(api.SERVICE, READY_AFTER="600", SAYS="no", STATUS="503")
        ecs = self.cloud.client("ecs")
        self.addCleanup(ecs.delete_service, cluster=api.CLUSTER, service=api.SERVICE, force=True)
        with unittest.mock.patch.object(api, "START_SECONDS", 3.0):
            self.assertIn("not ready", api.ensure_api(self.place, cloud_started=True) or "")


class SocketPath(unittest.TestCase):
    def test_a_long_path_gets_a_short_socket(self) -> None:
        place = Place.from_environment({"LAZARET_LOCAL_DIR": "/" + "deep/" * 40})
        self.assertLessEqual(len(bytes(place.socket)), LONGEST_SOCKET)
        self.assertEqual(Place.from_environment({"LAZARET_LOCAL_DIR": "/a"}).socket, Path("/a/docker.sock"))


if __name__ == "__main__":
    unittest.main()
