"""Draining 200,000 creates that were queued while no writer was up, each with its isolation and receipt."""

import secrets
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import redis

from benchmarks.contestants.one_writer import OneWriterServer
from benchmarks.processes import BASE_DIR
from benchmarks.run import Run

WRITES = 200_000
QUICK_WRITES = 20_000
ROUNDS = 2
DRAIN_SECONDS = 180
_POLL_SECONDS = 0.1

# The defaults refuse so many writes on purpose: they would wait for longer than a client does.
LIMITS = {
    "WRITE_STREAM_MAX_LENGTH": "1000000",
    "WRITE_STREAM_MAX_BYTES": "1000000000",
    "WRITE_MAX_ESTIMATED_WAIT_SECONDS": "3600",
}


def measure(run: Run) -> list[dict[str, Any]] | None:
    """Measure in at most two rounds, each on a new store and a new Redis."""
    if not run.takes_part("one-writer"):
        return None
    writes = WRITES if run.seconds >= 2 else QUICK_WRITES
    return [_drain(run, number, writes) for number in range(min(ROUNDS, run.rounds))]


def _drain(run: Run, round_number: int, writes: int) -> dict[str, Any]:
    server = OneWriterServer(bench=run.bench, name="backlog", overrides=LIMITS)
    try:
        server.start_alone()
        with redis.Redis(unix_socket_path=str(server.redis_socket)) as client:
            memory = _fill(server, client, writes)
            started = time.monotonic()
            server.start_writer("writer")
            # The stream's length says when it is done at no cost; rows are counted afterwards.
            deadline = started + DRAIN_SECONDS
            while client.xlen("writes:stream") and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            elapsed = time.monotonic() - started
        figures = _committed(server, writes) | memory | {"seconds_with_start": elapsed, "round": round_number}
    finally:
        server.stop()
    run.say(
        f"{round_number + 1}/{run.rounds}  backlog of {writes:,}: {figures['rate']:,.0f}/s, "
        f"{figures['redis_bytes_per_write']:.0f} bytes of Redis each, {elapsed:.1f} s with the writer's start"
        f"{'  INVALID: ' + figures['fault'] if figures['fault'] else ''}"
    )
    return figures


def _fill(server: OneWriterServer, client: "redis.Redis", writes: int) -> dict[str, float]:
    """Queue the writes and return what they cost in Redis."""
    before = client.info("memory")["used_memory"]
    started = time.monotonic()
    command = [server.bench.python, "-m", "benchmarks.peers.fill_stream", secrets.token_hex(4), str(writes)]
    subprocess.run(command, env=server.processes.environment, cwd=BASE_DIR, check=True)
    used = client.info("memory")["used_memory"] - before
    return {
        "fill_seconds": time.monotonic() - started,
        "redis_bytes_per_write": used / writes,
        "payload_bytes_per_write": float(client.get("writes:bytes") or 0) / writes,
        "queued": client.xlen("writes:stream"),
    }


def _committed(server: OneWriterServer, writes: int) -> dict[str, Any]:
    """Count rows and receipts, and return the rate from the first commit to the last."""
    with closing(sqlite3.connect(server.directory / "store.sqlite3")) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM items_item").fetchone()
        receipts, first, last = connection.execute(
            "SELECT count(*), min(committed_at), max(committed_at) FROM workers_receipt"
            " WHERE status = 'committed'"
        ).fetchone()
        (in_first,) = connection.execute(
            "SELECT count(*) FROM workers_receipt WHERE committed_at = ?", (first,)
        ).fetchone()
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds() if first else 0.0
    fault = "" if rows == receipts == writes else f"{rows} rows and {receipts} receipts of {writes} writes"
    return {
        "writes": writes,
        "rows": rows,
        "receipts": receipts,
        "fault": fault,
        # The first batch was committed when the clock started.
        "rate": (writes - in_first) / seconds if seconds else 0.0,
        "seconds": seconds,
    }
