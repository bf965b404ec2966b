"""`submit`: the one call by which a process hands a write over."""

import asyncio
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import import_string

from workers import registry, tracing
from workers.conf import settings_of_tests
from workers.in_hand import request_in_hand
from workers.stream.doorbell import ring
from workers.stream.redis_stream import Entry
from workers.submission.read_after import Progress
from workers.submission.submission import Submission
from workers.submission.submitter import Submitter
from workers.writes import Write, new_token

_submitter: Submitter | None = None
_creation = threading.Lock()


class AnySubmitter(Protocol):
    """What takes a process's writes: the submitter to the stream or, in tests, what WRITE_SUBMITTER names.

    The methods raise what those of workers.submission.submitter.Submitter raise.
    """

    def submit(self, write: Write, *, announced: bool) -> Submission:
        """Take a write."""

    def find(self, write_id: int) -> Entry | None:
        """Return the entry of this write while it waits."""

    def wait_until_committed(
        self, write_id: int, seconds: float, *, reads_from: str = DEFAULT_DB_ALIAS
    ) -> Progress:
        """Wait until the write has its outcome in the database with this alias, within a limit."""


def submitter() -> AnySubmitter:
    """Return what takes this process's writes."""
    path = settings_of_tests.WRITE_SUBMITTER
    return _instead_of_stream(path) if path else stream_submitter()


@cache
def _instead_of_stream(path: str) -> AnySubmitter:
    made: AnySubmitter = import_string(path)()
    return made


def stream_submitter() -> Submitter:
    """Return this process's submitter to the stream."""
    global _submitter  # one per process: sharing round trips is the point
    if _submitter is None:
        with _creation:
            _submitter = _submitter or Submitter(ring=ring)
    return _submitter


def live_on(loop: asyncio.AbstractEventLoop) -> None:
    """Let this process's submitter live on the loop that runs in this thread."""
    global _submitter
    end_submitter()
    _submitter = Submitter(ring=ring, loop=loop)


def end_submitter() -> None:
    """Close this process's submitter; the next write makes another one."""
    former = _submitter
    _forget_submitter()
    if former is not None:
        former.close()


def _forget_submitter() -> None:
    """Start afresh: a forked child must not share its parent's connections and threads."""
    global _submitter
    _submitter = None


os.register_at_fork(after_in_child=_forget_submitter)


def submit(
    function: str,
    arguments: Mapping[str, Any],
    *,
    principal: str = "",
    token: str | None = None,
    fingerprint: str | None = None,
    retry_of: int | None = None,
    announced: bool = True,
) -> Submission:
    """Hand a write to the writer and return at once; the submission tells what becomes of it.

    `principal` says who asked. `token` (else made up) and `fingerprint` come from an Idempotency-Key,
    see workers/submission/idempotency.py. `retry_of` is the id of the failed write that this one tries again.
    Without `announced` the outcome can only be read from the receipt.
    Raises UnknownWriteFunction, and for arguments UnfitArgument (a ValueError) and UnsupportedArgument (a
    TypeError), see workers/encoding/values.py.
    """
    registry.find(function)
    request = request_in_hand()
    write = Write(
        function=function,
        arguments=arguments,
        token=token or new_token(),
        principal=principal,
        fingerprint=fingerprint,
        retry_of=retry_of,
        request_id=request.request_id if request else "",
        traceparent=tracing.traceparent(request),
    )
    return submitter().submit(write, announced=announced)
