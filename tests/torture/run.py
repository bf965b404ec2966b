"""Torture the service, then check what it promised.

    python -m tests.torture.run --minutes 5 [--seed S] [--clients 3]

The seed decides which faults come in which order and what the clients send; when exactly each request meets
which fault is up to the machine.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.service import PYTHON
from tests.torture import checker, clients, faults, harness, history, report, snapshot
from tests.torture.facts import Violation
from tests.torture.nemesis import Nemesis
from tests.torture.ordinary import check

DRAIN_SECONDS = 90.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def load(service: harness.TorturedService, *, count: int, seed: str) -> Iterator[list[Path]]:
    """Run client processes in the block, and one of ordinary views; give the logs of the former."""
    logs = [service.home / f"client-{number}.jsonl" for number in range(count)]
    commands = [
        clients.command(number, log, port=service.port, token=service.token, seed=seed)
        for number, log in enumerate(logs)
    ]
    ordinary = [PYTHON, "-m", "tests.torture.ordinary.workload", "--port", str(service.port), "--seed", seed]
    ordinary += ["--log", str(service.home / "ordinary.jsonl")]
    with clients.running([*commands, ordinary]):
        yield logs


def torture(
    home: Path,
    *,
    seconds: float,
    at_least: int = 0,
    at_most_seconds: float = float("inf"),
    seed: str,
    count: int = 3,
    only: tuple[str, ...] = (),
    **settings: str,
) -> report.Run:
    """Run load and nemesis on a new service below `home`, let it come to rest, and check it.

    `only` names the kinds of fault, all by default.
    """
    started, notes = time.monotonic(), []
    with harness.running(home, **settings) as (service, has_small_disk):
        kinds = faults.all_faults(has_small_disk=has_small_disk)
        if not has_small_disk:
            notes.append("left out            fill disk: mounting a small disk needs root")
        chosen = [kind for kind in kinds if not only or kind.name in only]
        nemesis = Nemesis(service, chosen, seed=seed, log=home / "faults.jsonl")
        with load(service, count=count, seed=seed) as logs:
            nemesis.run(seconds=seconds, at_least=at_least, at_most_seconds=at_most_seconds)
        stuck = _come_to_rest(service, notes)
        copy = snapshot.copy(service.directory / "store.sqlite3", home / "store.sqlite3")
    taken, told = snapshot.read(copy), history.load(logs)
    ordinary = check.load(home / "ordinary.jsonl")
    done = Counter(one["status"] for one in ordinary)
    notes.append(f"ordinary writes     {done[200]} of {len(ordinary)} done, {done[503]} refused")
    return report.Run(
        seed=seed,
        seconds=time.monotonic() - started,
        injected=nemesis.injected,
        history=told,
        snapshot=taken,
        violations=stuck + checker.check(told, taken) + check.check(ordinary, check.read(copy)),
        deaths=service.deaths,
        notes=notes,
    )


def _come_to_rest(service: harness.TorturedService, notes: list[str]) -> list[Violation]:
    """Wait until all that was accepted is committed; a service that does not get there breaks a promise."""
    try:
        took = harness.drain(service, seconds=DRAIN_SECONDS)
    except AssertionError as exc:
        return [Violation(kind="stuck", evidence=str(exc))]
    notes.append(f"drained             {took:.1f} s after the last client")
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description="Torture the service, then check what it promised.")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", default="")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--home", type=Path, help="Directory for the store and the logs; kept afterwards.")
    parser.add_argument(
        "--only", action="append", default=[], help="Name of a kind of fault; may be repeated."
    )
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("WRITE_")]:
        del os.environ[name]  # the service runs with the settings of this package
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # which have an ordinary view
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # stops all that it started
    seed = options.seed or secrets.token_hex(4)
    say(f"seed {seed}")
    home = options.home or Path(tempfile.mkdtemp(prefix="torture-"))
    run = torture(
        home,
        seconds=options.minutes * 60,
        seed=seed,
        count=options.clients,
        only=tuple(options.only),
    )
    say(report.describe(run))
    if run.violations:
        say(f"store and logs      {home}")
    elif options.home is None:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if run.violations else 0


if __name__ == "__main__":
    sys.exit(main())
