"""Environments with the wheel and what it asks for, and nothing else of what the tests have installed.

Its dependencies are links into the environment of the tests, so nothing comes from an index.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e.service import BASE_DIR, PYTHON


def build_wheel(directory: Path) -> Path:
    """Build the wheel as `make wheel` does, and return it."""
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    flags = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(BASE_DIR)]
    subprocess.run([*pip, *flags], check=True)
    [wheel] = directory.glob("one_writer-*.whl")
    return wheel


def make_environment(directory: Path, wheel: Path, *, extras: frozenset[str]) -> Path:
    """Install the wheel and its dependencies into a new environment; return its Python."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(directory)], check=True)
    python = directory / "bin" / "python"
    pip = [PYTHON, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    site = directory / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    [metadata] = site.glob("one_writer-*.dist-info")
    for found in _with_dependencies(PathDistribution(metadata), extras):
        _link(found, site)
    return python


def _with_dependencies(root: Distribution, extras: frozenset[str]) -> Iterator[Distribution]:
    """Yield what the distribution asks for, and what that asks for."""
    todo, seen = [(root, extras)], set()
    while todo:
        asking, its_extras = todo.pop()
        for text in asking.requires or ():
            wanted = Requirement(text)
            marker = wanted.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in {"", *its_extras}):
                continue
            key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
            if key not in seen:
                seen.add(key)
                found = distribution(wanted.name)
                todo.append((found, key[1]))
                yield found


def _link(found: Distribution, site: Path) -> None:
    for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
        target = Path(str(found.locate_file(name)))
        if not (site / name).exists():
            (site / name).symlink_to(target)


def run(
    python: Path, *arguments: str, cwd: Path, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in this environment, where nothing of the repository is on the path."""
    return subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env=environment_of(**variables),
        check=check,
        capture_output=True,
        text=True,
        timeout=100,
    )


def environment_of(**variables: str) -> dict[str, str]:
    """Return the variables of a process that knows nothing of the tests."""
    return {name: value for name, value in os.environ.items() if not _is_ours(name)} | variables


def _is_ours(name: str) -> bool:
    return name in {"PYTHONPATH", "DJANGO_SETTINGS_MODULE", "DATA_DIR", "REDIS_URL"} or name.startswith(
        "WRITE_"
    )
