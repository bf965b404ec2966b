"""What each role's connection is like, read back from SQLite, in real processes."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import forks
from tests.e2e.service import BASE_DIR

Run = Callable[[str], str]

PRELUDE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection, connections, transaction
from tests.jottings.models import Topic
from workers import Role, WriteOutsideWriter, set_role
from workers.store import pragmas
set_role(Role.WEB)
"""
PRAGMAS = (
    "journal_mode synchronous query_only cache_size mmap_size "
    "journal_size_limit wal_autocheckpoint busy_timeout"
)
STRAY_WRITE = """
set_role(Role.COMMAND)
Topic.objects.create(name="kept")
connections.close_all()
set_role(Role.WEB)
try:
    {statement}
except WriteOutsideWriter as exc:
    print(exc)
connections.close_all()
print([topic.name for topic in Topic.objects.all()])
"""


IN_FIBER = """
import asyncio, os
from workers.event_loop import fibers
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
asyncio.run(fibers.run(exec, {script!r}, globals()))
"""


JSON_BESIDE_A_WRITER = """
import threading
from django.core.checks import run_checks
from django.db.models import Value
from django.db.models.functions import JSONObject
from tests.holding import store_held_by_another
set_role(Role.COMMAND)
Topic.objects.create(name="kept")
found = []
def look():
    found.append(connection.features.supports_json_field)
    found.extend(Topic.objects.values_list(JSONObject(name="name"), flat=True))
    found.extend(one for one in run_checks(databases=["default"]) if one.id == "fields.E180")
    connections.close_all()
with store_held_by_another():
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    print(found)
"""


def run_python(script: str, directory: Path, *, in_fiber: bool = False) -> str:
    """Run Python in a process of its own, in a fiber of an event loop if wanted; return what it prints."""
    program = PRELUDE + (IN_FIBER.format(script=script) if in_fiber else script)
    done = forks.run(
        [sys.executable, "-c", program], env=os.environ | {"DATA_DIR": str(directory)}, cwd=BASE_DIR
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def run(migrated: Path, tmp_path: Path) -> Run:
    """Run Python in a process with a migrated store of its own; return what it prints."""
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return lambda script: run_python(script, tmp_path)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("WRITER", "wal 2 0 -65536 0 67108864 0 2000"),
        ("WEB", "wal 2 1 -8192 0 -1 0 5000"),
        ("COMMAND", "wal 2 0 -2000 0 -1 0 5000"),
    ],
)
def test_each_role_opens_the_store_as_the_design_says(run: Run, role: str, expected: str) -> None:
    printed = run(
        f"set_role(Role.{role})\nconnection.ensure_connection()\n"
        f"print(*pragmas.read(connection.connection, {PRAGMAS!r}.split()).values())"
    )

    assert printed == expected


def test_a_command_is_as_durable_as_the_writer_once_it_writes(run: Run) -> None:
    printed = run(
        "set_role(Role.COMMAND)\n"
        "with transaction.atomic():\n"
        "    Topic.objects.create(name='x')\n"
        f"    print(*pragmas.read(connection.connection, {PRAGMAS!r}.split()).values())"
    )

    assert printed == "wal 2 0 -2000 0 67108864 0 5000"


@pytest.mark.parametrize(
    "statement",
    [
        "Topic.objects.create(name='x')",
        "Topic.objects.filter(name='kept').update(name='x')",
        "Topic.objects.all().delete()",
        "connection.cursor().execute('DROP TABLE jottings_topic')",
        "transaction.atomic()(lambda: Topic.objects.bulk_create([Topic(name='x')]))()",
    ],
)
def test_a_stray_write_in_a_web_process_is_refused_by_name_and_changes_nothing(
    run: Run, statement: str
) -> None:
    message, names = run(STRAY_WRITE.format(statement=statement)).splitlines()

    assert "workers.submit()" in message
    assert names == "['kept']"


def test_a_write_makes_sqlite_prepare_no_statement_again(run: Run) -> None:
    # As each PRAGMA that sets a flag does, which made the reads of a page six times as dear.
    printed = run(
        "set_role(Role.COMMAND)\nTopic.objects.create(name='first')\nstatements = []\n"
        "connection.connection.set_trace_callback(statements.append)\n"
        "Topic.objects.create(name='x')\nwith transaction.atomic(): Topic.objects.all().delete()\n"
        "print(len(statements) > 3, [one for one in statements if one.startswith('PRAGMA')])"
    )

    assert printed == "True []"


def test_a_view_that_may_write_where_others_may_not_leaves_its_connection_as_it_was(run: Run) -> None:
    printed = run(
        "from workers.store import permission\n"
        "with permission.allowed(): Topic.objects.create(name='x')\n"
        "print(pragmas.read(connection.connection, ['query_only'])['query_only'], Topic.objects.count())"
    )

    assert printed == "1 1"


def test_whether_there_is_json_is_not_asked_of_a_store_that_somebody_writes(run: Run) -> None:
    assert run(JSON_BESIDE_A_WRITER) == "[True, {'name': 'kept'}]"
