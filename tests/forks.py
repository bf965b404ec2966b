"""Programs of the service in processes of their own, started in a third of the time that Python takes.

Each is forked from one process that has imported other people's packages: tests/quick_start/fork_server.py.
What is no Python, or has variables in its environment that Python itself reads, starts the ordinary way. So
does all that is not started here, such as what `manage.py up` starts.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

SERVER = Path(__file__).parent / "quick_start" / "fork_server.py"
READ_BY_PYTHON = ("PYTHON", "LD_")
"""How the variables begin that an interpreter reads as it starts."""
WITHOUT = "TESTS_WITHOUT_FORKS"
"""Set to anything, it has programs start the ordinary way: under command lines of their own."""
WARNINGS = {"PYTHONWARNINGS": "default"}
"""Of the server, so of all that it starts."""


class Forked:
    """A process, with what `subprocess.Popen` has and the tests use."""

    def __init__(self, arguments: Sequence[str], report: int) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._report = report
        self.pid = int(self._line())

    def __del__(self) -> None:
        os.close(self._report)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self._report, 1)
            assert part, "the server of forks has ended"
            line += part
        return line

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, or minus the signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._line())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: IO[Any],
    stderr: IO[Any],
    new_session: bool = False,
) -> Process:
    """Start a program; it finds nothing at its standard input."""
    env = WARNINGS | dict(env)
    with open(os.devnull, "rb") as nothing:
        if not _can_be_forked(arguments, env):
            return subprocess.Popen(
                arguments,
                env=env,
                cwd=cwd,
                stdin=nothing,
                stdout=stdout,
                stderr=stderr,
                start_new_session=new_session,
            )
        files = [nothing, stdout, stderr]
        return Forked(arguments, _fork(arguments, env, cwd, files, new_session=new_session))


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float = 120,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program as `subprocess.run` does that captures text."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = start(arguments, env=env, cwd=cwd, stdout=stdout, stderr=stderr)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for file in (stdout, stderr):
            file.seek(0)
        done = subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())
    if check:
        done.check_returncode()
    return done


class Talking(Forked):
    """A process, with its standard input to write to and its standard output to read."""

    stdin: IO[str]
    stdout: IO[str]


@contextlib.contextmanager
def talking(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Iterator[Talking]:
    """Run Python while the block runs, and kill it then."""
    reads, stdin = os.pipe()
    stdout, writes = os.pipe()
    with os.fdopen(reads) as its_input, os.fdopen(writes, "w") as its_output:
        assert sys.__stderr__
        report = _fork(arguments, WARNINGS | dict(env), cwd, [its_input, its_output, sys.__stderr__])
    with os.fdopen(stdin, "w") as to, os.fdopen(stdout) as back:
        process = Talking(arguments, report)
        process.stdin, process.stdout = to, back
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)
            with contextlib.suppress(BrokenPipeError):
                to.close()


def _fork(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    files: Sequence[IO[Any]],
    *,
    new_session: bool = False,
) -> int:
    """Have the server start it, and return the file in which it reports."""
    report, reports = os.pipe()
    request = {"arguments": arguments[1:], "environment": environment, "cwd": str(cwd)}
    message = json.dumps(request | {"new_session": new_session}).encode()
    socket.send_fds(_server(), [message], [*(file.fileno() for file in files), reports])
    os.close(reports)
    return report


def _can_be_forked(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    has_option = arguments[1].startswith("-") and arguments[1] not in {"-c", "-m"}
    return (
        arguments[0] == sys.executable
        and not has_option
        and not environment.get(WITHOUT)
        and _of_python(environment) == _of_python(WARNINGS | dict(os.environ))
    )


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_BY_PYTHON)}


@functools.cache
def _server() -> socket.socket:
    """Start the server, which ends when this process does."""
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    with other:
        server = subprocess.Popen(
            [sys.executable, str(SERVER), str(other.fileno())],
            env=WARNINGS | dict(os.environ),
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        own.close()
        server.wait(10)

    atexit.register(end)
    return own
