"""A PostgreSQL cluster for tests, made by initdb, where the server's binaries are on this machine."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from workers.up.parent_death import exit_with_parent

OPTIONS = {
    "listen_addresses": "",
    # What survives a power loss is not what these tests are about.
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
}


def binary(name: str) -> str | None:
    """Return a program of the server's package, or None."""
    found = shutil.which(name)
    if found is not None:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return os.fspath(candidates[0]) if candidates else None


def unavailable() -> str | None:
    """Return why no cluster can be made here, or None."""
    if binary("initdb") is None or binary("postgres") is None:
        return "no PostgreSQL server is on this machine (initdb, on PATH or in /usr/lib/postgresql)"
    if os.getuid() == 0 and user() is None:
        return "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
    return None


@dataclass
class Cluster:
    """A server that listens at a socket in its own directory alone."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Of its last start."""

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@{quote(os.fspath(self.directory), safe='')}/{database}"

    def make(self) -> None:
        """Make its files. Raises subprocess.CalledProcessError."""
        self.directory.mkdir(mode=0o700)
        if (owner := user()) is not None:
            shutil.chown(self.directory, owner)
        command = [path("initdb"), "--pgdata", os.fspath(self.directory), "--username", "postgres"]
        _run(
            [*command, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"],
            self.directory,
        )

    def copy(self, primary: "Cluster") -> None:
        """Make its files as those of a streaming replica. Raises subprocess.CalledProcessError."""
        self.directory.mkdir(mode=0o700)
        if (owner := user()) is not None:
            shutil.chown(self.directory, owner)
        source = ["--host", os.fspath(primary.directory), "--username", "postgres", "--checkpoint", "fast"]
        command = [path("pg_basebackup"), "--pgdata", os.fspath(self.directory), *source]
        _run([*command, "--write-recovery-conf", "--no-sync"], self.directory)
        (self.directory / ".s.PGSQL.5432.lock").unlink()  # of the primary, whose socket is beside its files

    def command(self, **options: str) -> list[str]:
        """Return the command that runs the server in the foreground."""
        command = [path("postgres"), "-D", os.fspath(self.directory), "-k", os.fspath(self.directory)]
        for name, value in (OPTIONS | options).items():
            command += ["-c", f"{name}={value}"]
        return command

    def start(self, **options: str) -> None:
        """Start the server, as the last time where nothing is said; return once it accepts connections."""
        self.options = options or self.options
        self.process = subprocess.Popen(
            self.command(**self.options),
            user=user(),
            extra_groups=[] if user() else None,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            preexec_fn=exit_with_parent(),
        )
        deadline = time.monotonic() + 60
        while subprocess.run(self._ready, capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start in {self.directory}.")
            time.sleep(0.05)

    @property
    def _ready(self) -> list[str]:
        return [path("pg_isready"), "-q", "-h", os.fspath(self.directory)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have none of its processes do anything in the block."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        os.kill(self.process.pid, signal.SIGSTOP)  # first: it begins no other
        frozen = [self.process.pid, *map(int, children.read_text().split())]
        try:
            for pid in frozen[1:]:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(frozen):
                os.kill(pid, signal.SIGCONT)

    def serve_tls(self, certificate: Path, key: Path) -> dict[str, str]:
        """Let roles with a password in, by TLS alone; return the options to start with."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            made = self.directory / name
            shutil.copy(source, made)
            made.chmod(0o600)
            if (owner := user()) is not None:
                shutil.chown(made, owner)
        rules = "local all all trust\nlocal replication all trust\nhostssl all all all scram-sha-256\n"
        (self.directory / "pg_hba.conf").write_text(rules)
        return {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}

    def stop(self) -> None:
        """Stop the server at once, with all its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)  # an immediate shutdown
            self.process.wait()
            self.process = None


@contextmanager
def running(*, tls: tuple[Path, Path] | None = None, **options: str) -> Iterator[Cluster]:
    """Run a cluster of one's own while the block runs; with `tls`, a certificate and its key, by TCP too."""
    directory = Path(tempfile.mkdtemp(prefix="cluster-"))
    directory.chmod(0o711)  # it runs as another user, where this one is root
    cluster = Cluster(directory / "data")
    try:
        cluster.make()
        if tls is not None:
            options |= cluster.serve_tls(*tls)
        cluster.start(**options)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def replicated(*, addresses: tuple[str, str] = ("", ""), **options: Any) -> Iterator[tuple[Cluster, Cluster]]:
    """Run a cluster and a streaming replica of it while the block runs, with the options of `running`."""
    with running(listen_addresses=addresses[0], **options) as primary:
        replica = Cluster(primary.directory.with_name("replica"))
        try:
            replica.copy(primary)
            replica.start(**{**primary.options, "listen_addresses": addresses[1]})
            yield primary, replica
        finally:
            replica.stop()


def rows(url: str, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return what a statement finds, in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def path(name: str) -> str:
    """Return a program of the server's package. Raises AssertionError where there is none."""
    found = binary(name)
    assert found is not None
    return found


def _run(command: Sequence[str], directory: Path) -> None:
    subprocess.run(
        command,
        user=user(),
        extra_groups=[] if user() else None,
        cwd=directory,
        check=True,
        capture_output=True,
    )


def user() -> str | None:
    """Return as whom the server is to run, None for the present user."""
    if os.getuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in users), None)
