"""The app of README.md, taken from it literally: it passes the linter and is served.

And its commands of docs/import-export.md.
"""

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
IMPORTS_OF_COMMANDS = {
    "import_notes": (
        "from notes.views import NoteSerializer\nfrom workers.management.transfer import ImportCommand\n"
    ),
    "export_notes": (
        "from notes.views import NoteSerializer\nfrom workers.management.transfer import ExportCommand\n"
    ),
    "write_functions": (
        "from notes.models import Note\n"
        "from workers import BulkInsert, Result, Write, user_id, write_function\n"
        "from workers.transfer import imported, restored\n"
    ),
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


def blocks_of_import_export() -> list[str]:
    text = (BASE_DIR / "docs" / "import-export.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def write_commands(project: Path) -> None:
    """Write the commands as the document has them, and its write function."""
    commands, write_function = blocks_of_import_export()
    directory = project / "notes" / "management" / "commands"
    directory.mkdir(parents=True)
    for block in commands.split("\n\n\n"):
        [name] = re.findall(r"# notes/management/commands/(\w+)\.py", block)
        (directory / f"{name}.py").write_text(f"{IMPORTS_OF_COMMANDS[name]}\n\n{block.strip()}\n")
    (project / "notes" / "write_functions.py").write_text(
        f"{IMPORTS_OF_COMMANDS['write_functions']}\n{write_function}"
    )


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
    subprocess.run(
        [sys.executable, "manage.py", "startapp", "notes", directory / "notes"],
        cwd=BASE_DIR,
        check=True,
        timeout=60,
    )
    for name, text in files_of_the_readme().items():
        space = "\n" if text.startswith("router") else "\n\n"
        (directory / "notes" / f"{name}.py").write_text(IMPORTS[name] + space + text)
    write_commands(directory)
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
            *("--config", str(BASE_DIR / "pyproject.toml"), "--config", sources),
            *(f"notes/{name}.py" for name in IMPORTS),  # not what startapp adds, such as an empty admin.py
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

    # The commands, by the serializer and then by the write function.
    file = project / "notes.csv"
    file.write_text("text\none\ntwo\n")
    by_serializer = service.manage("import_notes", str(file), "--user", "demo").stdout
    command = project / "notes" / "management" / "commands" / "import_notes.py"
    named = "serializer_class = NoteSerializer\n"
    command.write_text(command.read_text().replace(named, f'{named}    write_function = "notes.import"\n'))
    by_function = service.manage("import_notes", str(file), "--user", "demo").stdout
    service.manage("export_notes", str(project / "out.csv"))

    assert "2 lines: 2 created, 0 refused." in by_serializer and "2 lines: 2 created" in by_function
    assert service.rows(
        "SELECT DISTINCT username FROM notes_note JOIN auth_user ON auth_user.id = owner_id"
    ) == [("demo",)]
    exported = (project / "out.csv").read_text().splitlines()
    assert [line.partition(",")[2] for line in exported] == ["text", "one", "two", "one", "two"]
