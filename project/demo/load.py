"""Put a running service under load with real HTTP requests, and check afterwards what became of each.

A closed loop: each connection sends its next request when the one before has its response. The client shares
the machine with the service, so it is one thread, and it parses only what it needs of a response.
"""

import asyncio
import json
import secrets
import signal
import time
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum

from project.demo.connection import Connection, NoResponse, Response
from project.demo.server import Server

RETRIES = 30
"""How often one request is repeated at most. Then the run ends: the service is not coming back."""

RECONNECT_SECONDS = 0.5
"""The pause before a request is sent again whose connection was refused or cut."""

RETRY_AFTER_MOST_SECONDS = 10.0
SETTLE_SECONDS = 60.0
"""How long the writes that got 202 may take to be settled, counted from the last request."""

POLL_SECONDS = 0.2
PROGRESS_SECONDS = 0.25

NOTHING_ACCEPTED = {"queue_unavailable", "stream_full"}
"""Codes of a 503 after which a repetition cannot take effect twice, even without an Idempotency-Key."""


class Fate(IntEnum):
    """What the client was told about one request."""

    UNSENT = 0
    ACCEPTED = 1
    """201, or 202 and then committed."""
    QUEUED = 2
    """202, and not settled yet."""
    UNKNOWN = 3
    """The connection was cut and there was no Idempotency-Key to repeat the request with."""
    ERROR = 4


