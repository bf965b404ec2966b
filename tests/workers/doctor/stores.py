"""Stores that the doctor is shown, and what it finds."""

import sqlite3
from contextlib import closing
from pathlib import Path

from workers import doctor
from workers.doctor import Finding


def examined(*, full: bool = False) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor.examine(full=full)}


def make_store(path: Path, *, journal_mode: str = "wal") -> None:
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(f"PRAGMA journal_mode = {journal_mode}")
        made.execute("CREATE TABLE numbers (number INTEGER, text TEXT)")
        made.execute("CREATE INDEX by_text ON numbers (text)")
        made.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, f"text {n}" * 20) for n in range(1_000)])
