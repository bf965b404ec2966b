"""Two sessions that write at the same time: as plain Django transactions, over HTTP, and through one thread.

Session A builds its write, works for half a second, writes and commits. Session B starts 0.1 s later, writes
at once, which takes SQLite's write lock, works for a second and commits.
"""

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.utils import ConnectionHandler
from django.utils import timezone

from items.models import Item
from project.demo.server import Server
from project.demo.timelines import Doing, Note, unnoted

ALIAS = "scratch"

WITH_THE_USUAL_TIMEOUT = "With Django's usual 5 s A would wait 0.6 s here, and longer behind more sessions."
"""Beside what is shown with a shorter one."""

DJANGO_DEFAULTS = {"query_only": "0", "journal_mode": "delete", "synchronous": "2"}
"""The pragmas of a connection that nobody has configured, as SQLite reads them back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Who works for how long, in seconds."""

    start_gap: float = 0.1
    """From A's start to B's."""
    a_works: float = 0.5
    b_works: float = 1.0

    def scaled(self, factor: float) -> "Timing":
        return Timing(
            start_gap=self.start_gap * factor, a_works=self.a_works * factor, b_works=self.b_works * factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one session got."""

    session: str
    text: str
    seconds: float
    """From the session's own start."""
    ok: bool


def plain_transactions(
    *,
    timeout_seconds: float,
    a_reads_first: bool = False,
    timing: Timing | None = None,
    note: Note = unnoted,
) -> list[Response]:
    """Run both sessions with Django's default settings on a new SQLite file, and return A's response and B's.

    `timeout_seconds` is Django's `OPTIONS["timeout"]`. With `a_reads_first`, A's transaction begins with a
    query. SQLite then refuses A's write at once, however long the timeout: waiting could not help, because B
    cannot commit before A lets go of what it has read.
    """
    timing = timing or Timing()

    def session_a() -> str:
        note("A", Doing.WORKS)
        with transaction.atomic(using=ALIAS):
            if a_reads_first:
                Item.objects.using(ALIAS).count()
            item = _item("session A")
            time.sleep(timing.a_works)
            note("A", Doing.WAITS)
            item.save(using=ALIAS)
            note("A", Doing.HOLDS)
        return "A committed"

    def session_b() -> str:
        note("B", Doing.WAITS)
        with transaction.atomic(using=ALIAS):
            _item("session B").save(using=ALIAS)
            note("B", Doing.HOLDS)
            time.sleep(timing.b_works)
        return "B committed"

    with _scratch(2, timeout_seconds) as opened:
        bodies = [
            _on(connection, body) for connection, body in zip(opened, (session_a, session_b), strict=True)
        ]
        return _side_by_side(*bodies, gap_seconds=timing.start_gap, note=note)


def through_one_thread(*, timing: Timing | None = None, note: Note = unnoted) -> list[Response]:
    """Run both sessions on a new SQLite file that one thread alone writes, and return A's response and B's.

    The principle of the service in miniature: that thread stands for the writer, its queue in memory for
    Redis. A session hands its write over, works without any lock, and responds once the write is committed.
    """
    timing = timing or Timing()

    with _scratch(1, timeout_seconds=5.0) as [connection], ThreadPoolExecutor(1) as writer:

        def write(session: str) -> None:
            note("writer", Doing.HOLDS)
            with _known(connection), transaction.atomic(using=ALIAS):
                _item(f"session {session}").save(using=ALIAS)
            note("writer", None)

        def session_a() -> str:
            note("A", Doing.WORKS)
            time.sleep(timing.a_works)
            note("A", Doing.WAITS)
            writer.submit(write, "A").result()
            return "A committed"

        def session_b() -> str:
            note("B", Doing.WORKS)
            handed_over = writer.submit(write, "B")
            time.sleep(timing.b_works)
            note("B", Doing.WAITS)
            handed_over.result()
            return "B committed"

        return _side_by_side(_told(session_a), _told(session_b), gap_seconds=timing.start_gap, note=note)


def through_the_queue(server: Server, *, gap_seconds: float = 0.1) -> list[Response]:
    """Send both sessions to the running service from two threads, and return A's response and B's."""

    def post(session: str) -> tuple[str, bool]:
        try:
            status, body = server.request("POST", f"/session_{session.lower()}")
        except (OSError, http.client.HTTPException) as exc:
            return f"no response: {str(exc) or type(exc).__name__}", False
        fields: dict[str, Any] = body if isinstance(body, dict) else {}
        detail = fields.get("detail") or fields.get("status") or "no JSON"
        return f"{status} {detail}", status == http.HTTPStatus.OK

    return _side_by_side(lambda: post("A"), lambda: post("B"), gap_seconds=gap_seconds)


def _item(name: str) -> Item:
    now = timezone.now()
    return Item(name=name, created_at=now, updated_at=now)


@contextmanager
def _scratch(count: int, timeout_seconds: float) -> Iterator[list[BaseDatabaseWrapper]]:
    """Give connections to a new file that has the table of items, and is gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        opened: list[BaseDatabaseWrapper] = []
        try:
            for _ in range(count):
                opened.append(_open(Path(directory) / "scratch.sqlite3", timeout_seconds))
            with _known(opened[0]), opened[0].schema_editor() as editor:
                editor.create_model(Item)
            yield opened
        finally:
            for connection in opened:
                connection.close()


def _open(path: Path, timeout_seconds: float) -> BaseDatabaseWrapper:
    """Return a connection as Django makes it by default."""
    settings = {
        "default": {},
        ALIAS: {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "OPTIONS": {"timeout": timeout_seconds},
        },
    }
    # A handler of its own, so that the alias is known to the two sessions' threads only.
    connection: BaseDatabaseWrapper = ConnectionHandler(settings).create_connection(ALIAS)
    connection.inc_thread_sharing()
    # The write path prepares every new connection for this process's role, and has it take the store lock.
    # Here that is undone, not switched off: the connections of the rest of the process stay as they are.
    connection.ensure_connection()
    connection.__class__ = DatabaseWrapper
    with connection.cursor() as cursor:
        for name, value in DJANGO_DEFAULTS.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        actual = {name: str(cursor.execute(f"PRAGMA {name}").fetchone()[0]) for name in DJANGO_DEFAULTS}
    if actual != DJANGO_DEFAULTS:
        raise RuntimeError(f"The scratch file would not show Django's defaults but {actual}.")
    connection.transaction_mode = None  # type: ignore[attr-defined]  # deferred
    return connection


def _on(connection: BaseDatabaseWrapper, body: Callable[[], str]) -> Callable[[], tuple[str, bool]]:
    """Return `body` run on this connection, with a refusal of the database as its response."""

    def run() -> str:
        with _known(connection):
            return body()

    return _told(run)


def _told(body: Callable[[], str]) -> Callable[[], tuple[str, bool]]:
    def run() -> tuple[str, bool]:
        try:
            return body(), True
        except OperationalError as exc:
            return str(exc), False

    return run


@contextmanager
def _known(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let the ORM find the connection by its alias, in this thread."""
    connections[ALIAS] = connection
    try:
        yield
    finally:
        del connections[ALIAS]


def _side_by_side(
    session_a: Callable[[], tuple[str, bool]],
    session_b: Callable[[], tuple[str, bool]],
    *,
    gap_seconds: float,
    note: Note = unnoted,
) -> list[Response]:
    responses: dict[str, Response] = {}

    def run(session: str, body: Callable[[], tuple[str, bool]]) -> None:
        started = time.monotonic()
        text, ok = body()
        note(session, None)
        responses[session] = Response(session=session, text=text, seconds=time.monotonic() - started, ok=ok)

    threads = [
        threading.Thread(target=run, args=arguments, daemon=True)
        for arguments in (("A", session_a), ("B", session_b))
    ]
    threads[0].start()
    time.sleep(gap_seconds)
    threads[1].start()
    for thread in threads:
        thread.join()
    return [responses["A"], responses["B"]]
