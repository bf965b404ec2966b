"""Writing beside strangers without mercy: 4 guess passwords, 4 search a million rows, without a pause."""

import http.client
import multiprocessing
import re
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from benchmarks.big_store import big_store
from benchmarks.contestants import Contestant, registry
from benchmarks.contestants.one_writer import OneWriterServer
from benchmarks.run import Run
from benchmarks.stage import stage

ROWS = 1_000_000
WRITERS, GUESSERS, SEARCHERS = 16, 4, 4
SEARCH = "/api/items/?search=nowhere+to+be+found"
LOGIN = "/admin/login/"
START_SECONDS = 1.0
RESPONSE_SECONDS = 60

LIMITS: Mapping[str, Mapping[str, str]] = {
    "limited": {"DEMO": "1"},
    # As a stranger with many addresses would find it: every guess is hashed.
    "guesses not refused": {"DEMO": "1", "LOGIN_ATTEMPTS": "1000000"},
}
SITUATIONS = {
    "nobody else": (0, 0),
    "guessing": (GUESSERS, 0),
    "searching": (0, SEARCHERS),
    "both": (GUESSERS, SEARCHERS),
}


def measure(run: Run) -> list[dict[str, Any]] | None:
    """Measure, in each round, the writers alone and beside each kind; with logins limited and not."""
    if not run.takes_part("one-writer"):
        return None
    samples: list[dict[str, Any]] = []
    for name, overrides in LIMITS.items():
        contestant = _contestant(run, overrides)
        with stage([contestant], run.skipped) as ready:
            if ready:
                samples += _rounds(run, contestant, name)
    _sum_up(run, samples)
    return samples


def _contestant(run: Run, overrides: Mapping[str, str]) -> Contestant:
    store = run.bench.new_store("strangers", wal=True)
    shutil.copyfile(big_store(run.bench, ROWS), store / "store.sqlite3")
    server = OneWriterServer(bench=run.bench, name="strangers", store=store, overrides=overrides)
    return Contestant(
        name="one-writer",
        label=f"One Writer with {ROWS:,} rows",
        server=server,
        durability=registry.DURABLE,
        is_durable=True,
    )


def _rounds(run: Run, contestant: Contestant, limits: str) -> list[dict[str, Any]]:
    samples = []
    for number in range(run.rounds):
        for situation, (guessers, searchers) in SITUATIONS.items():
            with _strangers(contestant, guessers, searchers) as answers:
                extra = {"limits": limits, "situation": situation}
                sample = run.measure(contestant, round_number=number, connections=WRITERS, extra=extra)
            counts = {kind: dict(found) for kind, found in answers.items()}
            run.say(f"       {counts}")
            samples.append(sample | {"strangers": counts})
    return samples


def _sum_up(run: Run, samples: list[dict[str, Any]]) -> None:
    for limits in LIMITS:
        p99 = {
            situation: statistics.median(
                [
                    one["result"]["p99"]
                    for one in samples
                    if (one["limits"], one["situation"]) == (limits, situation)
                ]
                or [float("nan")]
            )
            for situation in SITUATIONS
        }
        quiet = p99["nobody else"]
        told = ", ".join(f"{name} {value * 1e3:.0f} ms ({value / quiet:.1f}x)" for name, value in p99.items())
        run.say(f"p99 of {WRITERS} writers, {limits}: {told}")


@contextmanager
def _strangers(contestant: Contestant, guessers: int, searchers: int) -> Iterator[dict[str, Counter[str]]]:
    """Let them go on, in processes of their own, until the block is left; then tell their answers."""
    context = multiprocessing.get_context("spawn")
    stop, queue = context.Event(), context.Queue()
    port, headers = contestant.server.port, contestant.request.all_headers()
    processes = [
        *(context.Process(target=_guess, args=(port, n, stop, queue)) for n in range(guessers)),
        *(context.Process(target=_search, args=(port, headers, stop, queue)) for _ in range(searchers)),
    ]
    answers: dict[str, Counter[str]] = {}
    for process in processes:
        process.start()
    if processes:
        time.sleep(START_SECONDS)
    try:
        yield answers
    finally:
        stop.set()
        for _ in processes:
            kind, counted = queue.get(timeout=2 * RESPONSE_SECONDS)
            answers.setdefault(kind, Counter()).update(counted)
        for process in processes:
            process.join()


def _guess(port: int, number: int, stop: Any, queue: Any) -> None:
    """Log in with a wrong password, again and again: two names exist, two do not."""
    name = "bench" if number % 2 else f"nobody{number}"
    token, cookie = "", ""
    counted: Counter[str] = Counter()
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
        try:
            if not token:
                connection.request("GET", LOGIN)
                page = connection.getresponse()
                cookie = (page.headers["Set-Cookie"] or "").partition(";")[0]
                [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
            form = urlencode({"username": name, "password": "wrong", "csrfmiddlewaretoken": token})
            kind = "application/x-www-form-urlencoded"
            connection.request("POST", LOGIN, form, {"Cookie": cookie, "Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            counted[str(answer.status)] += 1
        finally:
            connection.close()
    queue.put(("guesses", counted))


def _search(port: int, headers: Mapping[str, str], stop: Any, queue: Any) -> None:
    counted: Counter[str] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
    while not stop.is_set():
        connection.request("GET", SEARCH, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        code = re.findall(rb'"code":"(\w+)"', body)
        counted[f"{answer.status} {code[0].decode()}" if code else str(answer.status)] += 1
    connection.close()
    queue.put(("searches", counted))
