"""A master, its replicas and Sentinels as real processes, each of which a test may kill or freeze."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.e2e.service import free_port
from tests.waiting import until
from workers.up import embedded_redis

MASTER = "main"

SERVER = """\
port {port}
dir {directory}
save ""
appendonly yes
appendfsync always
repl-diskless-sync yes
repl-diskless-sync-delay 0
"""

SENTINEL = """\
port {port}
dir {directory}
sentinel monitor main {host} {master} {quorum}
sentinel down-after-milliseconds main {down_after}
sentinel failover-timeout main 2000
"""


@dataclass
class Fleet:
    """Redis servers that hold the same, and Sentinels that choose the master among them."""

    directory: Path
    servers: list[int]
    """The port of each; the first one begins as the master."""
    sentinels: list[int]
    more: str
    """Lines for the configuration of each server."""
    more_of_sentinels: str
    """Lines for that of each Sentinel."""
    client_arguments: Mapping[str, Any]
    """Of redis-py, for the test's own clients of servers and Sentinels."""
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address without login and TLS."""
        places = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{places}/{MASTER}"

    def start_server(self, port: int, *, master: int | None = None) -> None:
        lines = self._lines(SERVER + self.more, port)
        self._start(port, lines + (f"replicaof 127.0.0.1 {master}\n" if master else ""))
        with self.client(port) as client:
            until(lambda: _responds(client), what="a Redis server")

    def start_sentinels(self) -> None:
        for port in self.sentinels:
            self._start(port, self._lines(SENTINEL + self.more_of_sentinels, port), "--sentinel")
        until(self._is_complete, seconds=20, what="Sentinels that know all servers, and each other")

    def client(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, socket_timeout=1, decode_responses=True, **self.client_arguments)

    def master(self) -> int:
        """Return the port of the master, by the first Sentinel that responds."""
        for port in self.sentinels:
            with suppress(redis.RedisError), self.client(port) as client:
                return int(client.sentinel_master(MASTER)["port"])
        raise AssertionError("no Sentinel responds")

    def replicas_in_step(self, port: int) -> int:
        with self.client(port) as client:
            found = client.info("replication")
        return sum(
            value["state"] == "online"
            for name, value in found.items()
            if name.startswith("slave") and isinstance(value, dict)
        )

    def signal(self, port: int, number: signal.Signals) -> None:
        self.processes[port].send_signal(number)
        if number is signal.SIGKILL:
            self.processes.pop(port).wait(10)

    def stop_all(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(10)

    def _is_complete(self) -> bool:
        for port in self.sentinels:
            try:
                with self.client(port) as client:
                    found = client.sentinel_master(MASTER)
            except redis.RedisError:
                return False
            wanted = len(self.sentinels) - 1, len(self.servers) - 1
            if (int(found["num-other-sentinels"]), int(found["num-slaves"])) != wanted:
                return False
        return True

    def _directory(self, port: int) -> Path:
        directory = self.directory / str(port)
        directory.mkdir(exist_ok=True)
        return directory

    def _lines(self, template: str, port: int) -> str:
        return template.format(
            port=port,
            directory=self._directory(port),
            above=self.directory.parent,
            host="127.0.0.1",
            down_after=500,
            master=self.servers[0],
            quorum=len(self.sentinels) // 2 + 1,
        )

    def _start(self, port: int, lines: str, *options: str) -> None:
        file = self._directory(port) / "redis.conf"
        file.write_text(lines)
        with (self._directory(port) / "log").open("ab") as log:
            command = [os.fspath(embedded_redis.find_binary()), os.fspath(file), *options]
            self.processes[port] = subprocess.Popen(command, stdout=log, stderr=log)


@contextmanager
def running(
    directory: Path,
    *,
    servers: int = 3,
    sentinels: int = 3,
    more: str = "",
    more_of_sentinels: str = "",
    **client_arguments: Any,
) -> Iterator[Fleet]:
    """Run a master with its replicas, all in step, and Sentinels while the block runs."""
    directory.mkdir(exist_ok=True)
    ports = [free_port() for _ in range(servers + sentinels)]
    fleet = Fleet(directory, ports[:servers], ports[servers:], more, more_of_sentinels, client_arguments)
    try:
        first, *others = fleet.servers
        fleet.start_server(first)
        for port in others:
            fleet.start_server(port, master=first)
        until(lambda: fleet.replicas_in_step(first) == len(others), what="the replicas")
        with fleet.client(first) as client:
            # One that is online is sent nothing until it has confirmed its copy, up to a second later.
            client.set("ready", 1)
            until(lambda: client.wait(len(others), 5_000) == len(others), what="the replicas to confirm")
            client.delete("ready")
        fleet.start_sentinels()
        yield fleet
    finally:
        fleet.stop_all()


def _responds(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
