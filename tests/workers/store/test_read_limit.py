"""What web processes read has a time limit, from a statement's start to its last row; in real processes."""

import shutil
from pathlib import Path

import pytest

from tests.workers.store.test_opening import Run, run_python

WEB = """
import time
from django.core.signals import request_finished, request_started
from django.db import DatabaseError
from django.test import Client, override_settings
from workers import is_cut_off
FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n {}"
NEVER_A_ROW = FOREVER.format("i", "WHERE i < 0")
FIRST_ROWS_SOON = FOREVER.format("i", "WHERE i < 2000")
SOME = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3500) SELECT i FROM n"
SHORT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT max(i) FROM n"
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500000) SELECT max(i) FROM n"

def is_cut(read):
    try:
        read()
    except DatabaseError as exc:
        return is_cut_off(exc)
    return False

def cursor(sql):
    made = connection.cursor()
    made.execute(sql)
    return made
"""

# As a request begins and ends in a thread, and in a fiber.
BEGIN_AND_END = """
from workers.event_loop.fibers import in_fiber
from workers.web import connection_pool
connection_pool.install(has_fibers=True)
def begin():
    if not in_fiber(): request_started.send(None, environ={})
def end():
    if in_fiber(): connection_pool.give_back()
    else: request_finished.send(None)
"""


@pytest.fixture
def run(migrated: Path, tmp_path: Path) -> Run:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return lambda script: run_python(WEB + script, tmp_path)


@pytest.fixture(params=[False, True], ids=["thread", "fiber"])
def run_anywhere(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Run:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return lambda script: run_python(WEB + script, tmp_path, in_fiber=request.param)


def test_a_read_is_cut_off_at_its_limit_while_it_looks_and_while_it_is_fetched(run_anywhere: Run) -> None:
    printed = run_anywhere(
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=0.2):\n"
        "    print(is_cut(lambda: cursor(NEVER_A_ROW).fetchone()))\n"
        "    rows = cursor(FIRST_ROWS_SOON)\n"
        "    print(len(rows.fetchmany(100)))\n"
        "    print(is_cut(rows.fetchall))\n"
        "    print(cursor('SELECT 1').fetchone())\n"
    )

    assert printed.splitlines() == ["True", "100", "True", "(1,)"]


def test_all_rows_come_in_order_and_once_however_they_are_fetched(run_anywhere: Run) -> None:
    printed = run_anywhere(
        "rows = cursor(SOME)\n"
        "some = [rows.fetchone(), *rows.fetchmany(150), *rows.fetchmany(2000)]\n"
        "some += rows.fetchall()\n"
        "print([i for (i,) in some] == list(range(1, 3501)), rows.fetchone(), rows.fetchmany(5))\n"
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=30.0):\n"
        "    print([i for (i,) in cursor(SOME)] == list(range(1, 3501)), cursor(LONG).fetchall())\n"
    )

    assert printed.splitlines() == ["True None []", "True [(500000,)]"]


def test_the_reads_of_one_request_share_the_limit_and_the_next_request_has_its_own(run_anywhere: Run) -> None:
    printed = run_anywhere(
        BEGIN_AND_END + "def count():\n"
        "    return next(n for n in range(1, 1_000_000) if is_cut(lambda: cursor(SHORT).fetchall()))\n"
        # Many times what one read takes, also on a busy machine, where the thread of slow reads comes last.
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=2.0):\n"
        "    begin()\n"
        "    print(count() > 1)\n"
        "    end()\n"
        "    begin()\n"
        "    print(count() > 1)\n"
    )

    assert printed.splitlines() == ["True", "True"]


def test_a_request_may_wait_longer_than_the_limit_between_its_reads(run: Run) -> None:
    printed = run(
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=2.0):\n"
        "    request_started.send(None, environ={})\n"
        "    cursor('SELECT 1').fetchone()\n"
        "    waited_until = time.monotonic() + 2.1\n"
        "    while time.monotonic() < waited_until: pass\n"
        "    print(cursor(LONG).fetchall())\n"
    )

    assert printed == "[(500000,)]"


def test_no_limit_is_no_limit(run: Run) -> None:
    printed = run(
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=0):\n    print(cursor(LONG).fetchall())"
    )

    assert printed == "[(500000,)]"


def test_a_slow_read_does_not_hold_the_event_loop(migrated: Path, tmp_path: Path) -> None:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    printed = run_python(
        WEB + "import asyncio\n"
        "from workers.event_loop import fibers\n"
        "def read(): return is_cut(lambda: cursor(NEVER_A_ROW))\n"
        "with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=1.0):\n"
        "    slow = [asyncio.get_running_loop().create_task(fibers.run(read)) for _ in range(3)]\n"
        "    served = 0\n"
        "    while not all(one.done() for one in slow):\n"
        "        served += len(cursor('SELECT 1').fetchall())\n"
        "        fibers.wait_for(asyncio.sleep(0.01))\n"
        "    print(served > 10, [one.result() for one in slow])\n",
        tmp_path,
        in_fiber=True,
    )

    assert printed == "True [True, True, True]"


ANSWERS = """
set_role(Role.COMMAND)
from django.contrib.auth.models import User
from django.conf import settings
User.objects.create_superuser("ada", password="x")
from items.models import Item
from django.utils import timezone
now = timezone.now()
Item.objects.bulk_create(
    Item(name=f"{n:060} {chr(97) * 120}", created_at=now, updated_at=now) for n in range(20_000)
)
connections.close_all(); set_role(Role.WEB)
settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
settings.ALLOWED_HOSTS = ["testserver"]
client = Client(raise_request_exception=False)
from django.contrib.auth.signals import user_logged_in
user_logged_in.receivers.clear()
client.force_login(User.objects.get())
with override_settings(WRITE_READ_TIME_LIMIT_SECONDS=0.001):
    for path in ("/api/items/?search=zz", "/admin/items/item/?q=zz"):
        answer = client.get(path)
        said = ["read_timed_out" in answer.text, "takes too long" in answer.text]
        print(answer.status_code, answer["Content-Type"], answer["Retry-After"], *said)
    print(client.get("/health/live").status_code)
print(client.get("/api/items/?search=zz").status_code)
"""


def test_a_read_that_is_cut_off_gets_503_with_its_code_and_a_page_in_the_admin(run: Run) -> None:
    printed = run(ANSWERS)

    assert printed.splitlines() == [
        "503 application/problem+json 5 True True",
        "503 text/html; charset=utf-8 5 False True",
        "200",
        "200",
    ]
