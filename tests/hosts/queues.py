"""Redis on three hosts, each with a Sentinel: a master, two replicas, and two votes for the next master."""

import os
from contextlib import suppress
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.hosts.network import Host
from tests.redis_servers import MASTER, SENTINEL, SERVER
from tests.waiting import until
from workers.up import embedded_redis

PORT, SENTINEL_PORT = 6379, 26379
DOWN_AFTER_MILLISECONDS = 2000
MORE = """\
protected-mode no
maxmemory-policy noeviction
min-replicas-to-write 1
min-replicas-max-lag 10
"""
"""As docs/redis.md has it."""


@dataclass
class Queue:
    """The servers and their Sentinels."""

    hosts: list[Host]

    @property
    def url(self) -> str:
        places = ",".join(f"{host.address}:{SENTINEL_PORT}" for host in self.hosts)
        return f"redis+sentinel://{places}/{MASTER}"

    def make(self) -> None:
        first, *others = self.hosts
        self._start_server(first, None)
        for host in others:
            self._start_server(host, first)
        until(lambda: self._in_step(first) == len(others), seconds=30, what="the replicas")
        for host in self.hosts:
            self._start_sentinel(host, first)
        until(self.is_complete, seconds=30, what="Sentinels that know all servers, and each other")

    def master(self) -> Host:
        """Return the master, by most of the Sentinels that respond. Raises AssertionError."""
        found: list[str] = []
        for host in self.hosts:
            with suppress(redis.RedisError), self._client(host, SENTINEL_PORT) as client:
                found.append(str(client.sentinel_get_master_addr_by_name(MASTER)[0]))
        assert found, "no Sentinel responds"
        address = max(set(found), key=found.count)
        return next(host for host in self.hosts if host.address == address)

    def client(self) -> redis.Redis:
        return self._client(self.master(), PORT)

    def revive(self, host: Host) -> None:
        """Start what is not running on a host, as it was: the Sentinels make a replica of a former master."""
        if "redis" not in host.processes:
            self._start(host, "redis", None)
        if "sentinel" not in host.processes:
            self._start_sentinel(host, self.master())

    def is_complete(self) -> bool:
        """Return whether each Sentinel knows the others, all agree, and both replicas are in step."""
        masters = set()
        for host in self.hosts:
            try:
                with self._client(host, SENTINEL_PORT) as client:
                    found = client.sentinel_master(MASTER)
            except redis.RedisError:
                return False
            masters.add(found["ip"])
            if int(found["num-other-sentinels"]) != len(self.hosts) - 1 or found["is_odown"]:
                return False
        with suppress(redis.RedisError):
            return len(masters) == 1 and self._in_step(self.master()) == len(self.hosts) - 1
        return False

    def _in_step(self, master: Host) -> int:
        with self._client(master, PORT) as client:
            found = client.info("replication")
        return sum(
            value["state"] == "online"
            for name, value in found.items()
            if name.startswith("slave") and isinstance(value, dict)
        )

    def _client(self, host: Host, port: int) -> redis.Redis:
        return redis.Redis(
            host=host.address,
            port=port,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def _start_server(self, host: Host, master: Host | None) -> None:
        lines = SERVER.format(port=PORT, directory=_directory(host, "redis")) + MORE
        if master is not None:
            lines += f"replicaof {master.address} {PORT}\n"
        self._start(host, "redis", lines)
        until(lambda: self._responds(host), seconds=20, what=f"Redis on {host.name}")

    def _start_sentinel(self, host: Host, master: Host) -> None:
        if (host.home / "sentinel.conf").exists():
            # It keeps there who it is: under another name it would be one Sentinel more.
            self._start(host, "sentinel", None, "--sentinel")
            return
        lines = SENTINEL.format(
            port=SENTINEL_PORT,
            directory=_directory(host, "sentinel"),
            host=master.address,
            master=PORT,
            quorum=len(self.hosts) // 2 + 1,
            down_after=DOWN_AFTER_MILLISECONDS,
        )
        self._start(host, "sentinel", lines + "protected-mode no\n", "--sentinel")

    def _responds(self, host: Host) -> bool:
        with suppress(redis.RedisError), self._client(host, PORT) as client:
            return bool(client.ping())
        return False

    def _start(self, host: Host, part: str, lines: str | None, *options: str) -> None:
        file = host.home / f"{part}.conf"
        if lines is not None:
            file.write_text(lines)
        host.start(part, [os.fspath(embedded_redis.find_binary()), os.fspath(file), *options])


def _directory(host: Host, part: str) -> str:
    directory = host.home / part
    directory.mkdir(exist_ok=True)
    return os.fspath(directory)
