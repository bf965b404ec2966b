"""The service on all its hosts."""

import http.client
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests import clusters
from tests.e2e.service import PYTHON, WEB, WRITER, prepare_data
from tests.hosts import commits
from tests.hosts.database import Database
from tests.hosts.network import Host
from tests.hosts.queues import Queue
from tests.waiting import until

PORT = 8000
STEADY_SECONDS = 90.0
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "project.settings",
    "SECRET_KEY": "the same on all hosts, as they share sessions",
    "DEMO": "1",
    "WEB_PROCESSES": "1",
    "WRITE_WAIT_SECONDS": "3",
    "ALLOWED_HOSTS": "*",
}


@dataclass
class Hosts:
    """Every host, by what it is for."""

    home: Path
    proxy: Host
    web: list[Host]
    writers: list[Host]
    queue: Queue
    database: Database
    replicas_to_accept: int = 1
    """WRITE_ACCEPT_REPLICAS."""

    @classmethod
    def make(cls, home: Path) -> "Hosts":
        home.chmod(0o711)  # PostgreSQL runs as another user
        proxy = Host.make("proxy", 10, home)
        web = [Host.make(f"web{n}", 10 + n, home) for n in (1, 2, 3)]
        writers = [Host.make(f"writer{n}", 20 + n, home) for n in (1, 2)]
        queue = Queue([Host.make(f"redis{n}", 30 + n, home) for n in (1, 2, 3)])
        database = Database(*(Host.make(f"pg{n}", 40 + n, home) for n in (1, 2)))
        return cls(home, proxy, web, writers, queue, database)

    def start_all(self) -> None:
        self.database.make()
        self.queue.make()
        data = self.home / "data"
        data.mkdir()
        prepare_data(data, **self.settings)
        clusters.rows(self.database.watched, commits.TRIGGERS)
        for host in [*self.writers, *self.web]:
            shutil.copytree(data, host.home / "data")
            self.start(host)
        backends = [argument for host in self.web for argument in ("--backend", f"{host.address}:{PORT}")]
        proxy = [PYTHON, "-m", "tests.hosts.proxy", "--listen", f"{self.proxy.address}:{PORT}", *backends]
        self.proxy.start("proxy", proxy)
        self.until_steady()

    @property
    def everyone(self) -> list[Host]:
        return [self.proxy, *self.web, *self.writers, *self.queue.hosts, *self.database.hosts]

    @property
    def settings(self) -> dict[str, str]:
        places = {"DATABASE_URL": self.database.url, "REDIS_URL": self.queue.url}
        return SETTINGS | places | {"WRITE_ACCEPT_REPLICAS": str(self.replicas_to_accept)}

    @property
    def token(self) -> str:
        return (self.home / "data" / "demo-token").read_text().strip()

    def start(self, host: Host) -> None:
        """Start the one part that runs on a web host or a writer's host."""
        part, command = ("writer", WRITER) if host in self.writers else ("web", WEB)
        host.start(part, command, env=self.environment(host))

    def environment(self, host: Host) -> dict[str, str]:
        own = {"DATA_DIR": str(host.home / "data"), "HOST": host.address, "PORT": str(PORT)}
        return os.environ | self.settings | own

    def restart_web(self) -> None:
        for host in self.web:
            host.kill("web")
            self.start(host)

    def lease(self) -> tuple[int, Host]:
        """Return the epoch, and the host of the writer that began it. Raises psycopg.Error."""
        ((epoch, name),) = clusters.rows(self.database.watched, "SELECT epoch, host FROM workers_lease")
        return epoch, next(host for host in self.writers if host.name == name)

    def at_work(self) -> Host:
        return self.lease()[1]

    def last_commit(self) -> tuple[int, float]:
        """Return the epoch and the moment of the last commit; of none (0, 0.0). Raises psycopg.Error."""
        sql = "SELECT epoch, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float FROM hosts_commit "
        found = clusters.rows(self.database.watched, sql + "ORDER BY write_id DESC LIMIT 1")
        return found[0] if found else (0, 0.0)

    def until_committed(self, since: float, *, above: int = 0, seconds: float = 60) -> None:
        """Wait for a commit after that moment, in an epoch above that one."""

        def is_there() -> bool:
            try:
                epoch, at = self.last_commit()
            except psycopg.Error:
                return False
            time.sleep(0.05)  # so that the question is no load of its own
            return epoch > above and at > since

        until(is_there, seconds=seconds, what="another commit")

    def until_steady(self) -> None:
        """Wait until every part is where it belongs, and start again what ended by itself."""
        until(self.is_steady, seconds=STEADY_SECONDS, what="all hosts to be well")

    def is_steady(self) -> bool:
        time.sleep(0.2)
        for host in self.everyone:
            for part, process in host.processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{part} on {host.name} ended by itself: {host.log(part)[-500:]}")
        try:
            return bool(
                self.queue.is_complete()
                and self.database.streams()
                and all(self._is_ready(host) for host in self.web)
                and self._stand_by()
            )
        except (psycopg.Error, redis.RedisError, AssertionError):
            return False

    def _is_ready(self, host: Host) -> bool:
        connection = http.client.HTTPConnection(host.address, PORT, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            is_ready: bool = connection.getresponse().status == 200
            return is_ready
        except OSError:
            return False
        finally:
            connection.close()

    def _stand_by(self) -> bool:
        """Return whether both writers are connected to the store, one of them with the lease."""
        sql = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL"
        connected = {address for (address,) in clusters.rows(self.database.watched, sql)}
        return all(host.address in connected and "writer" in host.processes for host in self.writers)

    def until_drained(self, seconds: float) -> float:
        """Wait until nothing accepted waits; return how long that took."""
        started = time.monotonic()

        def is_drained() -> bool:
            try:
                with self.queue.client() as client:
                    return not client.xlen("writes:stream")
            except (redis.RedisError, AssertionError):
                return False

        until(is_drained, seconds=seconds, what="the stream to be drained")
        return time.monotonic() - started
