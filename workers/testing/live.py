"""The real thing for a test: a Redis and a writer, in processes of their own, on the test database."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from django.db import connection
from django.test import override_settings

from workers.exceptions import WritePathError
from workers.redis_address import RedisAddress
from workers.store import identity, store_file
from workers.stream import heartbeat
from workers.stream.redis_client import connect
from workers.submission.client import end_submitter
from workers.up.embedded_redis import find_binary, socket_path

START_SECONDS = 60.0
"""For imports, on a machine that is busy with other tests."""

STOP_SECONDS = 30.0
"""For a batch that is under way."""

POLL_SECONDS = 0.05


class LiveWriterUnavailable(WritePathError):
    """A writer cannot be started for this test."""


@contextmanager
def live_writer() -> Iterator[None]:
    """Run a Redis and a writer for the test database while the block runs; `submit` goes to them.

    Raises LiveWriterUnavailable, and workers.up's EmbeddedRedisUnavailable.
    """
    _refuse_what_no_other_process_sees()
    find_binary()  # said here, not by a process whose log nobody reads
    directory = Path(tempfile.mkdtemp(prefix="live-writer-"))
    address = RedisAddress.of_socket(socket_path(directory))
    process = _start(directory, address)
    try:
        with override_settings(REDIS_URL=address.url, WRITE_SUBMITTER=""):
            _start_afresh()
            _wait_until_at_work(process, directory)
            yield
    finally:
        _start_afresh()
        _stop(process)
        shutil.rmtree(directory, ignore_errors=True)


def _refuse_what_no_other_process_sees() -> None:
    if connection.in_atomic_block:
        raise LiveWriterUnavailable(
            "The transaction of this test keeps the writer out: use TransactionTestCase, "
            "LiveServerTestCase, or pytest.mark.django_db(transaction=True)."
        )
    if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]  # of SQLite's wrapper alone
        raise LiveWriterUnavailable(
            "The test database is in memory, where the writer cannot find it: give it a file, "
            'DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "test.sqlite3"}.'
        )


def _start(directory: Path, address: RedisAddress) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        # What a project reads its settings from, and what Celery takes before any setting.
        "REDIS_URL": address.url,
        "CELERY_BROKER_URL": address.broker_url,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    store = connection.settings_dict["NAME"]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "workers.testing.writer_process", str(store), str(directory), address.url],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _wait_until_at_work(process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with connect(timeout_seconds=1.0) as client:
        while not _is_at_work(client):
            if process.poll() is not None or time.monotonic() > deadline:
                said = (directory / "log").read_text(errors="replace").strip()
                raise LiveWriterUnavailable(
                    f"The writer did not begin on {store_file.place()[0]}. It said:\n{said or 'nothing'}"
                )
            time.sleep(POLL_SECONDS)


def _is_at_work(client: redis.Redis) -> bool:
    try:
        return heartbeat.read(client) is not None
    except redis.RedisError:  # not there yet
        return False


def _start_afresh() -> None:
    """Forget which Redis and which store this process was used to."""
    end_submitter()
    identity.forget()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()  # which it takes for the end of this process
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
