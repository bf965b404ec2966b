"""One process of several that write one store at once, none of which waits for SQLite's own lock.

    DATA_DIR=... python -m tests.workers.store.lock.never_two KIND SECONDS

With no patience for SQLite's lock (busy_timeout 0), any moment with two writers is an error, in whichever of
them comes second. Prints how often it wrote.
"""

import os
import sys
import threading
import time

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
settings.DATABASES["default"]["OPTIONS"] = {"timeout": 0}
django.setup()

from django.core.management import call_command  # noqa: E402 - needs Django
from django.db import connection, connections, transaction  # noqa: E402

from tests.jottings.models import Jotting  # noqa: E402
from workers import Role, set_role  # noqa: E402
from workers.store import pragmas  # noqa: E402
from workers.writer import commit  # noqa: E402
from workers.writes import Write, decode, encode, new_token  # noqa: E402

THREADS = 3


def view() -> None:
    """As a view of an app that was never changed: a transaction, a single write, an update, a delete."""
    with transaction.atomic():
        made = Jotting.objects.create(text="in a transaction")
        Jotting.objects.filter(pk=made.pk).update(text="changed")
    Jotting.objects.create(text="by itself").delete()


def shell() -> None:
    """As somebody at a prompt, who thinks in the middle of a transaction."""
    with transaction.atomic():
        Jotting.objects.create(text="shell")
        time.sleep(0.005)
    time.sleep(0.01)


def write_functions() -> None:
    first = time.time_ns() // 1000
    sent = [
        Write(function="jottings.add", arguments={"data": {"text": "b"}}, token=new_token())
        for _ in range(20)
    ]
    commit.commit_batch([decode(first + number, encode(write)) for number, write in enumerate(sent)])


def migrate() -> None:
    call_command("migrate", verbosity=0)


KINDS = {"view": view, "task": view, "shell": shell, "migrate": migrate, "writer": write_functions}


def main(kind: str, seconds: float) -> int:
    if kind == "writer":
        pragmas.WRITER_BUSY_MILLISECONDS = 0
        connections.close_all()
        set_role(Role.WRITER)
    until, count, errors = time.monotonic() + seconds, [0], []

    def work() -> None:
        try:
            while time.monotonic() < until:
                KINDS[kind]()
                count[0] += 1
        except Exception as exc:
            errors.append(repr(exc))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS if kind == "view" else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(f"{count[0]}\n")
    sys.stderr.write("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
