"""What all contestants of one run share: interpreters, the temporary directory, a prepared store."""

import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType

from benchmarks.processes import BASE_DIR, environment


@dataclass(kw_only=True)
class Bench:
    """The run's surroundings. A context manager: its directory is gone afterwards."""

    python: str
    """The service's interpreter, in the environment that `make run` makes."""
    peers_python: str
    """The interpreter that has the peers' packages."""
    parent: Path
    """Where the temporary directory is made. On the disk that is to be measured, so not in memory."""
    cache: Path
    """Where the store with 10 million rows is kept between runs."""
    directory: Path = field(init=False)

    def __enter__(self) -> "Bench":
        self.directory = Path(tempfile.mkdtemp(prefix="owb-", dir=self.parent))
        # PostgreSQL, which refuses to run as root, has to get at its own directory below.
        self.directory.chmod(0o711)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_directory(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))

    @cached_property
    def template(self) -> Path:
        """A data directory with a migrated store, a user and a token, which every contestant copies."""
        directory = self.new_directory("template")
        self.prepare({"DATA_DIR": str(directory), "DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings"})
        return directory

    def prepare(self, settings: dict[str, str], *, python: str | None = None) -> None:
        """Migrate the store of these settings and make the user and the token."""
        command = [python or self.python, "-m", "benchmarks.peers.prepare"]
        subprocess.run(command, env=environment(settings), cwd=BASE_DIR, check=True)

    def new_store(self, name: str, *, wal: bool) -> Path:
        """Return a data directory of one's own, its store in WAL mode or as Django makes it."""
        directory = self.new_directory(name)
        shutil.copytree(self.template, directory, dirs_exist_ok=True)
        with closing(sqlite3.connect(directory / "store.sqlite3")) as connection:
            connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        return directory

    @cached_property
    def postgres(self) -> Path | None:
        """The directory of PostgreSQL's server binaries, if it is installed."""
        on_path = shutil.which("initdb")
        places = [Path(on_path).resolve().parent] if on_path else []
        # Debian keeps the server's programs off PATH, in a directory for each version.
        places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return next((place for place in places if (place / "postgres").exists()), None)
