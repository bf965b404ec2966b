import json
import os
import re
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from tests.waiting import until
from tests.workers.writer_process import lease_held, lock_held
from workers import submit, why_not_ready
from workers.backups import making
from workers.models import Receipt
from workers.store import opening, receipts, store_file
from workers.store.lease import Lease
from workers.stream import keys, pauses, redis_stream
from workers.stream.redis_client import connect
from workers.writer.loop import Writer
from workers.writes import WriteStatus, new_token


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("writer_status", *arguments, stdout=output)
    return output.getvalue()


def run_without_writer() -> tuple[dict[str, Any], str]:
    """Return what `--json` prints, and the error that ends the command."""
    output = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("writer_status", "--json", stdout=output)
    return json.loads(output.getvalue()), str(failed.value)


def add_receipt(write_id: int, status: WriteStatus, http_status: int) -> None:
    Receipt.objects.create(
        write_id=write_id,
        token=new_token(),
        function="jottings.add",
        principal="7",
        status=status,
        http_status=http_status,
        body="{}",
        committed_at=timezone.now(),
    )


def add_jotting(text: str) -> int:
    return submit("jottings.add", {"data": {"text": text}}, announced=False).accepted()


def test_a_writer_at_work_is_shown_with_what_it_committed(writer: Writer) -> None:
    write_id = add_jotting("hello")
    writer.drain()

    state = json.loads(run("--json"))

    assert (state["length"], state["oldest_age_seconds"], state["problems"]) == (0, None, [])
    assert state["writer"]["pid"] == os.getpid()
    assert [receipt["write_id"] for receipt in state["receipts"]] == [write_id]
    assert f"pid {os.getpid()} on " in run()


@pytest.mark.django_db
def test_writes_that_wait_without_a_writer_are_a_failure(clean_redis: redis.Redis) -> None:
    add_jotting("first")
    add_jotting("second")

    state, error = run_without_writer()

    assert state["length"] == 2
    assert state["oldest_age_seconds"] >= 0
    assert error == "No writer is at work: 2 accepted writes wait. Start one with `manage.py up`."


@pytest.mark.django_db
def test_who_paused_is_named_with_the_end_and_the_way_out(clean_redis: redis.Redis) -> None:
    pauses.request(clean_redis, pauses.Pause(by="Ada", until=2e9), seconds=60)

    _, error = run_without_writer()
    pause = "Ada asks for a pause, until 2033-05-18 03:33:20 UTC at the latest"
    assert error == f"{pause}: 0 accepted writes wait. `manage.py resume` ends it."
    assert why_not_ready()["writer"] == f"{pause}: writes are accepted and wait."


@pytest.mark.sqlite  # it locks the lease's file
@pytest.mark.django_db
def test_a_writer_without_progress_is_told_from_none(clean_redis: redis.Redis) -> None:
    with lease_held("writer") as frozen:
        _, error = run_without_writer()

    assert error.startswith(f"writer (pid {frozen.pid}, since ")
    assert "starting, busy with one long write, or frozen" in error


@pytest.mark.sqlite  # it reads the lock's file
@pytest.mark.django_db(transaction=True)
def test_whoever_keeps_the_store_lock_is_named_with_the_way_out(writer: Writer) -> None:
    with lock_held("manage.py shell") as shell:
        shell.send_signal(signal.SIGSTOP)
        name = f"manage.py shell (pid {shell.pid}, since "
        until(lambda: (opening.probe() or "").startswith(name), what="the stop to be seen")

        _, without_writer = run_without_writer()
        writer._heartbeat.renew(committed=0, error=opening.probe())
        _, with_writer = run_without_writer()

    assert opening.probe() is None
    assert without_writer.startswith(name)
    assert "no writer can begin until it gives it back" in without_writer
    assert f"kill {shell.pid}" in without_writer
    assert with_writer.startswith(f"The writer cannot commit, and 0 accepted writes wait: {name}")


@pytest.mark.django_db
def test_what_another_stores_writer_does_is_not_shown_as_ones_own(clean_redis: redis.Redis) -> None:
    clean_redis.hset(keys.owner(), "store", "0" * 32 + ":1:2")

    assert run_without_writer()[1].startswith("The stream writes:stream in Redis belongs to another store")


