"""Which savepoints a transaction has, told by the texts of its statements: no database says."""

import re

from workers.store.lock.statements import BEFORE

_SAVEPOINT = re.compile(BEFORE + r"(SAVEPOINT|RELEASE(?:\s+SAVEPOINT)?)\s+([^\s;]+)", re.I | re.S)


class Savepoints:
    """Of one connection."""

    def __init__(self) -> None:
        self._names: list[str] = []

    @property
    def are_open(self) -> bool:
        return bool(self._names)

    def clear(self) -> None:
        """Note that a transaction begins."""
        self._names.clear()

    def note(self, sql: str) -> None:
        """Note a statement that is about to be run."""
        if (found := _SAVEPOINT.match(sql)) is None:
            return
        kind, name = found[1].upper(), found[2].strip("\"'`[]").lower()
        if kind == "SAVEPOINT":
            self._names.append(name)
        elif name in self._names:
            # The last one of that name, and all that were made in it.
            del self._names[len(self._names) - 1 - self._names[::-1].index(name) :]
