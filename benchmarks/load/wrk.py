"""Load from `wrk`: C, so that the client takes little of the CPU that it shares with the contestants."""

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.load.request import Request
from benchmarks.load.result import LoadResult, parse

RESPONSE_SECONDS = 10
_GRACE_SECONDS = 60
_SCRIPTS = Path(__file__).parent


def is_here() -> bool:
    return shutil.which("wrk") is not None


def version() -> str:
    done = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()[0].removeprefix("wrk ").split(" Copyright")[0]


def run(
    request: Request, *, run: str, connections: int, seconds: float, script: str = "wrk.lua"
) -> LoadResult:
    """Send requests in a closed loop for that long, and return what was answered. Raises NotUnderstood."""
    # fmt: off
    command = [
        "wrk", "--threads", str(min(2, connections)), "--connections", str(connections),
        "--duration", f"{max(1, round(seconds))}s", "--timeout", f"{RESPONSE_SECONDS}s",
        "--script", os.fspath(_SCRIPTS / script), request.url, "--",
        run, str(request.items), request.before, request.item_front, request.item_back, request.after,
        *(f"{name}: {value}" for name, value in request.all_headers().items()),
    ]
    # fmt: on
    done = subprocess.run(
        command,
        env=os.environ | {"BENCH_CONNECTIONS": str(connections), "BENCH_LUA": os.fspath(_SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _GRACE_SECONDS,
    )
    return parse(done.stdout + done.stderr)
