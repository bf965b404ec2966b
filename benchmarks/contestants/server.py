"""The base of what is measured: something that is started, answers requests, and has rows to count."""

import http.client
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import Request, name_prefix
from benchmarks.processes import NotStarted, Processes, free_port

_PROBE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """What a store holds of one run."""

    rows: int
    names: int
    """Different names: fewer than rows when something was written twice."""


@dataclass(kw_only=True, eq=False)
class Server:
    """Processes over a data directory of their own. Subclasses say which."""

    bench: Bench
    name: str
    preload: Path | None = None
    """A library for LD_PRELOAD in all processes that write to disk: it makes commits slow."""
    port: int = field(default_factory=free_port)
    directory: Path = field(init=False)
    processes: Processes = field(init=False)
    table: str = "items_item"

    def unavailable(self) -> str:
        """Return why it cannot take part, or nothing."""
        return ""

    def prepare(self) -> Path:
        """Make the data directory and return it."""
        return self.bench.new_store(self.name, wal=True)

    def settings(self) -> dict[str, str]:
        """Return the environment variables of its processes."""
        return {}

    def variables(self) -> dict[str, str]:
        """Return all environment variables that its processes get."""
        variables = {"DATA_DIR": str(self.directory), "HOST": "127.0.0.1", "PORT": str(self.port)}
        if self.preload is not None:
            variables["LD_PRELOAD"] = str(self.preload)
        return variables | self.settings()

    def launch(self) -> None:
        """Start its processes, without waiting until they answer."""
        raise NotImplementedError

    def start(self) -> None:
        """Make its directory and start its processes, without waiting until they answer."""
        self.directory = self.prepare()
        self.processes = Processes(self.directory, self.variables())
        self.launch()

    def stop(self) -> None:
        if hasattr(self, "processes"):
            self.processes.stop_all()

    def wait(self, request: Request) -> None:
        """Return once it answers a request as it should. Raises NotStarted."""

        def is_ready() -> bool:
            status = ask_once(request)
            if status in {404, 405}:
                raise NotStarted(f"there is no {request.path}: it answers {status}")
            return status == request.expected_status

        self.processes.wait_until(is_ready)

    @property
    def token(self) -> str:
        return (self.directory / "demo-token").read_text().strip()

    def rows(self, run: str) -> Rows | None:
        """Count the rows of a run in the store; None when this server keeps none."""
        prefix = name_prefix(run)
        with closing(sqlite3.connect(self.directory / "store.sqlite3", timeout=30)) as connection:
            connection.execute("PRAGMA query_only = 1")
            found = connection.execute(
                f"SELECT count(*), count(DISTINCT name) FROM {self.table} WHERE name >= ? AND name < ?",
                (prefix, prefix + "\U0010ffff"),
            ).fetchone()
        return Rows(*found)


def ask_once(request: Request) -> int:
    """Send one request and return the status of its answer; 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=_PROBE_SECONDS)
    try:
        names = [f"{name_prefix('probe')}{number}" for number in range(request.items)]
        connection.request("POST", request.path, request.body(names), request.all_headers())
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One line of the table: a server, what it is asked, and what its answer promises."""

    name: str
    label: str
    server: Server
    path: str = "/api/items/"
    headers: dict[str, str] = field(default_factory=dict)
    expected_status: int = 201
    items: int = 1
    before: str = ""
    after: str = ""
    item_front: str = '{"name": "'
    item_back: str = '"}'
    durability: str
    is_durable: bool
    """Whether what was answered with success survives a power loss."""
    in_main_table: bool = True

    @property
    def request(self) -> Request:
        """The request, with the token of the running server."""
        return Request(
            port=self.server.port,
            path=self.path,
            headers={"Authorization": f"Bearer {self.server.token}"} | self.headers,
            expected_status=self.expected_status,
            items=self.items,
            before=self.before,
            after=self.after,
            item_front=self.item_front,
            item_back=self.item_back,
        )
