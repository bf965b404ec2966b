"""Django that writes to a PostgreSQL of its own, over a Unix socket, and this service on one."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.contestants.django_servers import DjangoServer
from benchmarks.contestants.one_writer import OneWriterServer
from benchmarks.contestants.server import Rows, Server
from benchmarks.load import name_prefix

if TYPE_CHECKING:
    # At run time only where a server is there: the environment of the tests lacks it.
    import psycopg  # type: ignore[import-not-found, unused-ignore]

# What differs from initdb's own configuration: durable commits are its default, stated here to be seen.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "600",
    "shared_buffers": "256MB",
}


@dataclass(kw_only=True, eq=False)
class PostgresCluster(Server):
    """A cluster made by initdb for this run."""

    cluster: Path = field(init=False)

    def unavailable(self) -> str:
        if self.bench.postgres is None:
            return "no PostgreSQL server is installed (initdb is neither on PATH nor in /usr/lib/postgresql)"
        if _server_user() is None and os.getuid() == 0:
            return "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
        return ""

    def prepare(self) -> Path:
        directory = self.bench.new_directory(self.name)
        directory.chmod(0o711)
        self.cluster = directory / "cluster"
        self.cluster.mkdir(mode=0o700)
        user = _server_user()
        if user is not None:
            shutil.chown(self.cluster, user)
        command = [self._binary("initdb"), "--pgdata", os.fspath(self.cluster), "--username", "postgres"]
        subprocess.run(
            [*command, "--auth", "trust", "--encoding", "UTF8", "--no-locale"],
            user=user,
            extra_groups=[] if user else None,
            cwd=self.cluster,
            check=True,
            capture_output=True,
        )
        return directory

    def start_cluster(self) -> None:
        """Start the server, and migrate its database."""
        command = [self._binary("postgres"), "-D", os.fspath(self.cluster), "-k", os.fspath(self.cluster)]
        for name, value in OPTIONS.items():
            command += ["-c", f"{name}={value}"]
        self.processes.start("postgres", command, user=_server_user())
        self.processes.wait_until(self._accepts)
        self.bench.prepare(self.processes.environment, python=self.python)

    @property
    def python(self) -> str:
        return self.bench.peers_python

    def rows(self, run: str) -> Rows | None:
        sql = f"SELECT count(*), count(DISTINCT name) FROM {self.table} WHERE starts_with(name, %s)"
        with self._connect() as connection:
            found = connection.execute(sql, (name_prefix(run),)).fetchone()
        assert found is not None
        return Rows(*found)

    def _accepts(self) -> bool:
        import psycopg

        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> "psycopg.Connection":
        import psycopg

        return psycopg.connect(host=os.fspath(self.cluster), user="postgres", dbname="postgres")

    def _binary(self, name: str) -> str:
        assert self.bench.postgres is not None
        return os.fspath(self.bench.postgres / name)


@dataclass(kw_only=True, eq=False)
class PostgresServer(PostgresCluster, DjangoServer):
    """Web processes with persistent connections, which write for themselves."""

    database: str = "postgres"

    def settings(self) -> dict[str, str]:
        return super().settings() | {"PEER_POSTGRES_SOCKETS": os.fspath(self.cluster)}

    def launch(self) -> None:
        self.start_cluster()
        super().launch()

    @property
    def python(self) -> str:
        # Both have the driver; gevent only the peers' environment.
        return self.bench.peers_python if self.worker_class == "gevent" else self.bench.python


@dataclass(kw_only=True, eq=False)
class OneWriterOnPostgres(PostgresCluster, OneWriterServer):
    """The service with DATABASE_URL set, and nothing else."""

    def settings(self) -> dict[str, str]:
        return super().settings() | {
            "DATABASE_URL": f"postgresql://postgres@{quote(os.fspath(self.cluster), safe='')}/postgres"
        }

    def launch(self) -> None:
        self.start_cluster()
        super().launch()

    @property
    def python(self) -> str:
        return self.bench.python


def _server_user() -> str | None:
    """Return as whom the server is to run, None for the present user."""
    if os.getuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in users), None)
