"""Load from this process, for machines without `wrk`. It costs about as much CPU as a contestant's answer."""

import asyncio
import math
import time
from collections import Counter

from benchmarks.load.request import Request, name_prefix
from benchmarks.load.result import BUCKETS_PER_DECADE, LoadResult
from project.demo.connection import Connection, NoResponse
from project.demo.server import Server

SLOW_SECONDS = 2.0
PAUSE_SECONDS = 0.05
"""Wait after a connection was refused or cut."""


def run(request: Request, *, run: str, connections: int, seconds: float) -> LoadResult:
    """Send requests in a closed loop for that long, and return what was answered."""
    return asyncio.run(_Load(request, run, connections, seconds).measure())


class _HeadedWire(Connection):
    """A wire that sends the request's own headers."""

    def __init__(self, request: Request) -> None:
        super().__init__(Server(host="127.0.0.1", port=request.port))
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.all_headers().items())
        self._head_end = f" HTTP/1.1\r\nHost: 127.0.0.1:{request.port}\r\n{lines}Content-Length: "


class _Load:
    """One measurement."""

    def __init__(self, request: Request, run: str, connections: int, seconds: float) -> None:
        self._request = request
        self._run = run
        self._connections = connections
        self._seconds = seconds
        self._ends = 0.0
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []
        self._errors = 0

    async def measure(self) -> LoadResult:
        started = time.perf_counter()
        self._ends = started + self._seconds
        tasks = [asyncio.create_task(self._loop(number)) for number in range(self._connections)]
        _, unfinished = await asyncio.wait(tasks, timeout=self._seconds)
        elapsed = time.perf_counter() - started
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self._result(elapsed)

    async def _loop(self, number: int) -> None:
        wire = _HeadedWire(self._request)
        sent = 0
        try:
            while time.perf_counter() < self._ends:
                names = [
                    f"{name_prefix(self._run)}{number}-{sent + item}" for item in range(self._request.items)
                ]
                sent += self._request.items
                await self._ask(wire, self._request.body(names))
        finally:
            wire.close()

    async def _ask(self, wire: Connection, body: bytes) -> None:
        started = time.perf_counter()
        try:
            answer = await wire.ask("POST", self._request.path, body)
        except NoResponse:
            self._errors += 1
            await asyncio.sleep(PAUSE_SECONDS)
            return
        self._latencies.append(time.perf_counter() - started)
        self._statuses[answer.status] += 1

    def _result(self, elapsed: float) -> LoadResult:
        ordered = sorted(self._latencies) or [0.0]

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

        return LoadResult(
            seconds=elapsed,
            requests=len(self._latencies),
            statuses=dict(self._statuses),
            slow=sum(latency > SLOW_SECONDS for latency in ordered),
            unanswered=0,
            read_errors=self._errors,
            mean=sum(ordered) / len(ordered),
            p50=at(0.5),
            p90=at(0.9),
            p99=at(0.99),
            p999=at(0.999),
            max=ordered[-1],
            # A dict, because asdict() spoils a Counter before Python 3.12.
            histogram=dict(Counter(bucket_of(latency) for latency in self._latencies)),
        )


def bucket_of(seconds: float) -> int:
    """Return the histogram's bucket of a latency."""
    return math.floor(math.log10(max(seconds * 1e6, 1.0)) * BUCKETS_PER_DECADE)
