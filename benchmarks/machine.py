"""On what, with what and when: what a reader needs to judge absolute figures."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.contestants.one_writer import redis_command
from benchmarks.processes import BASE_DIR

PEERS = (
    *("celery", "celery-batches", "fastapi", "sqlalchemy", "aiosqlite", "datasette", "psycopg", "uvicorn"),
    *("gevent", "granian", "django-bolt"),
)
SERVICE = (
    "django",
    "djangorestframework",
    "gunicorn",
    "uvicorn",
    "uvloop",
    "celery",
    "kombu",
    "redis",
    "hiredis",
)
VERSIONS = """
import platform, sqlite3, sys
from importlib.metadata import version
print("Python", platform.python_version(), end=", ")
print("SQLite", sqlite3.sqlite_version, end=", ")
print(*(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
"""


def describe(bench: Bench) -> dict[str, str]:
    """Return the machine and the versions, by name."""
    return hardware(bench.directory, "python -m benchmarks") | {
        "redis": _first_line([redis_command(bench.python, bench.new_directory("version"))[0], "--version"]),
        "postgresql": _first_line([str(bench.postgres / "postgres"), "--version"])
        if bench.postgres
        else "none",
        "load driver": load.driver(),
        "service": versions(bench.python, SERVICE),
        "peers": ", ".join(f"{name} {_version(name)}" for name in PEERS),
    }


def hardware(directory: Path, program: str) -> dict[str, str]:
    """Return when, what and on what, with the disk that this directory is on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join([program, *sys.argv[1:]]),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": _file_system(directory),
    }


def versions(python: str, names: Iterable[str]) -> str:
    """Return an interpreter's version, SQLite's, and those of packages that it has, on one line."""
    return _first_line([python, "-c", VERSIONS, *names])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _commit() -> str:
    if shutil.which("git") is None:
        return "unknown"
    commit = _first_line(["git", "-C", str(BASE_DIR), "rev-parse", "--short", "HEAD"])
    changes = _first_line(["git", "-C", str(BASE_DIR), "status", "--porcelain"])
    return f"{commit or 'unknown'}{' with changes' if changes else ''}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"


def _file_system(path: Path) -> str:
    """Return the type of the file system that the stores are on."""
    lines = _lines(["df", "--output=fstype,source", str(path)])
    return " on ".join(lines[-1].split()) if lines else "unknown"


def _first_line(command: list[str]) -> str:
    lines = _lines(command)
    return lines[0] if lines else ""


def _lines(command: list[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return done.stdout.splitlines()
