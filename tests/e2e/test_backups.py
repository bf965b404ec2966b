"""Backup and restore of a service: while clients write, with what waits, and by the writer itself."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import forks
from tests.e2e.service import Service
from tests.waiting import until


@contextmanager
def _writes(service: Service) -> Iterator[list[int]]:
    """Post items, one after another, while the block runs; give their answers' statuses."""
    statuses: list[int] = []
    is_over = threading.Event()

    def post() -> None:
        while not is_over.is_set():
            statuses.append(service.create(f"written {len(statuses)}").status)

    client = threading.Thread(target=post)
    client.start()
    try:
        yield statuses
    finally:
        is_over.set()
        client.join()


def _backups(service: Service) -> list[Path]:
    return sorted((service.directory / "backups").glob("*.sqlite3"))


def test_a_backup_under_load_is_restored_and_what_waits_is_applied_once(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(**{forks.WITHOUT: "1"})  # whose command lines are told
    service.start_all()
    with _writes(service) as statuses:
        until(lambda: len(statuses) > 20, what="some writes")
        made = service.manage("backup")
    assert set(statuses) == {201}
    assert "sound" in made.stdout
    [backup] = _backups(service)
    with closing(sqlite3.connect(backup)) as raw:
        (held,) = raw.execute("SELECT count(*) FROM items_item").fetchone()
    assert 20 < held <= len(statuses)

    # One of these is in no store but the former one, the others wait in Redis.
    assert service.create("after the backup").status == 201
    # A writer that is killed before would read it again, into the restored store.
    service.until_acknowledged()
    service.kill("writer")
    waiting = [
        service.create(
            f"waits {number}", headers={"Idempotency-Key": f"key-{number}", "Prefer": "respond-async"}
        )
        for number in range(3)
    ]
    assert [answer.status for answer in waiting] == [202] * 3
    refused = service.manage("restore", "--no-input", check=False)
    assert refused.returncode == 1
    assert "Stop the service" in refused.stderr
    assert "gunicorn" in refused.stderr
    service.stop("web")

    drill = service.manage("restore", "--drill")
    assert "items_item" in drill.stdout
    assert "not touched" in drill.stdout
    restored = service.manage("restore", "--no-input")

    assert ".before-" in restored.stdout.replace("\n", "")
    service.start("writer")
    service.start("web")
    until(service.is_ready, seconds=30, what="the service to be ready")
    until(lambda: service.names()[-3:] == [f"waits {number}" for number in range(3)], what="what waited")
    assert len(service.names()) == held + 3
    # Each once: asked again, the same key gets what the first one did.
    again = service.create("waits 0", headers={"Idempotency-Key": "key-0"})
    assert again.status == 201
    assert len(service.names()) == held + 3


def test_the_writer_has_backups_made_by_itself_and_doctor_says_how_old_the_newest_is(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(WRITE_BACKUP_HOURS="0.0001", WRITE_BACKUP_KEEP="2", WRITE_BACKUP_COMPRESS="1")
    assert "There is none" in service.manage("doctor", check=False).stdout
    service.start_all()
    assert service.create("kept").status == 201

    directory = service.directory / "backups"
    until(lambda: len(list(directory.glob("*.gz.json"))) == 1, seconds=30, what="the first backup")

    found = " ".join(service.manage("doctor", check=False).stdout.split())
    assert "h old" in found
    assert service.get("/health/ready").status == 200


def test_a_backup_that_cannot_be_made_is_said_and_stops_no_write(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(WRITE_BACKUP_HOURS="1", WRITE_BACKUP_DIRECTORY="/proc/nowhere")
    service.start_all()

    until(lambda: "backup state=failed" in service.log("writer"), seconds=30, what="the failure to be said")

    assert service.create("kept").status == 201
    assert "/proc/nowhere" in service.log("writer")


@pytest.mark.parametrize("stray", ["nothing-of-this-name", "store.sqlite3"])
def test_what_is_no_backup_is_named(make_service: Callable[..., Service], stray: str) -> None:
    service = make_service()

    done = service.manage("restore", str(service.directory / stray), check=False)

    assert done.returncode == 1
    assert stray in done.stderr


def test_free_room_is_given_back_while_clients_write(make_service: Callable[..., Service]) -> None:
    service = make_service()
    service.start_all()
    fill = (
        "from items.models import Item\nfrom django.utils import timezone\nnow = timezone.now()\n"
        "Item.objects.bulk_create([Item(name='x' * 180 + str(n), created_at=now, updated_at=now)"
        " for n in range(20_000)])\nItem.objects.filter(name__startswith='xxx').delete()"
    )
    service.manage("shell", "-c", fill)
    (before,) = service.rows("PRAGMA page_count")[0]

    with _writes(service) as statuses:
        until(lambda: len(statuses) > 5, what="some writes")
        done = service.manage("vacuum")
        count = len(statuses)
        until(lambda: len(statuses) > count, what="a write after it")

    assert "The longest slice" in done.stdout
    assert set(statuses) == {201}
    (after,) = service.rows("PRAGMA page_count")[0]
    assert after < before / 2
    assert "Nothing is to be given back" in service.manage("vacuum").stdout


def test_a_store_that_was_made_without_incremental_vacuum_is_written_anew_once(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    with closing(sqlite3.connect(service.directory / "store.sqlite3", isolation_level=None)) as raw:
        raw.execute("PRAGMA auto_vacuum = NONE")
        raw.execute("VACUUM")
        raw.execute("CREATE TABLE t AS SELECT hex(randomblob(200000)) AS x")
        raw.execute("DROP TABLE t")

    refused = service.manage("vacuum", check=False)
    assert refused.returncode == 1
    assert "--full" in refused.stderr
    service.manage("vacuum", "--full")

    assert service.rows("PRAGMA auto_vacuum") == [(2,)]
    assert service.rows("PRAGMA freelist_count") == [(0,)]
