"""PostgreSQL on two hosts: a primary, and a replica that confirms each commit, so that it may be promoted."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from tests import clusters
from tests.clusters import Cluster
from tests.hosts.network import PREFIX, Host
from tests.waiting import until

NAME = "one_writer"
PORT = 5432
OPTIONS = {
    "fsync": "on",
    "log_min_messages": "warning",
    "track_commit_timestamp": "on",
    "wal_keep_size": "512MB",
    "unix_socket_directories": "",
}
ALL_OF_US = f"host all all {PREFIX}.0/24 trust\nhost replication all {PREFIX}.0/24 trust\n"


@dataclass
class Database:
    """The two servers."""

    primary: Host
    replica: Host

    @property
    def url(self) -> str:
        """What DATABASE_URL says, on all hosts, before and after a fail-over."""
        places = ",".join(f"{host.address}:{PORT}" for host in sorted(self.hosts, key=lambda one: one.name))
        return f"postgresql://postgres@{places}/{NAME}?target_session_attrs=primary"

    @property
    def watched(self) -> str:
        """The same for the test's own questions, which wait less for a host that is gone."""
        return f"{self.url}&connect_timeout=2"

    @property
    def hosts(self) -> list[Host]:
        return [self.primary, self.replica]

    def url_of(self, host: Host, database: str = NAME) -> str:
        return f"postgresql://postgres@{host.address}:{PORT}/{database}?connect_timeout=2"

    def make(self) -> None:
        """Make the primary with an empty database, and its replica."""
        _cluster(self.primary).make()
        with (_cluster(self.primary).directory / "pg_hba.conf").open("a") as file:
            file.write(ALL_OF_US)
        self._start(self.primary)
        clusters.rows(self.url_of(self.primary, "postgres"), f"CREATE DATABASE {NAME}")
        self.add_replica(self.replica)

    def add_replica(self, host: Host) -> None:
        """Copy the primary to this host, and wait for each commit until it has it."""
        self._set_synchronous("")
        self.replica = host
        shutil.rmtree(_cluster(host).directory, ignore_errors=True)
        shutil.chown(host.home, clusters.user() or "")
        source = f"host={self.primary.address} port={PORT} user=postgres application_name={host.name}"
        copy = [clusters.path("pg_basebackup"), "-d", source, "-D", os.fspath(_cluster(host).directory)]
        host.run([*copy, "-R", "-X", "stream", "-c", "fast", "--no-sync"], user=clusters.user())
        self._start(host)
        until(self._streams, seconds=30, what="the replica to follow")
        self._set_synchronous("*")

    def go_on_alone(self) -> None:
        """Wait for no replica any more: what an operator does when it is gone."""
        self._set_synchronous("")

    def promote(self) -> None:
        """Make the replica the primary. Raises psycopg.Error."""
        clusters.rows(self.url_of(self.replica), "SELECT pg_promote(true, 30)")
        self.primary, self.replica = self.replica, self.primary

    def restart(self, host: Host) -> None:
        """Start a server as it was, on a host that was dead."""
        (_cluster(host).directory / "postmaster.pid").unlink(missing_ok=True)
        self._start(host)

    def _start(self, host: Host) -> None:
        command = _cluster(host).command(**OPTIONS, listen_addresses=host.address)
        host.start("postgresql", command, user=clusters.user())
        until(lambda: self._accepts(host), seconds=60, what=f"PostgreSQL on {host.name}")

    def _accepts(self, host: Host) -> bool:
        with suppress(psycopg.Error):
            return bool(clusters.rows(self.url_of(host, "postgres"), "SELECT true"))
        return False

    def streams(self) -> bool:
        """Return whether the replica confirms each commit."""
        sql = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
        return bool(clusters.rows(self.url_of(self.primary), sql))

    def _streams(self) -> bool:
        sql = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
        return bool(clusters.rows(self.url_of(self.primary), sql))

    def _set_synchronous(self, names: str) -> None:
        # On the present primary alone: one that is promoted has no replica, and would wait for ever.
        for sql in (f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()"):
            clusters.rows(self.url_of(self.primary, "postgres"), sql)


def _cluster(host: Host) -> Cluster:
    return Cluster(host.home / "data")
