"""A submitter that commits in the test itself: the writer's own code, without Redis and without a process.

In a TestCase what is committed is a savepoint of the test's transaction, and goes with it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.test import override_settings

from workers.exceptions import WritePathError
from workers.store import identity, receipts
from workers.store.fence import Fenced
from workers.stream.append import Fate, Reply
from workers.stream.redis_stream import Entry
from workers.submission.client import submitter
from workers.submission.listener import Listener
from workers.submission.read_after import Progress
from workers.submission.submission import Submission
from workers.writer import commit
from workers.writes import Write, decode, encode

SETTING = {"WRITE_SUBMITTER": "workers.testing.AtOnce"}

REPLY_TO = "test:0"
"""Where outcomes are announced of writes whose callers wait; nobody listens there."""


class NotInTests(WritePathError):
    """workers.testing.AtOnce is for tests: remove WRITE_SUBMITTER from the settings of the service."""


class SubmittedInTransaction(WritePathError):
    """submit() in transaction.atomic(): the writer cannot commit before it ends. Submit after the block."""


class TransactionOfTestLost(WritePathError):
    """The write ended the transaction of its test: use TransactionTestCase or django_db(transaction=True)."""


class AtOnce:
    """Applies each write when it is submitted. One for the process: WRITE_SUBMITTER names this class."""

    def __init__(self) -> None:
        self._listener = Listener()
        # The threads of a live server submit too. Held while a write is applied, which may submit others.
        self._lock = threading.RLock()
        self._waiting: list[Submission] = []
        self._claims: dict[str, tuple[str | None, int]] = {}
        """Fingerprint and write id of what waits, by token, as the stream keeps them."""
        self._last_write_id = 0
        self._is_held = False
        self._commits = False

    def submit(self, write: Write, *, announced: bool) -> Submission:
        """Apply the write, unless writes are held or this is called by a write that is being applied.

        Raises SubmittedInTransaction, UnfitArgument and UnsupportedArgument, and what the store raises.
        """
        if not identity.is_test_run():
            raise NotInTests
        with self._lock:
            if not self._commits:
                _refuse_in_transaction()
            write = replace(write, reply_to=REPLY_TO if announced else None)
            submission = Submission(self._listener, replace(write, payload=encode(write)), 0)
            writes_wait = self._is_held or self._commits
            reply = self._append(submission)
            submission.take(reply, writer_is_alive=not writes_wait, was_sent_before=False)
            if not writes_wait:
                self._commit()
            return submission

    def find(self, write_id: int) -> Entry | None:
        """Return the entry of this write while it waits."""
        for submission in [*self._waiting]:
            if submission.write.write_id == write_id:
                return Entry(write_id=write_id, payload=submission.write.payload)
        return None

    def wait_until_committed(
        self, write_id: int, seconds: float, *, reads_from: str = DEFAULT_DB_ALIAS
    ) -> Progress:
        """Say whether the write has its outcome. Never waits: nothing comes that is not there already."""
        if receipts.reached(write_id):
            return Progress.THROUGH
        if self.find(write_id) is not None:
            return Progress.WAITING
        return Progress.UNKNOWN if write_id > self._last_write_id else Progress.THROUGH

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let writes wait while the block runs, then commit them in one batch; drop them if it raises."""
        if self._is_held:
            raise RuntimeError("Writes are held already: end the block of the first held_writes() first.")
        self._is_held = True
        try:
            yield
            with self._lock:
                self._is_held = False
                self._commit()
        finally:
            self._is_held = False
            self._waiting = []
            self._claims.clear()

    def _append(self, submission: Submission) -> Reply:
        """Line the write up, and reply as workers/stream/append.lua does."""
        write = submission.write
        claim = self._claims.get(write.token)
        if claim is not None and write.fingerprint is not None:
            fingerprint, first_id = claim
            if fingerprint != write.fingerprint:
                return Reply(Fate.REUSED)
            if write.reply_to is None:
                return Reply(Fate.RUNNING, first_id)
        self._last_write_id = max(time.time_ns() // 1000, self._last_write_id + 1)
        submission.write = replace(write, write_id=self._last_write_id)
        self._waiting.append(submission)
        if claim is not None and write.fingerprint is not None:
            return Reply(Fate.JOINED, claim[1])
        self._claims[write.token] = write.fingerprint, self._last_write_id
        return Reply(Fate.ACCEPTED, self._last_write_id)

    def _commit(self) -> None:
        """Commit what waits, and what that submits, as one batch after the other."""
        self._commits = True
        try:
            while batch := self._waiting:
                self._waiting = []
                writes = [decode(one.write.write_id, one.write.payload) for one in batch]
                settled = _committed(writes)
                for submission, (_, outcome) in zip(batch, settled, strict=True):
                    submission.settle(outcome)
        finally:
            self._commits = False
            self._waiting = []  # what the store refused is the caller's error, not the next one's
            self._claims.clear()


def _committed(writes: list[Write]) -> list[commit.Settled]:
    was_sound_testcase = connection.in_atomic_block and not connection.needs_rollback
    try:
        settled = commit.commit_batch(writes)
    except Exception as exc:
        if was_sound_testcase and Fenced().is_spoilt():
            raise TransactionOfTestLost from exc
        raise
    if was_sound_testcase and Fenced().is_spoilt():
        raise TransactionOfTestLost
    return settled


def _refuse_in_transaction() -> None:
    if not connection.in_atomic_block:
        return
    try:
        with transaction.atomic(durable=True):
            return  # a Django TestCase's own, which stands for none
    except RuntimeError as exc:
        raise SubmittedInTransaction from exc


@contextmanager
def held_writes() -> Iterator[None]:
    """Let writes wait in the block, as while no writer is at work, and commit them in one batch at its end.

    Requests get 202, their status is "queued", and a repeat with their Idempotency-Key gets 409.
    """
    with override_settings(**SETTING), cast(AtOnce, submitter()).held():
        yield
