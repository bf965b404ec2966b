"""Code of a project that has only put the app into INSTALLED_APPS does what it did: see unchanged.py."""

import json
import os
import sys
from functools import cache
from pathlib import Path

import pytest

from tests import forks
from tests.workers.store.lock.unchanged import BASE_DIR, CASES

SETTINGS = "tests.workers.store.lock.plain_settings"


@cache
def outcomes(directory: Path) -> dict[str, str]:
    done = forks.run(
        [sys.executable, "-m", "tests.workers.store.lock.unchanged"],
        cwd=BASE_DIR,
        env={**os.environ, "DATA_DIR": str(directory), "DJANGO_SETTINGS_MODULE": SETTINGS},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unchanged")


@pytest.mark.xdist_group("unchanged")
@pytest.mark.parametrize("name", CASES)
def test_unchanged_code(directory: Path, name: str) -> None:
    assert outcomes(directory)[name] == ""
