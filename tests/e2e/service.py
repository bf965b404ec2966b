"""The whole service in real processes, each of which a test may stop, freeze or kill."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests import clusters, forks
from tests.waiting import until
from workers.redis_address import RedisAddress
from workers.up import embedded_redis

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PYTHON = sys.executable
WRITER = [PYTHON, "manage.py", "writer", "--loglevel", "INFO"]
WEB = [PYTHON, "-m", "gunicorn", "project.wsgi:application", "--config", "workers/web/gunicorn_conf.py"]

SETTINGS = {"DJANGO_SETTINGS_MODULE": "project.settings"}
"""Where nothing else is said, as in a torture run."""

PREPARE = """
import django; django.setup()
from django.conf import settings
from django.core.management import call_command
from project.demo import access
from workers import Role, set_role
set_role(Role.COMMAND)
call_command("migrate", verbosity=0)
access.prepare(settings.DATA_DIR)
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the service said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def prepare_data(directory: Path, **settings: str) -> None:
    """Make a migrated store with the demo user, in `directory` where the settings do not say otherwise."""
    environment = SETTINGS | os.environ | {"DATA_DIR": str(directory), "DEMO": "1"} | settings
    forks.run([PYTHON, "-c", PREPARE], env=environment, cwd=BASE_DIR, check=True)


@dataclass
class Service:
    """Redis, the writer and the web processes over one data directory."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: dict[str, forks.Process] = field(default_factory=dict)

    @classmethod
    def on_copy_of(cls, template: Path, directory: Path, settings: Mapping[str, str]) -> "Service":
        shutil.copytree(template, directory, dirs_exist_ok=True)
        return cls(directory, settings)

    @classmethod
    @contextlib.contextmanager
    def running(cls, template: Path, directory: Path, settings: Mapping[str, str]) -> Iterator["Service"]:
        """Run all of it on a copy while the block runs."""
        service = cls.on_copy_of(template, directory, settings)
        try:
            service.start_all()
            yield service
        finally:
            service.stop_all()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.directory / "demo-token").read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        environment = SETTINGS | os.environ
        environment |= {"DATA_DIR": str(self.directory), "PORT": str(self.port), "DEMO": "1"}
        return environment | {"WEB_PROCESSES": "2", "PYTHONWARNINGS": "default"} | dict(self.settings)

    def start(self, part: str) -> None:
        commands = {"redis": self._redis_command, "web": lambda: WEB}
        command = commands.get(part, lambda: WRITER)()  # a standby is one more writer
        with (self.directory / f"{part}.log").open("ab") as log:
            self.processes[part] = forks.start(
                command, env=self.environment, cwd=BASE_DIR, stdout=log, stderr=log, new_session=True
            )

    def start_all(self) -> None:
        for part in ("redis", "writer", "web"):
            self.start(part)
        until(self.is_ready, seconds=30, what="the service to be ready")

    def signal(self, part: str, number: signal.Signals) -> None:
        """Signal a part with all its processes."""
        os.killpg(self.processes[part].pid, number)

    def kill(self, part: str) -> None:
        self.signal(part, signal.SIGKILL)
        self.processes.pop(part).wait(10)

    def stop(self, part: str) -> int:
        """Stop a part as an operator does, and return its exit status."""
        self.processes[part].terminate()
        return self.processes.pop(part).wait(30)

    def stop_all(self) -> None:
        for part in reversed(list(self.processes)):
            with contextlib.suppress(ProcessLookupError):
                self.signal(part, signal.SIGKILL)
                self.processes[part].wait(10)

    def is_ready(self) -> bool:
        return self.answers("/health/ready")

    def answers(self, path: str) -> bool:
        try:
            return self.get(path).status == 200
        except OSError:
            return False

    def writer_is_alive(self) -> bool:
        with self.redis() as client:
            return bool(client.exists("writes:writer"))

    def log(self, part: str) -> str:
        return (self.directory / f"{part}.log").read_text(errors="replace")

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(RedisAddress.of_socket(embedded_redis.socket_path(self.directory)).url)

    def until_acknowledged(self) -> None:
        """Wait until no write is in the stream: a client has its answer before the writer acknowledges."""
        with self.redis() as client:
            until(lambda: client.xlen("writes:stream") == 0, seconds=30, what="the acknowledgement")

    @contextlib.contextmanager
    def store(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.directory / "store.sqlite3")) as connection:
            connection.execute("PRAGMA query_only = 1")
            yield connection

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        if url := self.settings.get("DATABASE_URL"):
            return clusters.rows(url, sql.replace("?", "%s"), *parameters)
        with self.store() as connection:
            return connection.execute(sql, parameters).fetchall()

    def names(self) -> list[str]:
        """Return the names of all items, in the order of their making."""
        return [name for (name,) in self.rows("SELECT name FROM items_item ORDER BY id")]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8,
        anonymous: bool = False,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {} if anonymous else {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body, sent | dict(headers or {}))
            response = connection.getresponse()
            return Answer(status=response.status, headers=response.headers, body=response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def create(self, name: str, **options: Any) -> Answer:
        return self.post("/api/items/", {"name": name}, **options)

    def manage(
        self, *arguments: str, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return forks.run(
            [PYTHON, "manage.py", *arguments],
            env=self.environment,
            cwd=BASE_DIR,
            check=check,
            timeout=timeout,
        )

    def _redis_command(self) -> list[str]:
        return [str(embedded_redis.find_binary()), *embedded_redis.prepare(self.directory)]
