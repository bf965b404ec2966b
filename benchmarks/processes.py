"""The processes that the harness starts, each of which it also ends."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from workers.up.parent_death import exit_with_parent

BASE_DIR = Path(__file__).resolve().parent.parent

READY_SECONDS = 60
STOP_SECONDS = 10
_POLL_SECONDS = 0.05
_LOG_CHARACTERS = 1500
_OURS = ("WRITE_", "PEER_", "WEB_", "REDIS_URL", "DEMO", "PORT", "HOST", "SECRET_KEY", "DJANGO_", "LD_")
"""Beginnings of the variables that a user's shell may hold and that must not reach a contestant."""


class NotStarted(Exception):
    """A contestant did not come up; the message shows the end of its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a contestant: the shell's without settings of this project, and its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"PYTHONPATH": os.fspath(BASE_DIR), "LOG_LEVEL": "WARNING"} | dict(settings)


class Processes:
    """A contestant's processes, with their logs in its directory. Started in order, stopped in reverse."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = environment(settings)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], *, user: str | None = None) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=BASE_DIR if user is None else self.directory,
                stdout=log,
                stderr=log,
                user=user,
                extra_groups=[] if user else None,
                start_new_session=True,
                preexec_fn=exit_with_parent(),
            )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return once it is. Raises NotStarted when a process ends before, or when it takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise NotStarted(f"{name} ended with status {process.returncode}: {self.log(name)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}: {self.log(name)}" for name in self._running)
                raise NotStarted(f"not ready in {READY_SECONDS} s\n{logs}")
            time.sleep(_POLL_SECONDS)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a process and all of its session, gently at first."""
        process = self._running.pop(name, None)
        if process is None:
            return
        _signal(process, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Whatever is left of its session: workers that outlived their master.
            _signal(process, signal.SIGKILL, whole_session=True)
            process.wait(STOP_SECONDS)

    def stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    def log(self, name: str) -> str:
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace")[-_LOG_CHARACTERS:] if path.exists() else ""


def _signal(
    process: "subprocess.Popen[bytes]", number: signal.Signals, *, whole_session: bool = False
) -> None:
    try:
        if whole_session:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        pass
