"""The output of the processes that `manage.py up` runs, each line prefixed with the process's name."""

import os
from collections.abc import Callable, Sequence

# Green, yellow, blue, magenta, cyan: legible on dark and on light terminals. Red is left to errors.
_COLOURS = (32, 33, 34, 35, 36)

# A line longer than this is shown in pieces, so that a process cannot fill the memory with one.
_LONGEST_LINE_BYTES = 65_536


class Console:
    """Writes lines prefixed with a name: `writer | text`."""

    def __init__(self, write: Callable[[str], object], *, names: Sequence[str], colour: bool) -> None:
        self._write = write
        width = max(map(len, names), default=0)
        self._prefixes = {name: f"{name:<{width}} | " for name in names}
        if colour:
            for index, (name, prefix) in enumerate(self._prefixes.items()):
                self._prefixes[name] = f"\033[{_COLOURS[index % len(_COLOURS)]}m{prefix}\033[0m"

    def line(self, name: str, text: str) -> None:
        try:
            self._write(self._prefixes.get(name, f"{name} | ") + text)
        except OSError:
            # The terminal is gone (its window was closed). The processes must still be stopped in order.
            return


class LineReader:
    """Splits what arrives from a pipe into lines."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._on_line = on_line
        self._rest = b""
        os.set_blocking(descriptor, False)

    def read(self) -> bool:
        """Pass on the lines that have arrived; return False once the other end is closed."""
        try:
            data = os.read(self._descriptor, _LONGEST_LINE_BYTES)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) >= _LONGEST_LINE_BYTES):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._on_line(line.decode(errors="replace").rstrip("\r"))
        return bool(data)
