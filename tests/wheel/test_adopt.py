"""docs/adopt.md, followed literally from `django-admin startproject` on, in an environment with the wheel."""

import contextlib
import http.cookiejar
import re
import shutil
import signal
import sqlite3
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, free_port
from tests.waiting import until
from tests.wheel.environments import environment_of, run

pytestmark = pytest.mark.slow

DOCUMENT = (BASE_DIR / "docs" / "adopt.md").read_text()
MOST_CHANGED_LINES = 10

MODELS = """
from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=200)
"""


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}")[2].partition("\n## ")[0]


def blocks(text: str) -> dict[str, str]:
    """Return the blocks of Python by the file that their first line names."""
    found = re.findall(r"```python\n# ([^\n]+)\n(.*?)```", text, re.DOTALL)
    assert found
    return dict(found)


def commands(text: str) -> list[list[str]]:
    """Return the arguments of manage.py in the commands to type."""
    return [line.split() for line in re.findall(r"^ {4}python manage\.py (.+)$", text, re.MULTILINE)]


STEP_1, STEP_2 = section("Step 1"), section("Step 2")


class Project:
    """A project on disk, its commands, and its pages as a browser sees them."""

    def __init__(self, directory: Path, python: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._python = python
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._browser = urllib.request.build_opener(cookies)

    @property
    def variables(self) -> dict[str, str]:
        return {"PORT": str(self.port), "WEB_PROCESSES": "1", "DJANGO_SUPERUSER_PASSWORD": "of a test 1"}

    def manage(self, *arguments: str) -> str:
        done = run(self._python, "manage.py", *arguments, cwd=self.directory, check=False, **self.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def add(self, name: str, text: str) -> int:
        """Append to a file, or make it; return how many lines that changes."""
        path = self.directory / name
        with path.open("a") as file:
            file.write(text)
        return len([line for line in text.splitlines() if line.strip()])

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Run `manage.py up` while the block runs; it must stop in order."""
        log = self.directory / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self._python), "manage.py", "up"],
                cwd=self.directory,
                env=environment_of(**self.variables),
                stdout=output,
                stderr=output,
            )
        try:
            until(lambda: "Running at" in log.read_text() or process.poll() is not None, seconds=60)
            assert process.poll() is None, log.read_text()
            yield
            process.send_signal(signal.SIGINT)
            assert process.wait(40) == 0, log.read_text()
            assert "Not Found" not in log.read_text()  # of what `up` asks, until the server responds
        finally:
            process.kill()
            process.wait(10)

    def page(self, path: str) -> str:
        with self._browser.open(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
            return str(response.read().decode())

    def fill_in(self, path: str, **fields: str) -> str:
        """Send the form of a page, and return the page that follows."""
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page(path))[:1]
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self._browser.open(f"http://127.0.0.1:{self.port}{path}", data, timeout=20) as response:
            return str(response.read().decode())

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.directory / "db.sqlite3")) as connection:
            return connection.execute(sql).fetchall()


def start(directory: Path, python: Path) -> Project:
    directory.mkdir()
    run(python, "-m", "django", "startproject", "mysite", ".", cwd=directory)
    return Project(directory, python)


def test_with_one_line_and_nothing_but_the_core_a_project_is_ready(core: Path, tmp_path: Path) -> None:
    project = start(tmp_path / "site", core)

    for name, text in blocks(STEP_1).items():
        assert project.add(name, text) == 1
    for command in commands(STEP_1):
        project.manage(*command)
    project.manage("createsuperuser", "--noinput", "--username", "ann", "--email", "ann@example.org")

    assert project.rows("SELECT username FROM auth_user") == [("ann",)]
    assert project.rows("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.timeout(400)  # a dozen commands and a whole service, beside other tests
def test_from_startproject_to_an_admin_save_beside_a_working_writer_and_back(
    full: Path, tmp_path: Path
) -> None:
    project = start(tmp_path / "site", full)
    steps = blocks(STEP_1 + STEP_2)
    setting_up = [name for name in steps if name.startswith("mysite/")]

    changed = sum(project.add(name, steps[name]) for name in setting_up)
    for command in commands(STEP_1):
        project.manage(*command)
    project.manage("createsuperuser", "--noinput", "--username", "ann", "--email", "ann@example.org")
    project.manage("startapp", "notes")
    project.add("notes/models.py", MODELS)
    project.add("notes/write_functions.py", steps["notes/write_functions.py"])
    project.add("mysite/settings.py", 'INSTALLED_APPS += ["notes"]\n')
    project.manage("makemigrations", "notes", "--verbosity", "0")
    with project.up():
        project.fill_in("/admin/login/?next=/admin/", username="ann", password="of a test 1")
        saved = project.fill_in("/admin/auth/group/add/", name="editors")
        style = project.page("/static/admin/css/base.css")
        told = project.manage("shell", "--command", f"{steps['anywhere']}\nprint(outcome.http_status)")

    assert changed <= MOST_CHANGED_LINES
    assert "was added successfully" in saved
    assert "--primary" in style
    assert told.splitlines()[-1] == "201"
    assert project.rows("SELECT name FROM auth_group") == [("editors",)]
    assert project.rows("SELECT text FROM notes_note") == [("hello",)]

    [command] = commands(section("Removal"))
    shutil.rmtree(project.directory / "notes")
    settings = project.directory / "mysite" / "settings.py"
    settings.write_text(settings.read_text().replace('INSTALLED_APPS += ["notes"]', ""))
    project.manage(*command)
    settings.write_text(settings.read_text().replace('INSTALLED_APPS += ["workers"]', ""))
    (project.directory / "mysite" / "celery.py").unlink()
    project.manage("check")
    project.manage("createsuperuser", "--noinput", "--username", "bob", "--email", "bob@example.org")
    assert project.rows("SELECT name FROM sqlite_master WHERE name LIKE 'workers%'") == []
    assert project.rows("SELECT username FROM auth_user ORDER BY id") == [("ann",), ("bob",)]
