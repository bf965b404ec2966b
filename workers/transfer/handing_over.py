"""One slice on its way: handed over, awaited as long as it takes, and handed over again where it was lost."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from workers.exceptions import AcceptanceUnknown, NotAccepted
from workers.operations.absence import why_no_writer
from workers.operations.retries import token_after
from workers.store import receipts
from workers.submission.client import submit, submitter
from workers.submission.submission import Submission
from workers.transfer.slices import Slice
from workers.writes import Outcome, WriteStatus

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts while the stream takes nothing; the last one repeats."""

LONGEST_PAUSE_SECONDS = 60.0
"""Between attempts of which Redis did not confirm the last."""

PATIENCE_SECONDS = 5.0
"""Wait for an outcome after which it is said what is waited for."""

LOOK_SECONDS = 0.5
"""From one look to the next whether a slice still waits."""


class SliceWrite:
    """The write of one slice."""

    def __init__(self, part: Slice, *, function: str, principal: str) -> None:
        """Raises django.db.Error."""
        self.part = part
        self._function = function
        self._principal = principal
        self._arguments: Mapping[str, Any] = {}
        self._submission: Submission | None = None
        self._token, known = _last_attempt(part.token)
        self.known = known if known and known.status is WriteStatus.COMMITTED else None
        """Its outcome, where an earlier run has led to it."""
        self._retry_of = known.write_id if known else None

    def hand_over(self, arguments: Mapping[str, Any]) -> None:
        """Submit it, unless the stream takes nothing now: then `outcome` does."""
        self._arguments = arguments
        with contextlib.suppress(NotAccepted):
            self._submit()

    def outcome(self, on_wait: Callable[[str], None]) -> Outcome:
        """Return the outcome, whenever it comes; `on_wait` is told what is waited for.

        Raises django.db.Error, and WritePathError for what no waiting mends.
        """
        failures = unknown = 0
        while True:
            try:
                submission = self._submission or self._submit()
                if found := submission.wait(PATIENCE_SECONDS) or self._awaited(submission, on_wait):
                    return found
            except AcceptanceUnknown as exc:
                on_wait(str(exc))
                # It may be in the stream, where each further one would only take room.
                pause, unknown = min(2.0**unknown, LONGEST_PAUSE_SECONDS), unknown + 1
            except (NotAccepted, redis.RedisError) as exc:
                on_wait(str(exc))
                pause, failures = PAUSES[min(failures, len(PAUSES) - 1)], failures + 1
            else:
                pause = PAUSES[0]
            if found := self._in_receipt_within(pause):
                return found
            self._submission = None  # to be handed over again: by its token it takes effect once

    def _submit(self) -> Submission:
        self._submission = submit(
            self._function,
            self._arguments,
            principal=self._principal,
            token=self._token,
            retry_of=self._retry_of,
        )
        return self._submission

    def _awaited(self, submission: Submission, on_wait: Callable[[str], None]) -> Outcome | None:
        """Wait while it is in the stream; return None where it is lost."""
        write_id = submission.accepted()
        while submitter().find(write_id):
            on_wait(f"{why_no_writer()}. What was accepted waits for it.")
            time.sleep(LOOK_SECONDS)
        return self._in_receipt()

    def _in_receipt_within(self, seconds: float) -> Outcome | None:
        """Pause for so long, or until the outcome is there."""
        ends = time.monotonic() + seconds
        while (remaining := ends - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, remaining))
            if found := self._in_receipt():
                return found
        return None

    def _in_receipt(self) -> Outcome | None:
        known = receipts.find([self._token]).get(self._token)
        return known.outcome if known else None


def _last_attempt(token: str) -> tuple[str, Outcome | None]:
    """Return the token to hand over with, and the outcome of the last attempt, if it was not the first.

    One that failed or was rejected is tried again with the token that `failed_writes --retry` gives it: one
    of the two takes effect.
    """
    outcome = None
    while known := receipts.find([token]).get(token):
        outcome = known.outcome
        if outcome.status is WriteStatus.COMMITTED:
            break
        token = token_after(outcome.write_id)
    return token, outcome