@dataclass(kw_only=True)
class Report:
    """What the client saw."""

    run: str
    """Part of the name of every item of this run."""
    fates: bytearray
    """The `Fate` of each request, by its number."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Responses by HTTP status, those that were repeated included."""
    events: Counter[str] = field(default_factory=Counter)
    """Repetitions and errors, by kind."""
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds from the first sending of a request to its last response, repetitions included."""
    seconds: float = 0.0
    interrupted: bool = False

    def count(self, fate: Fate) -> int:
        return self.fates.count(fate)

    @property
    def rate(self) -> float:
        """Finished requests per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Return the latency in seconds that this share of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the store holds, compared with what the client was told."""

    rows: int
    missing: int
    """Accepted requests without a row."""
    duplicates: int
    """Requests with more than one row."""
    unknown_but_present: int
    error_but_present: int
    unexpected: int
    """Rows of this run that no request asked for."""


def name_prefix(run: str) -> str:
    return f"load {run} "


def compare(report: Report, names: Iterable[str]) -> Verdict:
    """Return how the names in the store fit what the client was told; takes them one by one."""
    prefix = name_prefix(report.run)
    present = bytearray(len(report.fates))
    rows = unexpected = 0
    for name in names:
        rows += 1
        number = name.removeprefix(prefix)
        if not number.isdecimal() or int(number) >= len(present) or name != f"{prefix}{int(number)}":
            unexpected += 1
            continue
        present[int(number)] = min(present[int(number)] + 1, 2)
    pairs = Counter(zip(report.fates, present, strict=True))
    return Verdict(
        rows=rows,
        missing=pairs[Fate.ACCEPTED, 0] + pairs[Fate.QUEUED, 0],
        duplicates=present.count(2),
        unknown_but_present=sum(pairs[Fate.UNKNOWN, times] for times in (1, 2)),
        error_but_present=sum(pairs[Fate.ERROR, times] for times in (1, 2)),
        unexpected=unexpected,
    )


class Load:
    """One run: `requests` items created over `connections` kept-alive connections."""

    def __init__(
        self,
        server: Server,
        *,
        requests: int,
        connections: int,
        idempotency_keys: bool,
        retries: int = RETRIES,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.report = Report(run=secrets.token_hex(4), fates=bytearray(requests))
        self._server = server
        self._connections = min(connections, requests)
        self._keys = idempotency_keys
        self._retries = retries
        self._settle_seconds = settle_seconds
        self._numbers = iter(range(requests))
        self._queued: dict[int, int] = {}
        self._stopped = False

    def run(self, on_progress: Callable[[int], object]) -> Report:
        """Send everything, settle what was queued, and return what was seen.

        `on_progress` is called a few times a second with the number of requests that are done. Ctrl-C, or a
        request that got no response after all its repetitions, ends the sending; the report is made anyway.
        """
        asyncio.run(self._run(on_progress))
        return self.report

    async def _run(self, on_progress: Callable[[int], object]) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ValueError, NotImplementedError):  # only the main thread of a process gets signals
            loop.add_signal_handler(signal.SIGINT, self._interrupt)
        ticker = asyncio.create_task(self._tick(on_progress))
        started = time.perf_counter()
        await self._together(self._send_in_turn)
        self.report.seconds = time.perf_counter() - started
        deadline = time.monotonic() + self._settle_seconds
        await self._together(lambda connection: self._settle_in_turn(connection, deadline))
        self.report.events["202 not settled in time"] += len(self._queued)
        ticker.cancel()
        on_progress(len(self.report.latencies))

    def _interrupt(self) -> None:
        self._stopped = self.report.interrupted = True

    async def _tick(self, on_progress: Callable[[int], object]) -> None:
        while True:
            on_progress(len(self.report.latencies))
            await asyncio.sleep(PROGRESS_SECONDS)

    async def _together(self, work: Callable[[Connection], Coroutine[None, None, None]]) -> None:
        connections = [Connection(self._server) for _ in range(self._connections)]
        try:
            async with asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(work(connection))
        finally:
            for connection in connections:
                connection.close()

    async def _send_in_turn(self, connection: Connection) -> None:
        for number in self._numbers:
            started = time.perf_counter()
            fate = await self._send(connection, number)
            self.report.fates[number] = fate
            if fate in {Fate.ACCEPTED, Fate.QUEUED}:
                self.report.latencies.append(time.perf_counter() - started)
            if self._stopped:
                return

    async def _send(self, connection: Connection, number: int) -> Fate:
        """Send one request until it has a response that counts, and return what it says."""
        body = json.dumps({"name": f"{name_prefix(self.report.run)}{number}"}).encode()
        key = f"load-{self.report.run}-{number}" if self._keys else ""
        for _ in range(self._retries + 1):
            try:
                response = await connection.ask("POST", "/api/items/", body, key=key)
            except NoResponse as exc:
                self.report.events[exc.kind] += 1
                if exc.was_sent and not self._keys:
                    return Fate.UNKNOWN
                wait_seconds = RECONNECT_SECONDS
            else:
                fate = self._judge(response, number)
                if fate is not None:
                    return fate
                wait_seconds = min(response.retry_after, RETRY_AFTER_MOST_SECONDS)
            if self._stopped:
                break
            await asyncio.sleep(wait_seconds)
        self.report.events["gave up"] += 1
        self._stopped = True
        return Fate.ERROR

    def _judge(self, response: Response, number: int) -> Fate | None:
        """Return what the response means for the request, or None when it is to be sent again."""
        self.report.statuses[response.status] += 1
        if response.status == 201:
            return Fate.ACCEPTED
        if response.status == 202 and response.write_id:
            self._queued[number] = response.write_id
            return Fate.QUEUED
        code = response.code()
        self.report.events[f"{response.status} {code}"] += 1
        if response.status in {502, 503, 504}:  # the others are a proxy's, whose connection behind it was cut
            return None if self._keys or code in NOTHING_ACCEPTED else Fate.UNKNOWN
        # The first sending, which was cut off, is accepted and on its way.
        return None if code == "idempotency_key_in_progress" else Fate.ERROR

    async def _settle_in_turn(self, connection: Connection, deadline: float) -> None:
        """Ask for the outcome of queued writes, one after the other, until none is left or time is up."""
        while self._queued and time.monotonic() < deadline and not self.report.interrupted:
            number, write_id = next(iter(self._queued.items()))
            del self._queued[number]
            fate = await self._outcome(connection, write_id)
            if fate is None:
                # Put back at the end, where the ones accepted later are.
                self._queued[number] = write_id
                await asyncio.sleep(POLL_SECONDS)
            else:
                self.report.fates[number] = fate

    async def _outcome(self, connection: Connection, write_id: int) -> Fate | None:
        try:
            response = await connection.ask("GET", f"/api/writes/{write_id}/")
        except NoResponse as exc:
            self.report.events[f"status: {exc.kind}"] += 1
            return None
        if response.status != 200:
            self.report.events[f"status: {response.status} {response.code()}"] += 1
            return None
        state = response.json().get("status")
        if state == "committed":
            return Fate.ACCEPTED
        if state == "queued":
            return None
        self.report.events[f"202 then {state}"] += 1
        return Fate.ERROR
