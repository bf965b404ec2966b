"""The client processes of a run."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.e2e.service import BASE_DIR, PYTHON

CLIENT_END_SECONDS = 60.0
LANES = 3


@contextlib.contextmanager
def running(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Run client processes in the block, and have them finish their requests at its end.

    Raises AssertionError when one ended in another way.
    """
    processes = [subprocess.Popen(command, cwd=BASE_DIR) for command in commands]
    try:
        yield
        for process in processes:
            process.terminate()
        for process in processes:
            if process.wait(CLIENT_END_SECONDS) != 0:
                raise AssertionError(f"a client process ended with {process.returncode}")
    finally:
        for process in processes:
            process.kill()


def command(
    number: int, log: Path, *, port: int, token: str, seed: str, host: str = "127.0.0.1", lanes: int = LANES
) -> list[str]:
    """Return the command of one client. Its number is in the labels of all that it sends."""
    place = ["--host", host, "--port", str(port), "--token", token]
    chance = ["--client", str(number), "--lanes", str(lanes), "--seed", seed]
    return [PYTHON, "-m", "tests.torture.workload", *place, *chance, "--log", str(log)]
