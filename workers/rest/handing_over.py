"""How the write of a request is handed over, once, whatever kind of view asks for it."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.conf import settings
from workers.exceptions import KeyInProgress
from workers.rest.errors import problem_of
from workers.rest.headers import Prefer
from workers.rest.responses import status_url
from workers.submission import idempotency
from workers.submission.client import submit
from workers.submission.shares import Place, shares
from workers.writes import Outcome

Arguments = Mapping[str, Any]


def hand_over(
    function: str,
    arguments: Callable[[], Arguments],
    *,
    principal: str,
    once: idempotency.Idempotency | None,
    preferences: Prefer,
    size: int,
) -> tuple[Outcome | None, int]:
    """Submit a write and wait as preferred; return its outcome, if it came in time, and its id.

    `size` is that of the request's body in bytes: large writes of one client wait for each other.

    What makes the arguments is not called where the request repeats an earlier one. Raises
    WritePathError, and ProblemError with the path to ask at while the first request with the same key waits.
    """
    try:
        if once and (earlier := idempotency.earlier_outcome(once)):
            return earlier, earlier.write_id
        with shares.place(principal, size, seconds=settings.WRITE_WAIT_SECONDS) as place:
            return _submitted(function, arguments(), principal, once, preferences, place)
    except KeyInProgress as exc:
        # Committed since this request looked for its receipt?
        if once and (earlier := idempotency.earlier_outcome(once)):
            return earlier, exc.write_id
        problem = problem_of(exc)
        if url := status_url(exc.write_id):
            problem.headers["Location"] = url
        raise problem from exc


def _submitted(
    function: str,
    arguments: Arguments,
    principal: str,
    once: idempotency.Idempotency | None,
    preferences: Prefer,
    place: Place | None,
) -> tuple[Outcome | None, int]:
    wait_seconds = preferences.wait_seconds
    if wait_seconds is None:
        wait_seconds = settings.WRITE_WAIT_SECONDS
    waits = not preferences.respond_async and wait_seconds > 0
    submission = submit(
        function,
        arguments,
        principal=principal,
        token=once.token if once else None,
        fingerprint=once.fingerprint if once else None,
        announced=waits,
    )
    outcome = submission.wait(wait_seconds) if waits else None
    if outcome is not None:
        return outcome, outcome.write_id
    write_id = submission.accepted()
    if place is not None and submission.writer_is_alive:
        place.keeps = write_id
    return None, write_id
