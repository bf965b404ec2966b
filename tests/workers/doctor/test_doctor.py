"""The doctor as a whole: what it prints, and that it only looks."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.workers.doctor.stores import examined, make_store
from workers.doctor import Level
from workers.writer.loop import Writer


def test_a_service_at_work_has_no_errors(at_work: Writer) -> None:
    output = StringIO()
    call_command("doctor", "--json", stdout=output)

    state = json.loads(output.getvalue())
    assert state["errors"] == 0
    by_name = {finding["name"]: finding for finding in state["findings"]}
    assert by_name["writer"]["msg"].startswith(f"pid {os.getpid()} on ")
    assert by_name["redis.persistence"]["level"] == "ok"
    assert by_name["store.writer"]["msg"].startswith("journal_mode=wal synchronous=FULL")
    assert len(by_name) == len(state["findings"])


def test_every_warning_and_error_has_a_remedy_and_the_exit_status_tells_of_errors(
    store: Path, clean_redis: redis.Redis
) -> None:
    output = StringIO()
    with pytest.raises(CommandError, match=r"^Needs attention: store, writer\.$"):
        call_command("doctor", "--json", stdout=output)

    for finding in json.loads(output.getvalue())["findings"]:
        assert bool(finding["hint"]) == (finding["level"] not in {"ok", "info"})


def test_the_table_shows_findings_and_remedies(store: Path, clean_redis: redis.Redis) -> None:
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=output)

    assert "Make it with `manage.py migrate`." in output.getvalue()
    assert "2 errors, " in output.getvalue()


@pytest.mark.django_db
def test_without_redis_the_store_and_the_lease_are_examined_all_the_same() -> None:
    with override_settings(REDIS_URL="unix:///nowhere/redis.sock"):
        found = examined()

    assert found["redis"].level is Level.ERROR
    assert "Start it" in found["redis"].hint
    assert found["store.integrity"].level is Level.OK
    assert found["lease"].level is Level.OK


def test_looking_writes_neither_the_store_nor_its_log(store: Path, tmp_path: Path) -> None:
    """Given what a crash leaves behind, which the next ordinary connection would recover and check in."""
    origin = tmp_path / "origin.sqlite3"
    make_store(origin)
    with closing(sqlite3.connect(origin)) as open_store, open_store:
        open_store.execute("DELETE FROM numbers WHERE number > 500")
        open_store.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{origin}{suffix}", f"{store}{suffix}")
    open_store.close()
    files = [store, Path(f"{store}-wal")]
    before = [file.read_bytes() for file in files]
    assert before[1]

    examined(full=True)

    assert [file.read_bytes() for file in files] == before
    assert not Path(f"{store}.lease").exists()
