"""Latency without load: a lone client, and one write after a second of quiet."""

import json
import secrets
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from benchmarks.client import Client
from benchmarks.contestants import Contestant
from benchmarks.processes import BASE_DIR
from benchmarks.run import Run, Samples
from benchmarks.stage import in_turn

LONE = ("noop", "direct-full", "direct-full-gevent", "one-writer")
LONE_SECONDS = 2.0
QUIET_SECONDS = 1.0
QUIET_WRITES = 15


def lone(run: Run, ready: Mapping[str, Contestant]) -> Samples:
    """Measure one connection, which sends its next request when it has the answer, for 2 s."""
    contestants = [ready[name] for name in LONE if name in ready]
    return [
        run.measure(
            contestant,
            round_number=number,
            connections=1,
            seconds=min(LONE_SECONDS, run.seconds),
            warm_up=0,
        )
        for number in range(run.rounds)
        for contestant in in_turn(contestants, number)
    ]


def quiet(run: Run, ready: Mapping[str, Contestant]) -> dict[str, list[float]] | None:
    """Measure 15 writes, each after a second in which nothing happens, so that the doorbell has to ring.

    Beside it, half a second apart from each, as many bare Celery round trips: an empty task sent through
    Redis to a worker that waits, and its result. Both in seconds.
    """
    if "one-writer" not in ready:
        return None
    round_trips = _start_round_trips(ready["celery-task"]) if "celery-task" in ready else None
    writes = _writes_after_quiet(ready["one-writer"])
    figures = {"one-writer": writes}
    if round_trips is not None:
        output, _ = round_trips.communicate(timeout=QUIET_WRITES * QUIET_SECONDS + 60)
        figures["celery"] = json.loads(output.splitlines()[-1])
    for name, seconds in figures.items():
        ordered = " ".join(f"{value * 1e3:.1f}" for value in sorted(seconds))
        run.say(f"after {QUIET_SECONDS:g} s of quiet, {name}: {ordered} ms")
    return figures


def _writes_after_quiet(contestant: Contestant) -> list[float]:
    request, run = contestant.request, f"quiet-{secrets.token_hex(4)}"
    time.sleep(QUIET_SECONDS / 2)
    with closing(Client(request.port, request.all_headers())) as client:
        client.timed_create(request, run)
        latencies = []
        for _ in range(QUIET_WRITES):
            time.sleep(QUIET_SECONDS)
            latencies.append(client.timed_create(request, run))
    return latencies


def _start_round_trips(contestant: Contestant) -> "subprocess.Popen[str]":
    """Start the round trips in a process of their own, and return once it is about to begin."""
    server = contestant.server
    # fmt: off
    process: subprocess.Popen[Any] = subprocess.Popen(
        [
            server.bench.peers_python, "-m", "benchmarks.peers.round_trip",
            str(QUIET_WRITES), str(QUIET_SECONDS),
        ],
        env=server.processes.environment, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True,
    )
    # fmt: on
    assert process.stdout is not None
    process.stdout.readline()
    return process
