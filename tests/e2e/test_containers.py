"""The compose file for real, on podman: built, started, scaled, each container killed. Slow; as root alone.

The images that it names must be here (no registry is asked): python:3.13-slim-trixie, and REDIS_IMAGE and
CADDY_IMAGE or their defaults.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.service import BASE_DIR, PYTHON, free_port
from tests.waiting import until

PROJECT = "one-writer-tested"
COUNT = "from items.models import Item; print(Item.objects.count())"
COMPOSE = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]


def image(name: str) -> str:
    variable, default = re.fullmatch(r"\$\{(\w+):-(.+)\}", COMPOSE[name]["image"]).groups()  # type: ignore[union-attr]
    return os.environ.get(variable) or default


def what_is_missing() -> str:
    if os.geteuid() != 0 or not (shutil.which("podman") and shutil.which("podman-compose")):
        return "podman and podman-compose are not set up here, for root"
    for name in ("python:3.13-slim-trixie", image("redis"), image("proxy")):
        if subprocess.run(["podman", "image", "exists", name], capture_output=True).returncode:
            return f"the image {name} is not here"
    return ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(what_is_missing()), reason=f"no containers are started: {what_is_missing()}"),
]


class Containers:
    """The service in containers, under a project name and ports of the test's own."""

    def __init__(self) -> None:
        self.port = free_port()
        ports = {"HTTP_PORT": f"127.0.0.1:{self.port}", "HTTPS_PORT": f"127.0.0.1:{free_port()}"}
        self._environment = os.environ | ports | {"WEB_PROCESSES": "1"}

    def compose(self, *arguments: str) -> None:
        subprocess.run(
            ["podman-compose", "--project-name", PROJECT, *arguments],
            cwd=BASE_DIR,
            env=self._environment,
            check=True,
            capture_output=True,
        )

    def names(self) -> list[str]:
        return podman("ps", "-a", "--format", "{{.Names}}", "--filter", f"name={PROJECT}_").split()

    def remove(self) -> None:
        """Remove all of it, its data too: by hand, because podman-compose forgets those that were added."""
        for service in ("proxy", "web", "writer", "redis"):
            for name in self.names():
                if f"_{service}_" in name:
                    subprocess.run(["podman", "rm", "-f", "-t", "1", name], capture_output=True)
        self.compose("down", "-v")

    def run(self, *command: str, container: str = "writer_1") -> str:
        return podman("exec", f"{PROJECT}_{container}", *command)

    def is_ready(self) -> bool:
        address = f"http://127.0.0.1:{self.port}/health/ready"
        return subprocess.run(["curl", "-sf", "-m", "3", address], capture_output=True).returncode == 0

    def await_ready(self) -> None:
        until(self.is_ready, seconds=120, what="the service to be ready")

    def program(self, container: str) -> int:
        """Return the process below the container's init, and below the writer's watchdog its worker."""
        pid = int(podman("inspect", "--format", "{{.State.Pid}}", f"{PROJECT}_{container}"))
        for _ in range(2 if container.startswith("writer") else 1):
            pid = until(lambda pid=pid: child_of(pid), seconds=30, what=f"the program of {container}")  # type: ignore[misc]
        return pid

    def is_healthy(self, container: str) -> bool:
        command = ["podman", "healthcheck", "run", f"{PROJECT}_{container}"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def load(self, requests: int) -> subprocess.Popen[str]:
        """Put it under load from this machine, and compare with the store in the volume."""
        token = self.run("python", "manage.py", "create_token", "op").strip()
        store = podman("volume", "inspect", f"{PROJECT}_store", "--format", "{{.Mountpoint}}").strip()
        options = ["--url", f"http://127.0.0.1:{self.port}", "--requests", str(requests), "--token", token]
        return subprocess.Popen(
            [PYTHON, "manage.py", "load_test", *options],
            cwd=BASE_DIR,
            env=os.environ | {"DATA_DIR": store, "DJANGO_SETTINGS_MODULE": "project.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def podman(*arguments: str) -> str:
    done = subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def child_of(pid: int) -> int:
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return int(children[0]) if children else 0


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    made = Containers()
    made.remove()  # what a run that was killed has left
    made.compose("build")
    try:
        made.compose("up", "-d", "--scale", "writer=2")
        made.await_ready()
        user = "DJANGO_SUPERUSER_PASSWORD=x9-long-pass python manage.py createsuperuser --no-input"
        made.run("sh", "-c", f"{user} --username op --email op@example.org")
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("container", ["redis_1", "writer_1", "writer_2", "web_1", "proxy_1"])
def test_each_container_is_healthy_and_holds_nothing_to_build_with(
    containers: Containers, container: str
) -> None:
    until(lambda: containers.is_healthy(container), seconds=60, what=f"{container} to be healthy")
    if container.startswith(("writer", "web")):
        assert containers.run("id", "-u", container=container).strip() == "10001"
        assert "No module named pip" in containers.run(
            "sh", "-c", "python -m pip 2>&1 || true", container=container
        )
        refused = containers.run("sh", "-c", "touch /app/x 2>&1 || true", container=container)
        assert "Read-only file system" in refused


def test_each_program_is_killed_under_load_and_nothing_is_lost_or_there_twice(containers: Containers) -> None:
    load = containers.load(6_000)
    for container in ("writer_1", "writer_2", "redis_1", "web_1", "proxy_1"):
        time.sleep(3)  # of load
        os.kill(containers.program(container), signal.SIGKILL)
        time.sleep(1)  # until the killed one is missed
        containers.await_ready()

    output = load.communicate(timeout=600)[0]

    assert load.returncode == 0, output
    assert "All 6000 accepted requests are in the store, each exactly once." in output


@pytest.mark.parametrize("container", ["writer_1", "writer_2"])
def test_a_worker_that_is_stopped_is_unhealthy_and_then_replaced(
    containers: Containers, container: str
) -> None:
    until(lambda: containers.is_healthy(container), seconds=60)
    stopped = containers.program(container)

    os.kill(stopped, signal.SIGSTOP)

    until(lambda: not containers.is_healthy(container), seconds=20, what="it to be unhealthy")
    until(lambda: containers.is_healthy(container), seconds=60, what="another one")
    assert containers.program(container) != stopped
    containers.await_ready()


def test_more_web_containers_serve_behind_the_one_port(containers: Containers) -> None:
    containers.compose("up", "-d", "--no-recreate", "--scale", "web=3")
    until(lambda: containers.is_healthy("web_3"), seconds=60)

    load = containers.load(600)

    assert "each exactly once" in load.communicate(timeout=300)[0]
    served = [containers.run("cat", "/proc/net/tcp", container=f"web_{number}") for number in (1, 2, 3)]
    # Connections that others have made to port 8000 (1F40), by /proc/net/tcp of proc(5).
    assert all(re.search(r":1F40 [0-9A-F]{8}:[0-9A-F]{4} 0[168] ", table) for table in served)


def test_down_and_up_keeps_what_was_written(containers: Containers) -> None:
    count = ("python", "manage.py", "shell", "--no-imports", "-c", COUNT)
    before = containers.run(*count)
    for service in ("proxy", "web", "writer", "redis"):  # podman-compose forgets those that were added
        for name in containers.names():
            if f"_{service}_" in name:
                podman("stop", "-t", "30", name)
                podman("rm", name)

    containers.compose("up", "-d", "--scale", "writer=2")
    containers.await_ready()

    assert int(before) > 0
    assert containers.run(*count) == before
