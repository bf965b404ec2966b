"""What is not Django: FastAPI with SQLAlchemy, and Datasette. Their store has the service's tables."""

import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contestants.server import Server
from benchmarks.processes import BASE_DIR, environment

UVICORN_WORKERS = 2


@dataclass(kw_only=True, eq=False)
class FastApiServer(Server):
    """Two uvicorn processes; `name` is also the module's."""

    def launch(self) -> None:
        module = f"benchmarks.peers.{self.name.replace('-', '_')}:app"
        # fmt: off
        self.processes.start("web", [
            self.bench.peers_python, "-m", "uvicorn", module, "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", str(UVICORN_WORKERS), "--log-level", "warning", "--no-access-log",
        ])
        # fmt: on


@dataclass(kw_only=True, eq=False)
class DatasetteServer(Server):
    """One process with its own write thread: more of them, Datasette does not support."""

    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    signed: str = field(init=False)

    def prepare(self) -> Path:
        done = subprocess.run(
            [self._command(), "create-token", "bench", "--secret", self.secret],
            env=environment({}),
            cwd=BASE_DIR,
            check=True,
            capture_output=True,
            text=True,
        )
        self.signed = done.stdout.strip()
        return super().prepare()

    @property
    def token(self) -> str:
        return self.signed

    def launch(self) -> None:
        # fmt: off
        self.processes.start("web", [
            self._command(), "serve", os.fspath(self.directory / "store.sqlite3"),
            "--host", "127.0.0.1", "--port", str(self.port), "--secret", self.secret,
            "--setting", "permissions.insert-row.id", "bench",
        ])
        # fmt: on

    def _command(self) -> str:
        return os.fspath(Path(self.bench.peers_python).with_name("datasette"))
