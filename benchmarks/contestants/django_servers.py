"""Django with the service's view, serializer, middleware and tokens, writing for itself or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants.server import Rows, Server
from benchmarks.processes import BASE_DIR

SERVICE_CONFIG = "workers/web/gunicorn_conf.py"
PEER_CONFIG = "benchmarks/peers/gunicorn_conf.py"


def gunicorn(python: str, config: str) -> list[str]:
    """Return gunicorn's command line."""
    return [python, "-m", "gunicorn", "project.wsgi:application", "--config", os.fspath(BASE_DIR / config)]


@dataclass(kw_only=True, eq=False)
class DjangoServer(Server):
    """Two gunicorn processes over a store that they write themselves."""

    database: str = "full"
    view: str = "direct"
    worker_class: str = "gthread"
    """`gevent` stands for the service's own configuration of gunicorn."""
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
        config = SERVICE_CONFIG if self.worker_class == "gevent" else PEER_CONFIG
        self.processes.start("web", gunicorn(self.python, config))

    @property
    def python(self) -> str:
        return self.bench.python


@dataclass(kw_only=True, eq=False)
class NoopServer(DjangoServer):
    """The ceiling: it keeps no rows."""

    view: str = "noop"
    worker_class: str = "gevent"

    def rows(self, run: str) -> Rows | None:
        return None
