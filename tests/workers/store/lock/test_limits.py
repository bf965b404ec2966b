"""How long a request waits for the store lock and holds it: through Django's own handler, in a process."""

import os
import sys
from pathlib import Path

import pytest

from tests import forks
from tests.workers.store.lock.processes import BASE_DIR

PRELUDE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client, RequestFactory
from tests.jottings.models import Topic
from workers.store import opening
from workers.store.lock.store_lock import StoreLock
call_command("migrate", verbosity=0)
client = Client(raise_request_exception=False)
lock = StoreLock(opening.file_of(connections["default"]))
def names(): return sorted(topic.name for topic in Topic.objects.all())
def says(call):
    try: call()
    except Exception as exc: return type(exc).__name__
"""


def run(script: str, directory: Path, **settings: str) -> list[str]:
    done = forks.run(
        [sys.executable, "-c", PRELUDE + script],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DATA_DIR": str(directory),
            "DJANGO_SETTINGS_MODULE": "tests.workers.store.lock.plain_settings",
            **settings,
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_request_that_waits_in_vain_gets_503_and_says_nothing_of_others(tmp_path: Path) -> None:
    printed = run(
        "client.get('/log-in')\n"  # from now on its session is updated, of which Django makes a 400
        "lock.acquire('GET /secret/token', seconds=5)\n"
        "for path in ('/create/a', '/log-in'):\n"
        "    response = client.get(path)\n"
        "    print(response.status_code, response['Retry-After'], b'secret' in response.content)\n"
        "lock.release()\n"
        "print(client.get('/create/b').status_code, names())",
        tmp_path,
        WRITE_LOCK_WAIT_SECONDS="0.1",
    )

    assert printed == ["503 2 False", "503 2 False", "200 ['b']"]


@pytest.mark.parametrize("path", ["hold-asleep", "commit-late", "hold-in-sql"])
def test_a_transaction_that_is_late_is_undone_whole_and_the_connection_works_on(
    tmp_path: Path, path: str
) -> None:
    printed = run(
        f"print(says(lambda: Client().get('/{path}/x')))\n"
        "print(lock.holder(), names(), client.get('/create/next').status_code, names())",
        tmp_path,
        WRITE_LOCK_HOLD_SECONDS="0.3",
    )

    assert printed == ["TransactionTimedOut", "None [] 200 ['next']"]


def test_a_command_holds_it_for_as_long_as_it_likes_even_after_a_request(tmp_path: Path) -> None:
    printed = run(
        "from tests.waiting import until\nimport time\n"
        "client.get('/create/request')\n"
        "with transaction.atomic():\n"
        "    Topic.objects.create(name='command')\n"
        "    end = time.monotonic() + 1\n"
        "    until(lambda: time.monotonic() > end)\n"
        "print(names())",
        tmp_path,
        WRITE_LOCK_HOLD_SECONDS="0.1",
    )

    assert printed == ["['command', 'request']"]


def test_a_store_whose_lock_cannot_be_used_is_read_and_not_written(tmp_path: Path) -> None:
    printed = run(
        "connections.close_all()\nlock.path.unlink()\nlock.path.mkdir()\n"
        "from workers.store.lock.store_lock import lock_of\n"
        "lock_of(lock.store).forget()\n"
        "print(names(), says(lambda: Topic.objects.create(name='a')))",
        tmp_path,
    )

    assert printed == ["[] WrongStore"]


def test_a_forked_child_has_a_watchdog_of_its_own(tmp_path: Path) -> None:
    printed = run(
        "import os\n"
        "client.get('/create/parent')\n"
        "connections.close_all()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if says(lambda: Client().get('/hold-asleep/x')) == 'TransactionTimedOut' else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        tmp_path,
        WRITE_LOCK_HOLD_SECONDS="0.3",
    )

    assert printed == ["0"]


def test_an_async_request_that_waits_in_vain_gets_503(tmp_path: Path) -> None:
    printed = run(
        "import asyncio\nfrom django.test import AsyncClient\n"
        "lock.acquire('other', seconds=5)\n"
        "response = asyncio.run(AsyncClient(raise_request_exception=False).get('/create-async/a'))\n"
        "print(response.status_code, response['Retry-After'])",
        tmp_path,
        WRITE_LOCK_WAIT_SECONDS="0.1",
    )

    assert printed == ["503 2"]
