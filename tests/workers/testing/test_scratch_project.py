"""The examples of docs/testing.md, in a project as `startproject` makes it, run by both test runners."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR
from tests.e2e.test_readme_app import IMPORTS, files_of_the_readme

# Building the project once is enough, and each run starts Python and Django anew.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scratch project"), pytest.mark.timeout(300)]

RUN_SECONDS = 280

SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["localhost", "testserver"]
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "rest_framework", "workers", "notes",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "project.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
URLS = """
from django.urls import include, path
urlpatterns = [path("api/", include("notes.urls")), path("api/", include("workers.rest.urls"))]
"""
MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
execute_from_command_line(sys.argv)
"""
NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event == "socket.connect":
        raise AssertionError(f"connects to {arguments[1]}")

sys.addaudithook(refuse)
"""
"""Redis is not only away: nobody looks for it."""


def snippets() -> dict[str, str]:
    """Return the examples of the document by the path that begins each."""
    text = (BASE_DIR / "docs" / "testing.md").read_text()
    found = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, re.DOTALL)
    assert len(found) == text.count("```python")
    return dict(found)


RUN = {
    *("project/test_settings.py", "project/live_settings.py", "conftest.py"),
    *("notes/tests.py", "notes/test_hooks.py", "test_notes.py", "test_waiting.py"),
    *("test_live.py", "notes/test_live.py", "notes/write_functions.py"),
}
"""What the tests below run."""


def test_every_example_is_run() -> None:
    assert set(snippets()) == RUN


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scratch")
    files = {
        "manage.py": MANAGE,
        "project/__init__.py": "",
        "project/settings.py": SETTINGS,
        "project/urls.py": URLS,
        "notes/__init__.py": "",
        "no_network/sitecustomize.py": NO_NETWORK,
        **{f"notes/{name}.py": IMPORTS[name] + text for name, text in files_of_the_readme().items()},
        **snippets(),
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    return directory


def run(project: Path, *arguments: str, network: bool = True) -> str:
    """Return what the program said, which must end well."""
    path = [str(BASE_DIR)] if network else [str(project / "no_network"), str(BASE_DIR)]
    left_out = {"DJANGO_SETTINGS_MODULE", "DATA_DIR", "REDIS_URL", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name not in left_out}
        | {"PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_djangos_runner_needs_no_redis_and_leaves_nothing(project: Path) -> None:
    labels = ("notes.tests", "notes.test_hooks")
    before = set(project.iterdir())
    said = run(project, "manage.py", "test", *labels, "--settings", "project.test_settings", network=False)

    assert "Ran 5 tests" in said
    assert "OK" in said
    # The test database is in memory: no lock and no lease of it belongs beside the project.
    assert set(project.iterdir()) == before


def test_pytest_needs_no_redis_and_with_the_fixtures_no_setting(project: Path) -> None:
    files = ("test_notes.py", "test_waiting.py")
    said = run(project, "-m", "pytest", "-q", *files, "--ds", "project.settings", network=False)

    assert "2 passed" in said


def test_a_real_writer_commits_for_pytest(project: Path) -> None:
    said = run(project, "-m", "pytest", "-q", "test_live.py", "--ds", "project.live_settings")

    assert "1 passed" in said
    assert not (project / "test.sqlite3-wal").exists()


def test_a_real_writer_commits_for_djangos_runner(project: Path) -> None:
    said = run(project, "manage.py", "test", "notes.test_live", "--settings", "project.live_settings")

    assert "Ran 1 test" in said
    assert not (project / "test.sqlite3-wal").exists()
