"""What the store holds after a run, as values."""

import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COMMITTED = "committed"
COLUMNS = "write_id, token, function, status, http_status, body, committed_at, principal"


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
        receipts = [
            Receipt(
                write_id=write_id,
                token=token,
                function=function,
                status=status,
                http_status=http_status,
                body=json.loads(body),
                committed_at=_seconds(committed_at),
                principal=principal,
            )
            for write_id, token, function, status, http_status, body, committed_at, principal in (
                connection.execute(f"SELECT {COLUMNS} FROM workers_receipt ORDER BY write_id")
            )
        ]
        rows = [
            Row(item_id=item_id, name=name, version=version)
            for item_id, name, version in connection.execute(
                "SELECT id, name, version FROM items_item ORDER BY id"
            )
        ]
        faults = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
    return Snapshot(receipts=receipts, rows=rows, faults=faults)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
