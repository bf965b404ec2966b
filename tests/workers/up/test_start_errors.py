"""What stands in the way of a start is said in one line with the next step."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.e2e.service import BASE_DIR


@pytest.mark.sqlite  # what is in the way of a file
@pytest.mark.parametrize(
    ("command", "name", "is_directory"),
    [
        ("migrate", "store.sqlite3", False),
        ("up", "store.sqlite3", False),
        ("up", "store.sqlite3", True),
        ("up", "up.lock", True),
        ("up", "static", False),
        ("up", "demo-password", True),
    ],
)
def test_what_is_in_the_way_is_named_without_a_traceback(
    command: str, name: str, is_directory: bool, tmp_path: Path
) -> None:
    place = tmp_path / name
    if is_directory:
        place.mkdir()
    else:
        place.write_bytes(b"not what should be here" * 500)

    done = subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=BASE_DIR,
        env=os.environ | {"DATA_DIR": str(tmp_path), "PORT": "8937", "DEMO": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(place) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def umask() -> Iterator[None]:
    """Keep this process's from what the command sets for the processes of the service."""
    former = os.umask(0o077)
    yield
    os.umask(former)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, r"^WSGI_APPLICATION is not set\. "),
        ("", r"^WSGI_APPLICATION is not set\. "),
        ("application", r"^WSGI_APPLICATION='application' names no module\. "),
        ("project.nowhere.application", "^WSGI_APPLICATION=.*: there is no module 'project.nowhere'"),
        ("nowhere.wsgi.application", "^WSGI_APPLICATION=.*: there is no module 'nowhere.wsgi'"),
    ],
)
def test_an_application_that_is_not_there_is_named_with_the_next_step(
    settings: Settings, value: str | None, said: str
) -> None:
    settings.WSGI_APPLICATION = value

    with pytest.raises(CommandError, match=said + r".*WSGI_APPLICATION = \"mysite\.wsgi\.application\""):
        call_command("up")
