"""What the store holds after a run, as values."""

import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests import clusters

COMMITTED = "committed"
_COLUMNS = "write_id, token, function, status, http_status, body, committed_at, principal"
_RECEIPTS = f"SELECT {_COLUMNS} FROM workers_receipt ORDER BY write_id"
_ROWS = "SELECT id, name, version FROM items_item ORDER BY id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One row of the receipts."""

    write_id: int
    token: str
    function: str
    status: str
    http_status: int
    body: Any
    committed_at: float
    principal: str = ""

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The items that a committed write's result shows, in order."""
        if self.status != COMMITTED or not isinstance(self.body, dict):
            return []
        results = self.body.get("results", [{"item": self.body}])
        return [result["item"] for result in results if "name" in result.get("item", {})]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item."""

    item_id: int
    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The store at rest, its receipts in the order of their ids."""

    receipts: list[Receipt]
    rows: list[Row]
    faults: list[str] = field(default_factory=list)
    """What SQLite's own integrity check says."""


def copy(store: Path, to: Path) -> Path:
    """Copy the store as it is, its log included; return the copy's path."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)
    return to


def read(store: Path) -> Snapshot:
    """Read the store without changing it."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        faults = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        return Snapshot(
            receipts=[_receipt(*row) for row in connection.execute(_RECEIPTS)],
            rows=[_row(*row) for row in connection.execute(_ROWS)],
            faults=faults,
        )


def read_server(url: str) -> Snapshot:
    """Read the store on a server."""
    return Snapshot(
        receipts=[_receipt(*row) for row in clusters.rows(url, _RECEIPTS)],
        rows=[_row(*row) for row in clusters.rows(url, _ROWS)],
    )


def _receipt(
    write_id: int,
    token: str | UUID,
    function: str,
    status: str,
    http_status: int,
    body: str,
    committed_at: str | datetime,
    principal: str,
) -> Receipt:
    return Receipt(
        write_id=write_id,
        token=token.hex if isinstance(token, UUID) else token,
        function=function,
        status=status,
        http_status=http_status,
        body=json.loads(body),
        committed_at=_seconds(committed_at),
        principal=principal,
    )


def _row(item_id: int, name: str, version: int) -> Row:
    return Row(item_id=item_id, name=name, version=version)


def _seconds(moment: str | datetime) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