@pytest.mark.django_db
def test_without_redis_the_receipts_are_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    add_receipt(5, WriteStatus.COMMITTED, 201)
    with connect(timeout_seconds=1, url="unix:///nowhere/redis.sock") as nowhere:
        monkeypatch.setattr("workers.operations.status.shared_client", lambda: nowhere)
        state, error = run_without_writer()

    assert (state["length"], state["writer"]) == (None, None)
    assert [receipt["write_id"] for receipt in state["receipts"]] == [5]
    assert error.startswith("Redis does not respond: ")


@pytest.mark.sqlite  # it makes a backup
def test_what_grows_is_shown_with_its_limit(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    add_jotting("committed")
    writer.drain()
    waiting = [add_jotting("waits"), add_jotting("waits too")]
    backup = making.make(store_file.path(), tmp_path, compresses=False)

    with override_settings(WRITE_BACKUP_DIRECTORY=str(tmp_path)):
        sizes = json.loads(run("--json"))["sizes"]
        shown = run()

    assert (sizes["receipts"], sizes["receipts_limit"], sizes["receipts_days"]) == (1, 10_000_000, 30)
    assert (sizes["stream_length"], sizes["stream_limit"]) == (2, 100_000)
    payloads = [redis_stream.find(writer._client, write_id) for write_id in waiting]
    assert sizes["stream_bytes"] == sum(len(entry.payload) for entry in payloads if entry)
    assert (sizes["backups"], sizes["backups_bytes"]) == (1, backup.manifest.size_bytes)
    assert sizes["store_bytes"] == store_file.path().stat().st_size
    assert sizes["log_bytes"] == store_file.log_path(store_file.path()).stat().st_size > 0
    assert sizes["disk_bytes"] > sizes["disk_free_bytes"] > 0
    assert sizes["redis_log_limit_bytes"] >= 64 * 1024**2 > sizes["redis_log_bytes"] > 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    for text in ("about 1, ", "10,000,000, or 30 days", "100,000, or 64.0 MiB", "emptied from 4.0 MiB"):
        assert text in shown


@pytest.mark.sqlite  # by SQLite's own table of pages
@pytest.mark.django_db
def test_the_number_of_receipts_and_their_bytes_are_told_without_a_scan() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%workers_receipt%'")
        before = cursor.fetchone()[0]
    assert receipts.estimate() == (0, 0)
    for number in range(1, 1_001):
        add_receipt(number, WriteStatus.COMMITTED, 201)
    receipts.delete_before(101, limit=1_000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%workers_receipt%'")
        size = cursor.fetchone()[0] - before

    count, size_bytes = receipts.estimate() or (0, 0)

    assert count == 900
    assert 0.6 * size < size_bytes < 1.4 * size


def test_the_most_recent_receipts_are_shown(writer: Writer) -> None:
    writer.drain()
    add_receipt(1, WriteStatus.COMMITTED, 201)
    add_receipt(2, WriteStatus.REJECTED, 404)
    add_receipt(3, WriteStatus.FAILED, 500)

    shown = run("--receipts=2")

    assert "rejected, 404" in shown
    assert "failed, 500" in shown
    assert "committed, 201" not in shown
    assert "Most recent receipts" not in run("--receipts=0")


@pytest.mark.sqlite  # it writes the lease's file
def test_who_took_the_lease_last_is_shown(writer: Writer) -> None:
    writer.drain()
    lease = Lease()
    assert lease.try_acquire(purpose="backup")
    try:
        assert f"backup, pid {os.getpid()}" in run()
    finally:
        lease.release()
    assert re.search(r"Lease\s+│ free\s", run())


@pytest.mark.parametrize("receipts", ["-1", "x", "1001"])
def test_a_number_of_receipts_that_makes_no_sense_is_refused(receipts: str) -> None:
    with pytest.raises(CommandError, match="use a whole number from 0 to 1000"):
        run(f"--receipts={receipts}")
