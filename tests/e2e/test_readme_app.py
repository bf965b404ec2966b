"""The app of README.md, taken from it literally: it passes the linter and is served."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, Service

# What the README says it leaves out.
IMPORTS = {
    "models": "from django.db import models\n",
    "views": (
        "from rest_framework.serializers import ModelSerializer\n"
        "from rest_framework.viewsets import ModelViewSet\n\n"
        "from notes.models import Note\n"
        "from workers.rest import QueuedWritesMixin\n"
    ),
    "urls": "from rest_framework.routers import SimpleRouter\n\nfrom notes.views import NoteViewSet\n",
}
SETTINGS = """
from project.settings import *
from project.settings import INSTALLED_APPS
INSTALLED_APPS = [*INSTALLED_APPS, "notes"]
ROOT_URLCONF = "their_urls"
"""
URLS = """
from django.urls import include, path
from project.urls import *
from project.urls import urlpatterns
urlpatterns = [*urlpatterns, {route}]
"""


def files_of_the_readme() -> dict[str, str]:
    """Return the modules of the README's example by name; a comment with its path begins each."""
    section = (BASE_DIR / "README.md").read_text().partition("## Use it for your own models")[2]
    [block] = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    files: dict[str, list[str]] = {}
    for line in block.splitlines(keepends=True):
        if begins := re.search(r"# notes/(\w+)\.py", line):
            files[begins[1]] = []
        files[next(reversed(files))].append(line)
    return {name: "".join(lines).strip() + "\n" for name, lines in files.items()}


def route_of_the_readme() -> str:
    [route] = re.findall(
        r'`(path\("api/", include\("notes\.urls"\)\))`', (BASE_DIR / "README.md").read_text()
    )
    return str(route)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the app `notes`, its settings and its URLs."""
    directory = tmp_path_factory.mktemp("project")
    (directory / "notes").mkdir()
    (directory / "notes" / "__init__.py").touch()
    for name, text in files_of_the_readme().items():
        space = "\n" if text.startswith("router") else "\n\n"
        (directory / "notes" / f"{name}.py").write_text(IMPORTS[name] + space + text)
    (directory / "their_settings.py").write_text(SETTINGS)
    (directory / "their_urls.py").write_text(URLS.format(route=route_of_the_readme()))
    return directory


def test_the_example_is_the_modules_that_it_names() -> None:
    assert list(files_of_the_readme()) == ["models", "views", "urls"]


@pytest.mark.parametrize("command", [["check"], ["format", "--diff"]], ids=["lint", "format"])
def test_the_example_passes_the_linter_of_the_project(project: Path, command: list[str]) -> None:
    sources = f"src = ['{project}', '{BASE_DIR}']"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", *command, "--no-cache"),
            *("--config", str(BASE_DIR / "pyproject.toml"), "--config", sources, "notes"),
        ],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_example_is_served_beside_the_project(
    project: Path, make_service: Callable[..., Service]
) -> None:
    path = os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])
    service = make_service(DJANGO_SETTINGS_MODULE="their_settings", PYTHONPATH=path)
    service.manage("makemigrations", "notes")
    service.manage("migrate", "--verbosity", "0")
    service.manage("check", "--fail-level", "WARNING")
    service.start_all()

    created = service.post("/api/notes/", {"text": "first note"})
    note, path = created.json(), created.headers["Location"]
    read = service.get(path)
    changed = service.request("PATCH", path, {"text": "x"}, headers={"If-Match": created.headers["ETag"]})
    stale = service.request("PUT", path, {"text": "y"}, headers={"If-Match": created.headers["ETag"]})
    owners = service.rows("SELECT username FROM notes_note JOIN auth_user ON auth_user.id = owner_id")
    removed = service.request("DELETE", path)
    again = service.request("DELETE", path)

    assert (created.status, note) == (201, {"id": note["id"], "text": "first note"})
    assert created.headers["Write-Id"]
    assert (read.status, read.json(), read.headers["ETag"]) == (200, note, created.headers["ETag"])
    assert (changed.status, changed.json()["text"], stale.status) == (200, "x", 412)
    assert owners == [("demo",)]
    assert removed.status == 204
    assert (again.status, again.json()["code"]) == (404, "not_found")
    assert service.get("/api/notes/").json() == []
    assert service.post("/api/notes/", {"text": ""}).json()["code"] == "invalid"
    assert service.request("PUT", "/api/notes/99999999999999999999/", {"text": "x"}).status == 404
    assert service.rows("SELECT * FROM notes_note") == []
