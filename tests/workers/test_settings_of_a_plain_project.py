"""What a project need not say in its settings.py: the environment says it, or there is a default."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, PYTHON

SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "workers"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""

TELL = """
import django
django.setup()
from django.conf import settings as django_settings
from workers.conf import settings
from workers.service_settings import place
print(settings.WRITE_WAIT_SECONDS, settings.WRITE_BATCH_MAX_WRITES, django_settings.WRITE_WAIT_SECONDS)
print(place.DATA_DIR, place.REDIS_URL, place.HOST, place.PORT, place.WEB_PROCESSES, place.WEB_ON_LOOP)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "plain").mkdir()
    (tmp_path / "site" / "plain" / "__init__.py").touch()
    (tmp_path / "site" / "plain" / "settings.py").write_text(SETTINGS)
    return tmp_path / "site"


def tell(project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": "", "PYTHONPATH": f"{project}:{BASE_DIR}", "DJANGO_SETTINGS_MODULE": "plain.settings"}
    return subprocess.run(
        [PYTHON, "-c", TELL],
        cwd=project.parent,  # not the project's: what it finds must not depend on where it is started
        env=path | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_environment_says_what_the_settings_leave_out(project: Path) -> None:
    (project / "plain" / "settings.py").write_text(f"{SETTINGS}WRITE_BATCH_MAX_WRITES = 7\n")

    told = tell(
        project,
        WRITE_WAIT_SECONDS="2.5",
        WRITE_BATCH_MAX_WRITES="9",
        REDIS_URL="redis://elsewhere/3",
        **{"PORT": "8123", "HOST": "::1", "WEB_PROCESSES": "3", "DATA_DIR": "/srv/data"},
    )

    first, second = told.stdout.splitlines()
    assert first == "2.5 7 2.5", told.stderr
    assert second == "/srv/data redis://elsewhere:6379/3 ::1 8123 3 ()"


def test_defaults(project: Path) -> None:
    # A short name: it is in the path of the socket, which has room for 107 bytes.
    words = tell(project, WEB_PROCESSES="1").stdout.splitlines()[1].split()

    assert words[0] == str(project / "var")
    assert words[1] == f"unix://{project}/var/redis/redis.sock?db=0"
    assert words[2:] == ["127.0.0.1", "8000", "1", "()"]


@pytest.mark.parametrize(
    ("name", "value"), [("WRITE_WAIT_SECONDS", "ten"), ("WRITE_SYNCHRONOUS", "OFF"), ("PORT", "0")]
)
def test_a_bad_variable_ends_the_start_with_one_line_that_names_it(
    project: Path, name: str, value: str
) -> None:
    told = tell(project, **{name: value})

    assert told.returncode == 1
    [line] = told.stderr.splitlines()
    assert line.startswith(f"{name}=")
    assert value in line
