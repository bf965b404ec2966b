"""This service as `manage.py up` runs it: Redis, a worker and one that stands by, and the web processes."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contestants.django_servers import SERVICE_CONFIG, gunicorn
from benchmarks.contestants.server import Server
from benchmarks.processes import BASE_DIR, Processes
from workers.up import embedded_redis


def redis_command(python: str, directory: Path) -> list[str]:
    """Make the embedded Redis's directories in a data directory; return its command line.

    The binary is the one that the service would use: on PATH, else in the environment of `python`.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        code = "from workers.up import embedded_redis; print(embedded_redis.find_binary())"
        binary = subprocess.run(
            [python, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True
        ).stdout.strip()
    return [binary, *embedded_redis.prepare(directory)]


@dataclass(kw_only=True, eq=False)
class OneWriterServer(Server):
    """The service with its own defaults."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    """Settings that a figure needs, such as the stream's limits for a long backlog."""
    store: Path | None = None
    """A data directory to use as it is, instead of an empty one."""

    def prepare(self) -> Path:
        return self.store or super().prepare()

    def settings(self) -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": "project.settings"} | dict(self.overrides)

    def launch(self) -> None:
        self.start_redis()
        self.start_writer("writer")
        self.start_writer("standby")
        self.processes.start("web", gunicorn(self.bench.python, SERVICE_CONFIG))

    def start_alone(self) -> None:
        """Start Redis and nothing else: neither does anybody commit, nor does anybody answer."""
        self.directory = self.prepare()
        self.processes = Processes(self.directory, self.variables())
        self.start_redis()

    def start_redis(self) -> None:
        self.processes.start("redis", redis_command(self.bench.python, self.directory))
        self.processes.wait_until(lambda: embedded_redis.responds(self.redis_socket))

    def start_writer(self, name: str) -> None:
        self.processes.start(name, [self.bench.python, "manage.py", "writer", "--name", name])

    @property
    def redis_socket(self) -> Path:
        return embedded_redis.socket_path(self.directory)
