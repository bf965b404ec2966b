"""Whether it stays as quick with rows in the store: rate at 0, 1 and 10 million, and pages of a long list."""

import json
import shutil
import statistics
import subprocess
from contextlib import closing
from typing import Any

from benchmarks.big_store import big_store
from benchmarks.client import Client
from benchmarks.contestants import Contestant, registry
from benchmarks.contestants.one_writer import OneWriterServer
from benchmarks.processes import BASE_DIR
from benchmarks.run import Run
from benchmarks.stage import in_turn, stage

CURSOR = """
import sys
from urllib.parse import parse_qs, urlsplit
import django; django.setup()
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from items.models import Item
from workers.rest import KeysetPagination
pages = KeysetPagination()
request = Request(APIRequestFactory().get("/api/items/?page_size=1", headers={"host": "localhost"}))
pages.paginate_queryset(Item.objects.filter(pk__gte=int(sys.argv[1])), request)
print(parse_qs(urlsplit(pages.get_next_link()).query)["cursor"][0])
"""
"""Prints where `next` of a page that ends with this key leads."""

LEVELS = (0, 1_000_000, 10_000_000)
PAGE_ITEMS = 50
DEEP_PAGE = 10_000
FETCHES = 50
SECONDS = 3.0


def measure(run: Run) -> dict[str, Any] | None:
    """Let three services that differ in their rows only take turns, for 3 s each; then fetch pages."""
    if not run.takes_part("one-writer"):
        return None
    by_rows = {rows: _contestant(run, rows) for rows in LEVELS}
    samples = []
    with stage(by_rows.values(), run.skipped) as ready:
        levels = [rows for rows in LEVELS if by_rows[rows] in ready]
        for number in range(run.rounds):
            for rows in in_turn(levels, number):
                extra = {"store_rows": rows}
                seconds = min(SECONDS, run.seconds)
                samples.append(run.measure(by_rows[rows], round_number=number, seconds=seconds, extra=extra))
        pages = _pages(run, by_rows[levels[-1]]) if levels and levels[-1] == LEVELS[-1] else None
    return {"samples": samples, "pages": pages}


def _contestant(run: Run, rows: int) -> Contestant:
    """Return the service over a store that holds so many rows."""
    store = run.bench.new_store(f"rows-{rows}", wal=True)
    if rows:
        run.say(f"a store with {rows:,} rows (kept in {run.bench.cache})")
        shutil.copyfile(big_store(run.bench, rows), store / "store.sqlite3")
    server = OneWriterServer(bench=run.bench, name=f"rows-{rows}", store=store)
    return Contestant(
        name="one-writer",
        label=f"One Writer with {rows:,} rows",
        server=server,
        durability=registry.DURABLE,
        is_durable=True,
    )


def _pages(run: Run, contestant: Contestant) -> dict[str, list[float]]:
    """Fetch the first page and page 10,000 in turn, and return the seconds of each."""
    deep = (DEEP_PAGE - 1) * PAGE_ITEMS
    paths = {"first": "/api/items/", "deep": f"/api/items/?cursor={cursor_after(contestant, deep)}"}
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    with closing(Client(contestant.server.port, contestant.request.all_headers())) as client:
        for name, expected in (("first", 1), ("deep", deep + 1)):
            _, body = client.timed_get(paths[name])
            ids = [item["id"] for item in json.loads(body)["results"]]
            assert (len(ids), ids[0]) == (PAGE_ITEMS, expected), (name, ids[:3])
        for _ in range(FETCHES):
            for name, path in paths.items():
                seconds[name].append(client.timed_get(path)[0])
    for name, taken in seconds.items():
        run.say(f"page {1 if name == 'first' else DEEP_PAGE:,}: p50 {statistics.median(taken) * 1e3:.2f} ms")
    return seconds


def cursor_after(contestant: Contestant, key: int) -> str:
    """Return the cursor of the page that begins behind this key. The service signs it, so it is asked."""
    server = contestant.server
    done = subprocess.run(
        [server.bench.python, "-c", CURSOR, str(key)],
        env=server.processes.environment,
        cwd=BASE_DIR,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
