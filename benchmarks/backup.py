"""How long a backup of a large store keeps writes waiting: `python -m benchmarks.backup --help`.

Clients write in a closed loop, one write each, and note each answer's time: before, and while
`manage.py backup` runs. Every success is looked for in the store, and those before the backup in the backup.
"""

import argparse
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from benchmarks.big_store import fill
from benchmarks.contestants.one_writer import redis_command
from benchmarks.processes import BASE_DIR, Processes, free_port
from workers.up import embedded_redis

PREPARE = """
import django; django.setup()
from django.conf import settings
from django.core.management import call_command
from project.demo import access
call_command("migrate", verbosity=0)
access.prepare(settings.DATA_DIR)
"""


class Clients:
    """Threads that post items until they are ended."""

    def __init__(self, port: int, token: str, count: int) -> None:
        self.answers: list[tuple[float, float, str]] = []
        """Of each success: when it was sent and how long it took, in seconds, and the item's name."""
        self.failures: list[int] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(port, token, n)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _post(self, port: int, token: str, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        number = 0
        while not self._over.is_set():
            name, sent = f"client {client} write {number}", time.monotonic()
            connection.request("POST", "/api/items/", json.dumps({"name": name}), headers)
            response = connection.getresponse()
            response.read()
            if response.status == 201:
                self.answers.append((sent, time.monotonic() - sent, name))
            else:
                self.failures.append(response.status)
            number += 1

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backup", description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000_000, help="of the store: a gigabyte by default")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0, help="of writing before the backup")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="owb-", dir=options.directory) as directory:
        _measure(Path(directory), options)
    return 0


def _measure(directory: Path, options: argparse.Namespace) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "project.settings", "DATA_DIR": str(directory), "DEMO": "1"}
    port = free_port()
    processes = Processes(directory, settings | {"PORT": str(port)})
    subprocess.run([sys.executable, "-c", PREPARE], env=processes.environment, cwd=BASE_DIR, check=True)
    store = directory / "store.sqlite3"
    fill(store, options.rows)
    print(f"{store.stat().st_size / 1024**2:.0f} MiB, {options.rows:,} items", flush=True)
    try:
        start(processes, port)
        token = (directory / "demo-token").read_text().strip()
        clients = Clients(port, token, options.clients)
        time.sleep(options.seconds)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "manage.py", "backup"],
            env=processes.environment,
            cwd=BASE_DIR,
            check=True,
            capture_output=True,
            text=True,
        )
        ended = time.monotonic()
        clients.end()
    finally:
        processes.stop_all()
    print(done.stdout.strip())
    for what, some in (
        ("before", [answer for answer in clients.answers if answer[0] + answer[1] < began]),
        ("during", [answer for answer in clients.answers if answer[0] > began and answer[0] < ended]),
    ):
        times = sorted(seconds for _, seconds, _ in some)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        print(
            f"{what}: {len(times):,} writes, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, "
            f"longest {times[-1] * 1000:.0f} ms"
        )
    _check(directory, clients, began)


def start(processes: Processes, port: int) -> None:
    processes.start("redis", redis_command(sys.executable, processes.directory))
    processes.wait_until(lambda: embedded_redis.responds(embedded_redis.socket_path(processes.directory)))
    processes.start("writer", [sys.executable, "manage.py", "writer"])
    config = os.fspath(BASE_DIR / "workers/web/gunicorn_conf.py")
    processes.start("web", [sys.executable, "-m", "gunicorn", "project.wsgi:application", "--config", config])
    processes.wait_until(lambda: _is_ready(port))


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _check(directory: Path, clients: Clients, began: float) -> None:
    [backup] = (directory / "backups").glob("*.sqlite3")
    sent = {name for _, _, name in clients.answers}
    before = {name for sent_at, seconds, name in clients.answers if sent_at + seconds < began}
    lost = len(sent - _names(directory / "store.sqlite3"))
    missing = len(before - _names(backup))
    others = len(clients.failures)
    print(f"answers other than 201: {others}, lost in the store: {lost}, in the backup: {missing}")


def _names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as raw:
        return {name for (name,) in raw.execute("SELECT name FROM items_item WHERE name LIKE 'client %'")}


if __name__ == "__main__":
    sys.exit(main())
