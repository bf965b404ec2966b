"""manage.py itself, before Django has anything to say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with manage.py alone: what is missing is said before anything of the service is read."""
    shutil.copy(BASE_DIR / "manage.py", tmp_path)
    return tmp_path


def run_without_packages(checkout: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", checkout / "manage.py", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_python_without_the_packages_is_told_which_one_has_them(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()

    near = run_without_packages(checkout, "startapp", "my notes", cwd=checkout)
    away = run_without_packages(checkout, "startapp", "notes", cwd=Path("/"))

    missing = f"manage.py: {sys.executable} has no celery, django, redis, rest_framework."
    assert (near.returncode, near.stderr) == (
        1,
        f"{missing} Run .venv/bin/python manage.py startapp 'my notes'\n",
    )
    assert away.stderr == f"{missing} Run {python} {checkout}/manage.py startapp notes\n"


def test_without_a_virtualenv_it_is_told_what_makes_one(checkout: Path) -> None:
    done = run_without_packages(checkout, "migrate", cwd=checkout)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "`make run` installs them in .venv" in done.stderr
