"""Contestants brought up together, so that they can take turns, and ended together."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from benchmarks.contestants import Contestant, Server
from benchmarks.processes import NotStarted

T = TypeVar("T")


@contextmanager
def stage(contestants: Iterable[Contestant], skipped: dict[str, str]) -> Iterator[list[Contestant]]:
    """Start contestants and yield those that answer; say why of the others, on the terminal and in `skipped`.

    Those whose turn it is not are idle, which costs nothing that could be measured.
    """
    servers: list[Server] = []
    try:
        candidates = []
        for contestant in contestants:
            reason = _launch(contestant.server, servers)
            if reason:
                _skip(contestant, reason, skipped)
            else:
                candidates.append(contestant)
        ready = []
        for contestant in candidates:
            try:
                contestant.server.wait(contestant.request)
                ready.append(contestant)
            except NotStarted as exc:
                _skip(contestant, str(exc), skipped)
        yield ready
    finally:
        for server in reversed(servers):
            server.stop()


def _launch(server: Server, servers: list[Server]) -> str:
    """Start a server unless it runs already; return why it cannot be started, or nothing."""
    if server in servers:
        return ""
    reason = server.unavailable()
    if not reason:
        servers.append(server)
        try:
            server.start()
        except (NotStarted, OSError, subprocess.CalledProcessError) as exc:
            return str(exc)
    return reason


def _skip(contestant: Contestant, reason: str, skipped: dict[str, str]) -> None:
    skipped[contestant.name] = reason
    print(f"{contestant.name:<20} skipped: {reason}", flush=True)


def in_turn(contestants: Sequence[T], round_number: int) -> list[T]:
    """Return the order of a round: another one begins each time, so that nobody always follows the same."""
    start = round_number % len(contestants) if contestants else 0
    return [*contestants[start:], *contestants[:start]]
