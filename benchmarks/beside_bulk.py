"""How long a single write takes beside somebody's bulk: `python -m benchmarks.beside_bulk --help`.

A few clients write one item now and then, and note each response's time: beside nobody, beside an API client
that posts bulk writes as fast as it can (`Prefer: respond-async`), and beside `manage.py import_items`. The
three take turns, round after round, because the machine's own speed changes.
"""

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import redis

from benchmarks.backup import PREPARE, start
from benchmarks.processes import BASE_DIR, Processes, free_port
from workers.redis_address import RedisAddress
from workers.up import embedded_redis

LINES = 2_000_000
"""Of the file that is imported: more than a round takes."""

DRAIN_SECONDS = 120


class Service:
    """The service that is measured, in a directory of its own."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory, self.port = directory, free_port()
        given = {"DJANGO_SETTINGS_MODULE": "project.settings", "DATA_DIR": str(directory), "DEMO": "1"}
        self.processes = Processes(directory, given | {"PORT": str(self.port)} | settings)
        subprocess.run(
            [sys.executable, "-c", PREPARE], env=self.processes.environment, cwd=BASE_DIR, check=True
        )

    @property
    def headers(self) -> dict[str, str]:
        token = (self.directory / "demo-token").read_text().strip()
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def drained(self) -> None:
        """Wait until nothing is in the stream."""
        socket = embedded_redis.socket_path(self.directory)
        deadline = time.monotonic() + DRAIN_SECONDS
        with redis.Redis.from_url(RedisAddress.of_socket(socket).url) as client:
            while client.xlen("writes:stream") and time.monotonic() < deadline:
                time.sleep(0.05)

    def rows(self) -> int:
        """Return the key of the newest item: none is deleted here."""
        with contextlib.closing(sqlite3.connect(self.directory / "store.sqlite3")) as raw:
            return int(raw.execute("SELECT coalesce(max(id), 0) FROM items_item").fetchone()[0])


def write_now_and_then(service: Service, clients: int, pause: float, seconds: float) -> list[float]:
    """Return how long each single write took, in seconds. Raises where one was not committed."""
    times: list[float] = []
    ends = time.monotonic() + seconds

    def write(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        chance, headers = random.Random(client), service.headers
        while time.monotonic() < ends:
            time.sleep(chance.expovariate(1 / pause))
            sent = time.monotonic()
            connection.request("POST", "/api/items/", json.dumps({"name": f"single {client}"}), headers)
            response = connection.getresponse()
            response.read()
            # One that was not committed within the time for it (202) has waited for as long.
            times.append(time.monotonic() - sent)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def post_bulk(port: int, headers: dict[str, str], items: int, over: Event) -> None:
    """Post bulk writes until it is over, over four connections."""

    def post(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"items": [{"name": f"bulk {random.random()} {one}"} for one in range(items)]})
        while not over.is_set():
            connection.request("POST", "/api/items/bulk/", body, headers | {"Prefer": "respond-async"})
            response = connection.getresponse()
            response.read()
            if response.status != 202:
                time.sleep(float(response.headers.get("Retry-After", 1)))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def bulk_client(service: Service, items: int, told: Callable[[int, float], None]) -> Iterator[None]:
    """Have another process post bulk writes meanwhile; tell how many items were accepted in which time."""
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    process = context.Process(target=post_bulk, args=(service.port, service.headers, items, over))
    process.start()
    before = service.rows()
    while service.rows() == before and process.is_alive():
        time.sleep(0.05)
    began, before = time.monotonic(), service.rows()
    try:
        yield
    finally:
        told(service.rows() - before, time.monotonic() - began)
        over.set()
        process.join()


@contextlib.contextmanager
def import_running(service: Service, lines: Path, told: Callable[[int, float], None]) -> Iterator[None]:
    """Have the command import meanwhile; it is interrupted at the end."""
    command = [sys.executable, "manage.py", "import_items", str(lines), "--label", str(time.monotonic())]
    log = service.directory / "import.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=service.processes.environment, cwd=BASE_DIR, stdout=output, stderr=output
        )
        journal = lines.with_suffix(".csv.journal")
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 1000):
            time.sleep(0.01)
        began, before = time.monotonic(), service.rows()
        try:
            yield
        finally:
            told(service.rows() - before, time.monotonic() - began)
            process.send_signal(signal.SIGINT)
            process.wait()
            journal.unlink()


def write_lines(path: Path) -> None:
    """Make the file to import, with names as clients choose them: in no order."""
    chance = random.Random(1)
    with path.open("w") as file:
        file.write("name\n")
        file.writelines(f"{chance.getrandbits(32):08x} line {number}\n" for number in range(LINES))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside_bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round's three parts")
    parser.add_argument("--clients", type=int, default=4, help="who write single items")
    parser.add_argument("--pause", type=float, default=0.02, help="mean seconds between a client's writes")
    parser.add_argument("--items", type=int, default=1000, help="of one bulk write")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--web-processes", default="2")
    parser.add_argument("--share", default="16384", help="WRITE_SHARE_BYTES; 0 for none")
    parser.add_argument("--only", choices=["bulk", "import"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="owb-", dir=options.directory) as directory:
        settings = {"WEB_PROCESSES": options.web_processes, "WRITE_SHARE_BYTES": options.share}
        measure(Service(Path(directory), **settings), options)
    return 0


def measure(service: Service, options: argparse.Namespace) -> None:
    times: dict[str, list[float]] = {"beside nobody": [], "beside bulk writes": [], "beside an import": []}

    def single(beside: str) -> None:
        one = write_now_and_then(service, options.clients, options.pause, options.seconds)
        times[beside] += one
        print(f"  {beside}: {summary(one)}", flush=True)

    def told(count: int, seconds: float) -> None:
        print(f"  {count / seconds:,.0f} items/s in bulk", flush=True)

    lines = service.directory / "lines.csv"
    write_lines(lines)
    try:
        start(service.processes, service.port)
        write_now_and_then(service, options.clients, options.pause, 2)
        for number in range(options.rounds):
            print(f"round {number + 1}", flush=True)
            single("beside nobody")
            if options.only != "import":
                with bulk_client(service, options.items, told):
                    single("beside bulk writes")
                service.drained()
            if options.only != "bulk":
                single("beside nobody")
                with import_running(service, lines, told):
                    single("beside an import")
                service.drained()
    finally:
        service.processes.stop_all()
    for beside, some in times.items():
        if some:
            print(f"{beside}: {summary(some)}")


def summary(times: list[float]) -> str:
    ordered = [1000 * one for one in sorted(times)]
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"{len(ordered):,} writes, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1]:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
