"""Writing while 16 readers list and fetch continuously, and their reading while nobody writes."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.load import LoadResult, read
from benchmarks.run import Run

READERS = 16
READABLE_ITEMS = 40
"""Readers fetch items 1 to 40; the first page of the list holds 50."""


def measure(run: Run, ready: Mapping[str, Contestant]) -> dict[str, list[Any]] | None:
    """Measure, in each round: reads alone, writes alone, and both together."""
    if "one-writer" not in ready:
        return None
    contestant = ready["one-writer"]
    run.measure(
        contestant, round_number=0, seconds=1, warm_up=0, extra={"note": "so that there is something to read"}
    )
    alone, together, reads_alone, reads_together = [], [], [], []
    with ThreadPoolExecutor(1) as pool:
        for number in range(run.rounds):
            reads = _read(run, contestant)
            if reads is None:
                run.skipped["readers"] = "needs wrk"
                return None
            reads_alone.append(_reads_json(run, reads, "nobody writes"))
            alone.append(run.measure(contestant, round_number=number, extra={"note": "nobody reads"}))
            future = pool.submit(_read, run, contestant)
            together.append(
                run.measure(contestant, round_number=number, warm_up=0, extra={"note": f"{READERS} readers"})
            )
            reads_together.append(_reads_json(run, future.result(), "while written"))
    return {
        "writes_alone": alone,
        "writes_with_readers": together,
        "reads_alone": reads_alone,
        "reads_with_writes": reads_together,
    }


def _read(run: Run, contestant: Contestant) -> LoadResult | None:
    return read(contestant.request, connections=READERS, seconds=run.seconds, items=READABLE_ITEMS)


def _reads_json(run: Run, result: LoadResult | None, note: str) -> dict[str, Any]:
    assert result is not None
    rate = result.successes(200) / result.seconds
    run.say(
        f"       {READERS} readers, {note}: {rate:,.0f}/s  p99 {result.p99 * 1e3:.1f} ms"
        f"  {dict(result.statuses)}"
    )
    return {"rate": rate, "errors": result.errors(200), "p99": result.p99, "result": result.as_json()}
