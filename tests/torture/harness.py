"""The service under torture: as `manage.py up` runs it, with a standby; whatever dies is started again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from tests import forks
from tests.e2e.service import BASE_DIR, PYTHON, WEB, Service, prepare_data
from tests.waiting import until
from workers.up import embedded_redis

DISK_BYTES = 256 * 1024 * 1024
"""Size of the store's own small disk, where one can be mounted."""
WORKERS = ("writer", "standby", "extra")
SETTINGS = {"WRITE_WAIT_SECONDS": "3", "LOG_LEVEL": "INFO"}


class Skipped(Exception):
    """A fault could not be forced; the message says why."""


@dataclass
class TorturedService(Service):
    """Redis, two workers and the web processes; logs and Redis's files lie outside the store's disk."""

    deaths: list[str] = field(default_factory=list)
    """Parts that ended though nobody killed them."""

    @property
    def home(self) -> Path:
        return self.directory.parent

    @property
    def hooks(self) -> Path:
        return self.home / "hooks"

    @property
    def environment(self) -> dict[str, str]:
        hooks = {"TORTURE_HOOKS": str(self.hooks), "REDIS_URL": f"unix://{self._socket}"}
        return super().environment | hooks

    @property
    def _socket(self) -> Path:
        return embedded_redis.socket_path(self.home / "queue")

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(f"unix://{self._socket}", socket_timeout=5, socket_connect_timeout=1)

    def start(self, part: str) -> None:
        with (self.home / f"{part}.log").open("ab") as log:
            self.processes[part] = forks.start(
                self._command(part),
                env=self.environment,
                cwd=BASE_DIR,
                stdout=log,
                stderr=log,
                new_session=True,
            )

    def start_all(self) -> None:
        for part in ("redis", "writer", "standby", "web"):
            self.start(part)
        until(self.is_ready, seconds=60, what="the service to be ready")

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")

    def restart(self, part: str) -> None:
        """Kill a part with all its processes and start it again at once, as a supervisor does."""
        self.kill(part)
        self.start(part)

    def revive(self) -> None:
        """Start again what ended by itself."""
        for part, process in list(self.processes.items()):
            if process.poll() is not None:
                self.deaths.append(f"{part} ended with {process.returncode}")
                self.start(part)

    def part_at_work(self) -> str:
        """Return which of the workers holds the lease; the first one while nobody does."""
        with contextlib.suppress(OSError, ValueError):
            holder = json.loads((self.directory / "store.sqlite3.lease").read_text())
            for part in WORKERS:
                if part in self.processes and self.processes[part].pid == holder["pid"]:
                    return part
        return "writer"

    def web_children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.processes["web"].pid).children()
        except psutil.NoSuchProcess:
            return []

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.directory).free

    def _command(self, part: str) -> list[str]:
        if part == "redis":
            binary = embedded_redis.find_binary()
            return [str(binary), *embedded_redis.prepare(self.home / "queue")]
        if part == "web":
            return WEB
        return [PYTHON, "-m", "tests.torture.hooked_writer", "--name", part, "--loglevel", "INFO"]


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[bool]:
    """Mount a small file system of its own for the store; tell whether that was possible."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "torture", str(directory)]
    is_mounted = (
        os.geteuid() == 0
        and shutil.which("mount") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(directory)], check=False)


@contextlib.contextmanager
def running(home: Path, **settings: str) -> Iterator[tuple[TorturedService, bool]]:
    """Run the service below `home`; also tell whether its disk can be filled."""
    (home / "hooks").mkdir(parents=True)
    with small_disk(home / "data") as has_small_disk:
        prepare_data(home / "data")
        service = TorturedService(home / "data", SETTINGS | settings)
        try:
            service.start_all()
            yield service, has_small_disk
        finally:
            for part in service.processes:
                with contextlib.suppress(ProcessLookupError):
                    service.signal(part, signal.SIGCONT)
            service.stop_all()


def drain(service: TorturedService, *, seconds: float) -> float:
    """Wait until everything accepted is committed; return how long that took. Raises AssertionError."""
    started = time.monotonic()

    def is_drained() -> bool:
        service.revive()
        try:
            with service.redis() as client:
                return not client.xlen("writes:stream")
        except redis.RedisError:
            return False

    until(is_drained, seconds=seconds, what="the stream to be drained")
    return time.monotonic() - started
