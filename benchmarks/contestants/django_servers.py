"""Django with the service's view, serializer, middleware and tokens, writing for itself or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants.server import Rows, Server
from benchmarks.processes import BASE_DIR

SERVICE_CONFIG = "workers/web/gunicorn_conf.py"
PEER_CONFIG = "benchmarks/peers/gunicorn_conf.py"

SERVICE = "service"
"""As a worker class: that of the service's own configuration."""

PROCESSES = 2
"""Of the servers that are not gunicorn."""

BLOCKING_THREADS = 1
"""Of each Granian process. With 8 and 32, which fight for the store's lock, both rate and p99 were worse."""


def gunicorn(python: str, config: str) -> list[str]:
    """Return gunicorn's command line."""
    return [python, "-m", "gunicorn", "project.wsgi:application", "--config", os.fspath(BASE_DIR / config)]


@dataclass(kw_only=True, eq=False)
class DjangoServer(Server):
    """Two gunicorn processes over a store that they write themselves."""

    database: str = "full"
    view: str = "direct"
    worker_class: str = "gthread"
    """gunicorn's name of it, or SERVICE."""
    threads: int = 32

    def prepare(self) -> Path:
        return self.bench.new_store(self.name, wal=self.database != "default")

    def settings(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings",
            "PEER_VIEW": self.view,
            "PEER_DATABASE": self.database,
            "PEER_WORKER_CLASS": self.worker_class,
            "PEER_THREADS": str(self.threads if self.worker_class == "gthread" else 1),
        }

    def launch(self) -> None:
        self.processes.start("web", gunicorn(self.python, self.config))

    @property
    def config(self) -> str:
        """gunicorn's, as a path within the project."""
        return SERVICE_CONFIG if self.worker_class == SERVICE else PEER_CONFIG

    @property
    def python(self) -> str:
        # The service does without gevent, so its environment does too.
        return self.bench.peers_python if self.worker_class == "gevent" else self.bench.python


@dataclass(kw_only=True, eq=False)
class NoopServer(DjangoServer):
    """The ceiling: it keeps no rows."""

    view: str = "noop"
    worker_class: str = SERVICE

    def rows(self, run: str) -> Rows | None:
        return None


@dataclass(kw_only=True, eq=False)
class GranianServer(DjangoServer):
    """The same application in Granian's processes, whose HTTP is in Rust."""

    def launch(self) -> None:
        # fmt: off
        self.processes.start("web", [
            self.python, "-m", "granian", "--interface", "wsgi", "project.wsgi:application",
            "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning",
            "--workers", str(PROCESSES), "--blocking-threads", str(BLOCKING_THREADS),
        ])
        # fmt: on

    @property
    def python(self) -> str:
        return self.bench.peers_python


@dataclass(kw_only=True, eq=False)
class BoltServer(DjangoServer):
    """django-bolt's processes, with its own HTTP, validation and dispatch around Django's models."""

    def settings(self) -> dict[str, str]:
        return super().settings() | {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.bolt_settings"}

    def launch(self) -> None:
        # fmt: off
        self.processes.start("web", [
            self.python, "-m", "django", "runbolt", "--host", "127.0.0.1", "--port", str(self.port),
            "--processes", str(PROCESSES), "--no-admin",
        ])
        # fmt: on

    @property
    def python(self) -> str:
        return self.bench.peers_python
