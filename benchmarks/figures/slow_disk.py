"""The main table once more, with commits that take 2 ms longer: most disks are slower than a cloud's cache.

The delay is a library loaded before all others into the contestants' processes: the store's, PostgreSQL's and
Redis's alike.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.contestants import registry
from benchmarks.processes import BASE_DIR
from benchmarks.run import Run
from benchmarks.stage import in_turn, stage

CONTESTANTS = (
    *("noop", "direct-full", "direct-full-gevent", "direct-full-sync", "direct-full-granian"),
    *("direct-normal", "django-bolt", "postgres", "one-writer", "one-writer-async"),
)
CONNECTIONS = 64
ROUNDS = 3
SECONDS = 3.0

PROBE = """
import os, sys, tempfile, time
with tempfile.TemporaryFile(dir=sys.argv[1]) as file:
    started = time.perf_counter()
    for _ in range(20):
        file.write(b"x"); file.flush(); os.fdatasync(file.fileno())
    print((time.perf_counter() - started) / 20)
"""


def measure(run: Run) -> dict[str, Any] | None:
    """Let the contestants take turns, for 3 s each, in at most three rounds."""
    library = _compile(run)
    if library is None:
        return None
    commit_seconds = {"plain": _commit_seconds(run, None), "slowed": _commit_seconds(run, library)}
    run.say(
        f"fdatasync: {commit_seconds['plain'] * 1e3:.2f} ms, slowed {commit_seconds['slowed'] * 1e3:.2f} ms"
    )
    contestants = [
        contestant
        for contestant in registry.contestants(run.bench, library)
        if contestant.name in CONTESTANTS and run.takes_part(contestant.name)
    ]
    with stage(contestants, run.skipped) as ready:
        samples = [
            run.measure(
                contestant,
                round_number=number,
                connections=CONNECTIONS,
                seconds=min(SECONDS, run.seconds),
            )
            for number in range(min(ROUNDS, run.rounds))
            for contestant in in_turn(ready, number)
        ]
    return {"commit_seconds": commit_seconds, "samples": samples}


def _compile(run: Run) -> Path | None:
    """Return the library, or None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        run.skipped["slow-disk"] = "no C compiler for the library that slows commits down"
        return None
    library = run.bench.directory / "slow_commit.so"
    source = BASE_DIR / "benchmarks" / "slow_commit.c"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", os.fspath(library), os.fspath(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def _commit_seconds(run: Run, library: Path | None) -> float:
    """Return what one fdatasync takes in a process that has the library loaded."""
    environment = os.environ | ({"LD_PRELOAD": os.fspath(library)} if library else {})
    command = [run.bench.python, "-c", PROBE, os.fspath(run.bench.directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)
