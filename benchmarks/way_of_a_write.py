"""The way of one write: which of the project's files, and how many calls of its functions, a POST crosses.

    .venv/bin/python -m benchmarks.way_of_a_write

A warm POST of an item goes through the WSGI application in one process, and is committed by a writer in
another, each with `sys.setprofile`. A generator counts as a call each time it goes on. gunicorn and its
worker class are not part of it.
"""

import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = tuple(f"{ROOT / package}{os.sep}" for package in ("workers", "project", "items"))
WARM_UP = 3
IDLE_SECONDS = 0.5
"""Longer than the writer lingers at the stream: the profiled POST rings for it."""

Calls = collections.Counter[str]


def main() -> None:
    """Start Redis, the writer and the web process over a store of their own, and print what was crossed."""
    with tempfile.TemporaryDirectory(prefix="way-") as directory:
        environment = {
            **os.environ,
            "DATA_DIR": directory,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "LOG_LEVEL": "WARNING",
        }
        redis = subprocess.Popen(json.loads(_run("prepare", environment)), stdout=subprocess.DEVNULL)
        command = [sys.executable, "-m", __spec__.name, "writer"]
        writer = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert writer.stdin and writer.stdout
            writer.stdout.readline()  # it has the lease
            in_web = Calls(json.loads(_run("web", environment)))
            writer.stdin.close()
            in_writer = Calls(json.loads(writer.stdout.read()))
        finally:
            writer.kill()
            redis.kill()
    _print("web", in_web)
    _print("writer", in_writer)
    together = in_web + in_writer
    print(f"together: {len(together)} files, {together.total()} calls")


def _run(role: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", __spec__.name, role]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


def _print(name: str, calls: Calls) -> None:
    print(f"{name}: {len(calls)} files, {calls.total()} calls")
    for file, count in sorted(calls.items()):
        print(f"{count:6} {file}")


class _Profile:
    """Counts the calls of the project's functions, by file, in this thread while the block runs."""

    def __enter__(self) -> Calls:
        self._calls = Calls()
        sys.setprofile(self._count)
        return self._calls

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGES):
            self._calls[os.path.relpath(name, ROOT)] += 1


def prepare() -> None:
    """Make the store and the demo user; print the command line of Redis."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from project.demo import access
    from workers import Role, set_role
    from workers.up import embedded_redis

    set_role(Role.COMMAND)
    call_command("migrate", verbosity=0)
    access.prepare(settings.DATA_DIR)
    print(json.dumps([str(embedded_redis.find_binary()), *embedded_redis.prepare(settings.DATA_DIR)]))


def web() -> None:
    """POST items as a web process; print what the last one crossed."""
    from django.conf import settings
    from django.test import Client

    from project.wsgi import application  # noqa: F401 - sets Django up

    settings.ALLOWED_HOSTS = ["*"]
    token = (Path(settings.DATA_DIR) / "demo-token").read_text().strip()
    client = Client(headers={"Authorization": f"Bearer {token}"})

    def post() -> None:
        response = client.post("/api/items/", {"name": "first item"}, content_type="application/json")
        assert response.status_code == 201, response.content

    for _ in range(WARM_UP):
        post()
    time.sleep(IDLE_SECONDS)
    with _Profile() as calls:
        post()
    print(json.dumps(calls))


def writer() -> None:
    """Be the writer until the input ends; print what the last drain that committed a write crossed."""
    import django

    django.setup()
    from workers.writer.worker.leadership import Leadership

    leadership = Leadership()
    while not leadership.try_begin():  # Redis may still be starting
        time.sleep(0.02)
    assert leadership.writer is not None
    print("at work", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    last: Calls = Calls()
    while not ended.is_set():
        with _Profile() as calls:
            leadership.writer.drain()
        if any(file.startswith("items") for file in calls):
            last = calls
        time.sleep(0.001)
    print(json.dumps(last))


if __name__ == "__main__":
    {"prepare": prepare, "web": web, "writer": writer}.get(sys.argv[-1], main)()
