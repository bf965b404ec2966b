"""The nemesis: forces faults one after another, by a seed, and notes each with its time."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import psutil

from tests.torture.faults import Fault
from tests.torture.harness import Skipped, TorturedService

PAUSE_SECONDS = (0.3, 1.8)
WATCH_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Injected:
    """A fault that was forced, or one that could not be."""

    name: str
    started_at: float
    ended_at: float
    """When the service could begin to recover. Seconds since 1970, as in the receipts."""
    note: str = ""
    was_skipped: bool = False


class Nemesis:
    """Forces faults on a service until told to stop."""

    def __init__(self, service: TorturedService, faults: Sequence[Fault], *, seed: str, log: Path) -> None:
        self._service = service
        self._faults = faults
        self._seed = seed
        self._log = log
        self.injected: list[Injected] = []

    def run(self, *, seconds: float, at_least: int, at_most_seconds: float) -> None:
        """Force faults for `seconds`, and for longer until there were `at_least`, up to `at_most_seconds`."""
        started = time.monotonic()
        for fault, pause_seconds in self._plan():
            self.force(fault)
            self._watch(pause_seconds)
            elapsed = time.monotonic() - started
            enough = sum(not one.was_skipped for one in self.injected) >= at_least
            if (elapsed >= seconds and enough) or elapsed >= at_most_seconds:
                return

    def force(self, fault: Fault) -> None:
        """Force one fault, and note it."""
        started, was_skipped = time.time(), False
        try:
            # Of its own for each, so that what one fault finds does not change the ones after it.
            note = fault.force(self._service, Random(f"{self._seed}/fault {len(self.injected)}"))
        except (Skipped, ProcessLookupError, psutil.NoSuchProcess) as exc:
            note, was_skipped = str(exc) or repr(exc), True
        one = Injected(
            name=fault.name, started_at=started, ended_at=time.time(), note=note, was_skipped=was_skipped
        )
        self.injected.append(one)
        with self._log.open("a") as log:
            log.write(json.dumps(asdict(one)) + "\n")

    def _plan(self) -> Iterator[tuple[Fault, float]]:
        """Deal all kinds of fault in a random order, again and again: each comes up in a short run too."""
        chance = Random(f"{self._seed}/plan")
        while True:
            deck = [fault for fault in self._faults for _ in range(fault.weight)]
            chance.shuffle(deck)
            for fault in deck:
                yield fault, chance.uniform(*PAUSE_SECONDS)

    def _watch(self, seconds: float) -> None:
        """Let the service recover, and start again what ends by itself."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._service.revive()
            time.sleep(WATCH_SECONDS)
